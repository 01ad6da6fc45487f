/**
 * A `PrefixStore` in memory, which several engines can share as tabs share a database. It holds copies, counts what is
 * done, and can be given faults: a quota, reads that take time, calls that fail.
 */
import type { PrefixIndex, PrefixNode, PrefixStore } from '../../src/storage/prefix-store.ts';

export interface MemoryPrefixes extends PrefixStore {
  readonly records: Map<string, Uint8Array<ArrayBuffer>>;
  readonly nodes: Map<string, PrefixNode>;
  /** Calls of `write`, each with its keys, and of `read`. */
  readonly writes: string[][];
  readonly reads: string[][];
  /** More bytes of records are a QuotaExceededError. */
  quotaBytes: number;
  /** Runs before each call; what it throws is how the call fails. */
  before: (call: keyof PrefixStore, keys: readonly string[]) => void | Promise<void>;
}

export function createMemoryPrefixes(): MemoryPrefixes {
  let revision = 0;
  const bytes = (): number => [...store.records.values()].reduce((sum, { length }) => sum + length, 0);
  const store: MemoryPrefixes = {
    records: new Map(),
    nodes: new Map(),
    writes: [],
    reads: [],
    quotaBytes: Infinity,
    before: () => {},
    async index(known): Promise<PrefixIndex | undefined> {
      await store.before('index', []);
      return known === revision ? undefined : { revision, nodes: [...store.nodes.values()] };
    },
    async read(keys) {
      await store.before('read', keys);
      store.reads.push([...keys]);
      return keys.map((key) => store.records.get(key)?.slice().buffer);
    },
    async write(blocks) {
      const keys = blocks.map(({ node }) => node.key);
      await store.before('write', keys);
      store.writes.push(keys);
      const added = blocks.reduce((sum, { record }) => sum + record.length, 0);
      if (bytes() + added > store.quotaBytes) throw new DOMException('full', 'QuotaExceededError');
      for (const { node, record } of blocks) {
        store.records.set(node.key, record.slice());
        store.nodes.set(node.key, node);
      }
      revision += 1;
      return revision;
    },
    async amend(keys, change) {
      await store.before('amend', keys);
      for (const key of keys) {
        const node = store.nodes.get(key);
        if (node) store.nodes.set(key, change(node));
      }
    },
    async remove(keys) {
      await store.before('remove', keys);
      for (const key of keys) {
        store.nodes.delete(key);
        store.records.delete(key);
      }
      revision += 1;
    },
    async removeAll() {
      await store.before('removeAll', []);
      store.nodes.clear();
      store.records.clear();
      revision += 1;
    },
    async sweep() {
      await store.before('sweep', []);
      for (const key of store.records.keys()) if (!store.nodes.has(key)) store.records.delete(key);
    },
  };
  return store;
}
