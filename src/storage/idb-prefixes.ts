/**
 * Prefixes in IndexedDB. A block is written before the index names it and forgotten after, so whatever is cut off in
 * between is a block that nobody looks for. Only the index is committed strictly: a block that did not reach the disk does
 * not prove itself, and is computed again.
 */
import { delMany, get, getMany, keys, promisifyRequest, setMany, values } from 'idb-keyval';
import { hasDatabase, storeOf } from './db.ts';
import { lock, tryLock } from './locks.ts';
import { parseNode } from './prefix-node.ts';
import type { PrefixNode, PrefixStore } from './prefix-store.ts';
import { isQuotaError } from './room.ts';

const blocks = storeOf('prefix-blocks', 'relaxed');
const index = storeOf('prefix-nodes', 'strict');
const notes = storeOf('prefix-nodes', 'relaxed');

/** No node is called so: their keys are hashes. */
const REVISION = 'revision';
/** Held by who writes; whoever sweeps wants it alone. */
const LOCK = 'prefixes';

/** Undefined where the browser keeps nothing. */
export async function openPrefixStore(): Promise<PrefixStore | undefined> {
  return (await hasDatabase()) ? indexedDbPrefixes : undefined;
}

const indexedDbPrefixes: PrefixStore = {
  async index(known) {
    const revision = asRevision(await get<unknown>(REVISION, index));
    if (revision === known) return undefined;
    const found = await values<unknown>(index);
    return { revision, nodes: found.map(parseNode).filter((node) => node !== undefined) };
  },
  read: (names) => getMany<unknown>([...names], blocks),
  async write(written) {
    const release = await lock(LOCK, 'shared', undefined);
    try {
      await setMany(
        written.map(({ node, record }) => [node.key, record.buffer]),
        blocks,
      );
      return await changeIndex((store) => {
        for (const { node } of written) store.put(node, node.key);
      });
    } finally {
      release();
    }
  },
  amend: (names, change) =>
    notes('readwrite', async (store) => {
      for (const name of names) {
        const request = store.get(name);
        request.addEventListener('success', () => {
          const node = parseNode(request.result);
          if (node) store.put(change(node) satisfies PrefixNode, name);
        });
      }
      await promisifyRequest(store.transaction);
    }),
  async remove(names) {
    await forget((store) => {
      for (const name of names) store.delete(name);
    });
    await delMany([...names], blocks);
  },
  async removeAll() {
    await forget((store) => {
      const request = store.getAllKeys();
      request.addEventListener('success', () => {
        for (const name of request.result) if (name !== REVISION) store.delete(name);
      });
    });
    await blocks('readwrite', (store) => {
      store.clear();
      return promisifyRequest(store.transaction);
    });
  },
  async sweep() {
    const release = await tryLock(LOCK);
    if (!release) return;
    try {
      const stored = await keys<IDBValidKey>(blocks);
      const named = new Set(await keys<IDBValidKey>(index));
      await delMany(
        stored.filter((name) => !named.has(name)),
        blocks,
      );
    } finally {
      release();
    }
  },
};

/** One transaction: the change and the next revision, which it resolves to. */
function changeIndex(change: (store: IDBObjectStore) => void): Promise<number> {
  return index('readwrite', async (store) => {
    let revision = 0;
    const request = store.get(REVISION);
    request.addEventListener('success', () => {
      revision = asRevision(request.result) + 1;
      store.put(revision, REVISION);
      change(store);
    });
    await promisifyRequest(store.transaction);
    return revision;
  });
}

/**
 * On a full disk Chromium commits what deletes and nothing else, not even a number. Other tabs are not told then: to them
 * what went is a miss.
 */
async function forget(change: (store: IDBObjectStore) => void): Promise<void> {
  try {
    await changeIndex(change);
  } catch (error) {
    if (!isQuotaError(error)) throw error;
    await index('readwrite', (store) => {
      change(store);
      return promisifyRequest(store.transaction);
    });
  }
}

function asRevision(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : 0;
}
