/**
 * An `OutputStore` in memory, which several engines can share as tabs share a database. It holds copies and can be given
 * faults: a quota, calls that take time or fail.
 */
import type { OutputKey, OutputStore } from '../../src/storage/output-store.ts';

export interface MemoryOutputs extends OutputStore {
  readonly records: Map<string, { key: OutputKey; content: unknown }>;
  /** More bytes are a QuotaExceededError. */
  quotaBytes: number;
  /** Runs before each call; what it throws is how the call fails. */
  before: (call: keyof OutputStore) => void | Promise<void>;
}

const nameOf = ({ tenant, root, lastUsed, byteLength, name }: OutputKey): string =>
  JSON.stringify([tenant, root, lastUsed, byteLength, name]);

export function createMemoryOutputs(): MemoryOutputs {
  const store: MemoryOutputs = {
    records: new Map(),
    quotaBytes: Infinity,
    before: () => {},
    async keys() {
      await store.before('keys');
      return [...store.records.values()].map(({ key }) => key);
    },
    async read(keys) {
      await store.before('read');
      return keys.map((key) => structuredClone(store.records.get(nameOf(key))?.content));
    },
    async write(key, content, outdated) {
      await store.before('write');
      const gone = new Set(outdated.map(nameOf));
      const kept = [...store.records].filter(([name]) => !gone.has(name));
      const bytes = kept.reduce((sum, [, one]) => sum + one.key.byteLength, content.length);
      if (bytes > store.quotaBytes) throw new DOMException('full', 'QuotaExceededError');
      for (const name of gone) store.records.delete(name);
      store.records.set(nameOf(key), { key, content: content.slice().buffer });
    },
    async remove(keys) {
      await store.before('remove');
      for (const key of keys) store.records.delete(nameOf(key));
    },
    async removeAll() {
      await store.before('removeAll');
      store.records.clear();
    },
  };
  return store;
}
