import fc from 'fast-check';
import { expect, test } from 'vitest';
import { outdatedBy, sizeOnDisk } from './output-budget.ts';
import type { OutputKey } from './output-store.ts';

const keyOf = (name: string, lastUsed: number, more: Partial<OutputKey> = {}): OutputKey => ({
  tenant: 't',
  root: 'r',
  lastUsed,
  byteLength: 744,
  name,
  ...more,
});
const WIDE = { rootBytes: 1e6, totalBytes: 1e6 };

test('the same answer takes the place of itself, however often it is there', () => {
  const stored = [keyOf('a', 1), keyOf('b', 2), keyOf('a', 3), keyOf('a', 4, { root: 'other' })];
  const gone = outdatedBy(keyOf('a', 9), stored, WIDE);
  expect(gone?.map(({ name, lastUsed }) => [name, lastUsed])).toEqual([
    ['a', 3],
    ['a', 1],
  ]);
});

test('the oldest under its root go when that is full, and of all when all is', () => {
  const stored = [keyOf('a', 1), keyOf('b', 2), keyOf('c', 3), keyOf('x', 0, { root: 'other' })];
  const names = (budget: typeof WIDE): string[] | undefined =>
    outdatedBy(keyOf('new', 9), stored, budget)
      ?.map(({ name }) => name)
      .toSorted();
  expect(names({ rootBytes: 4000, totalBytes: 9000 })).toEqual([]);
  expect(names({ rootBytes: 3999, totalBytes: 9000 })).toEqual(['a']);
  expect(names({ rootBytes: 2000, totalBytes: 9000 })).toEqual(['a', 'b']);
  expect(names({ rootBytes: 9000, totalBytes: 3000 })).toEqual(['a', 'x']);
});

test('what is larger than all there is room for has no place, and takes none', () => {
  expect(outdatedBy(keyOf('new', 9), [keyOf('a', 1)], { rootBytes: 999, totalBytes: 1e6 })).toBeUndefined();
  expect(outdatedBy(keyOf('new', 9), [keyOf('a', 1)], { rootBytes: 1e6, totalBytes: 999 })).toBeUndefined();
});

test('whatever is there, what remains fits, and nothing that goes is newer than what stays of its root', () => {
  const key = fc
    .record({
      name: fc.integer(),
      lastUsed: fc.nat(50),
      byteLength: fc.nat(900),
      root: fc.constantFrom('r', 's'),
    })
    .map(({ name, lastUsed, ...more }) => keyOf(String(name), lastUsed, more));
  const bytes = fc.integer({ min: 1200, max: 6000 });
  fc.assert(
    fc.property(fc.array(key), key, bytes, bytes, (stored, added, rootBytes, totalBytes) => {
      const gone = new Set(outdatedBy(added, stored, { rootBytes, totalBytes }));
      const kept = [added, ...stored.filter((one) => !gone.has(one))];
      const sum = (keys: OutputKey[]): number => keys.reduce((all, one) => all + sizeOnDisk(one), 0);
      expect(sum(kept)).toBeLessThanOrEqual(totalBytes);
      expect(sum(kept.filter(({ root }) => root === added.root))).toBeLessThanOrEqual(rootBytes);
      const others = [...gone].filter(({ name, root }) => name !== added.name || root !== added.root);
      for (const one of others) {
        const older = stored.filter((two) => two.root === one.root && two.lastUsed < one.lastUsed);
        expect(older.every((two) => gone.has(two))).toBe(true);
      }
    }),
  );
});
