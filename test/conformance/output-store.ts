/**
 * What every `OutputStore` must do. `open` gives the same store at every call, as two tabs see it; it is emptied before each
 * test.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { OutputKey, OutputStore } from '../../src/storage/output-store.ts';

const keyOf = (name: string, more: Partial<OutputKey> = {}): OutputKey => ({
  tenant: 'somebody',
  root: 'root',
  lastUsed: 1000.5,
  byteLength: 4,
  name,
  ...more,
});
const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values);
const byName = (keys: OutputKey[]): OutputKey[] => keys.toSorted((a, b) => a.name.localeCompare(b.name));

export function describeOutputStore(name: string, open: () => Promise<OutputStore>): void {
  describe(`the store of past answers ${name}`, () => {
    beforeEach(async () => (await open()).removeAll());

    test('gives back what was written, in the order that is asked for, and undefined for what was not', async () => {
      const store = await open();
      await store.write(keyOf('a'), bytes(1, 2), []);
      await store.write(keyOf('b'), bytes(3), []);
      const found = await (await open()).read([keyOf('b'), keyOf('none'), keyOf('a')]);
      expect(found).toEqual([bytes(3).buffer, undefined, bytes(1, 2).buffer]);
      expect(byName(await store.keys())).toEqual([keyOf('a'), keyOf('b')]);
    });

    test('a key is all that it says', async () => {
      const store = await open();
      await store.write(keyOf('a'), bytes(1), []);
      const others: Partial<OutputKey>[] = [
        { tenant: 't' },
        { root: 'r' },
        { lastUsed: 1 },
        { byteLength: 9 },
      ];
      expect(await store.read(others.map((other) => keyOf('a', other)))).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
      ]);
    });

    test('what is outdated goes when another comes', async () => {
      const [store, other] = [await open(), await open()];
      await store.write(keyOf('a'), bytes(1), []);
      await store.write(keyOf('b'), bytes(2), []);
      await other.write(keyOf('a', { lastUsed: 2000 }), bytes(1), [keyOf('a'), keyOf('none')]);
      expect(byName(await store.keys())).toEqual([keyOf('a', { lastUsed: 2000 }), keyOf('b')]);
    });

    test('what is removed is gone, and so is all', async () => {
      const store = await open();
      for (const one of ['a', 'b', 'c']) await store.write(keyOf(one), bytes(1), []);
      await store.remove([keyOf('b'), keyOf('none')]);
      expect(byName(await store.keys())).toEqual([keyOf('a'), keyOf('c')]);
      await store.removeAll();
      expect([await store.keys(), await store.read([keyOf('a')])]).toEqual([[], [undefined]]);
    });
  });
}
