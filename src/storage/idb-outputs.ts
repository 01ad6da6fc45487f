/** Past answers in IndexedDB. Commits are relaxed: what a crash takes is an answer that is not guessed from. */
import { clear, delMany, getMany, keys, promisifyRequest } from 'idb-keyval';
import { hasDatabase, storeOf } from './db.ts';
import type { OutputKey, OutputStore } from './output-store.ts';

const outputs = storeOf('past-outputs', 'relaxed');

/** Undefined where the browser keeps nothing. */
export async function openOutputStore(): Promise<OutputStore | undefined> {
  return (await hasDatabase()) ? indexedDbOutputs : undefined;
}

const indexedDbOutputs: OutputStore = {
  async keys() {
    return (await keys<IDBValidKey>(outputs)).map(parseKey).filter((key) => key !== undefined);
  },
  read: (names) => getMany<unknown>(names.map(toArray), outputs),
  write: (key, content, outdated) =>
    outputs('readwrite', (store) => {
      for (const one of outdated) store.delete(toArray(one));
      store.put(content.buffer, toArray(key));
      return promisifyRequest(store.transaction);
    }),
  remove: (names) => delMany(names.map(toArray), outputs),
  removeAll: () => clear(outputs),
};

function toArray({ tenant, root, lastUsed, byteLength, name }: OutputKey): IDBValidKey[] {
  return [tenant, root, lastUsed, byteLength, name];
}

/** Undefined if it is none: any version of this library may have written it. */
function parseKey(value: IDBValidKey): OutputKey | undefined {
  if (!Array.isArray(value) || value.length !== 5) return undefined;
  const [tenant, root, lastUsed, byteLength, name] = value as unknown[];
  const areTexts = [tenant, root, name].every((part) => typeof part === 'string');
  const areNumbers = [lastUsed, byteLength].every((part) => Number.isFinite(part) && Number(part) >= 0);
  return areTexts && areNumbers ? ({ tenant, root, lastUsed, byteLength, name } as OutputKey) : undefined;
}
