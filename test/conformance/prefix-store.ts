/**
 * What every `PrefixStore` must do. `open` gives the same store at every call, as two tabs see it; it is emptied before
 * each test. `put` puts a value where a block would be, past the store.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { PrefixBlock, PrefixNode, PrefixStore } from '../../src/storage/prefix-store.ts';

export interface PrefixStoreSetup {
  open(): Promise<PrefixStore>;
  put(key: string, value: ArrayBuffer): Promise<void>;
}

function blockOf(key: string, more: Partial<PrefixNode> = {}): PrefixBlock {
  const record = new TextEncoder().encode(`the block ${key}`);
  const node = {
    key,
    parent: 'root',
    start: 0,
    positions: 64,
    byteLength: record.length,
    computeMs: 5,
    lastUsed: 1000,
    hits: 0,
    pinned: false,
    tenant: 'somebody',
    model: 'm',
    ...more,
  };
  return { node, record };
}

const textOf = (value: unknown): string =>
  value instanceof ArrayBuffer ? new TextDecoder().decode(value) : `not a buffer: ${String(value)}`;

export function describePrefixStore(name: string, { open, put }: PrefixStoreSetup): void {
  describe(`the prefix store ${name}`, () => {
    beforeEach(async () => (await open()).removeAll());

    test('gives back what was written, in the order that is asked for, and undefined for what was not', async () => {
      const store = await open();
      await store.write([blockOf('a'), blockOf('b')]);
      const [b, none, a] = await store.read(['b', 'none', 'a']);
      expect([textOf(b), none, textOf(a)]).toEqual(['the block b', undefined, 'the block a']);
      expect((await store.index())?.nodes).toHaveLength(2);
    });

    test('tells a change by its revision, whoever made it, and nothing where nothing changed', async () => {
      const store = await open();
      const other = await open();
      const before = await store.index();
      expect(await store.index(before?.revision)).toBeUndefined();
      const revision = await other.write([blockOf('a')]);
      const after = await store.index(before?.revision);
      expect(after).toEqual({ revision, nodes: [blockOf('a').node] });
      await other.remove(['a']);
      expect((await store.index(revision))?.nodes).toEqual([]);
    });

    test('counts its own writes one by one', async () => {
      const store = await open();
      const first = await store.write([blockOf('a')]);
      expect(await store.write([blockOf('b')])).toBe(first + 1);
    });

    test('the same block twice is one block', async () => {
      const [store, other] = [await open(), await open()];
      await Promise.all([store.write([blockOf('a')]), other.write([blockOf('a')])]);
      expect((await store.index())?.nodes).toHaveLength(1);
    });

    test('changes what the index says of what is there, and brings nothing back', async () => {
      const store = await open();
      await store.write([blockOf('a'), blockOf('b')]);
      await store.remove(['b']);
      await store.amend(['a', 'b'], (node) => ({ ...node, hits: node.hits + 1, pinned: true }));
      expect((await store.index())?.nodes).toEqual([blockOf('a', { hits: 1, pinned: true }).node]);
    });

    test('amends after one another all count', async () => {
      const store = await open();
      await store.write([blockOf('a')]);
      const more = (node: PrefixNode): PrefixNode => ({ ...node, hits: node.hits + 1 });
      await Promise.all([store.amend(['a'], more), (await open()).amend(['a'], more)]);
      expect((await store.index())?.nodes[0]?.hits).toBe(2);
    });

    test('forgets what is removed, block and all', async () => {
      const store = await open();
      await store.write([blockOf('a'), blockOf('b')]);
      await store.remove(['a', 'none']);
      expect(await store.read(['a'])).toEqual([undefined]);
      await store.removeAll();
      expect(await store.read(['b'])).toEqual([undefined]);
      expect((await store.index())?.nodes).toEqual([]);
    });

    test('sweeps blocks that no index names, and no others', async () => {
      const store = await open();
      await store.write([blockOf('a')]);
      await put('left', new ArrayBuffer(9));
      await store.sweep();
      const [left, a] = await store.read(['left', 'a']);
      expect([left, textOf(a)]).toEqual([undefined, 'the block a']);
    });
  });
}
