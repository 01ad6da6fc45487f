import { describe, expect, test } from 'vitest';
import { blockKey } from './prefix-keys.ts';
import type { PrefixNode } from './prefix-store.ts';
import { chainTo, endsOf, longestChain, partsOf, treeOf, victims } from './prefix-tree.ts';

const DAY_MS = 86_400_000;

/** Blocks of two tokens under 'root'. */
function chain(ids: number[], more: Partial<PrefixNode> = {}): PrefixNode[] {
  const nodes: PrefixNode[] = [];
  let parent = 'root';
  for (let start = 0; start < ids.length; start += 2) {
    const own = ids.slice(start, start + 2);
    const key = blockKey(parent, own);
    const rest = {
      byteLength: 10,
      computeMs: 10,
      lastUsed: 0,
      hits: 0,
      pinned: false,
      tenant: 't',
      model: 'm',
    };
    nodes.push({ key, parent, start, positions: own.length, ...rest, ...more });
    parent = key;
  }
  return nodes;
}

const tree = (...chains: PrefixNode[][]): ReturnType<typeof treeOf> =>
  treeOf(new Map(chains.flat().map((node) => [node.key, node])).values());
const keysOf = (nodes: readonly PrefixNode[]): string[] => nodes.map(({ key }) => key);

describe('the longest chain', () => {
  const known = tree(chain([1, 2, 3, 4, 5]), chain([1, 2, 7]));

  test.each([
    [[1, 2, 3, 4, 5], 5],
    [[1, 2, 3, 4, 5, 6], 5],
    [[1, 2, 3, 4], 4],
    [[1, 2, 3], 2],
    [[1, 2, 7, 7], 3],
    [[1], 0],
    [[2, 1, 3, 4], 0],
  ])('of %j holds %i tokens', (ids, length) => {
    const found = longestChain(known, 'root', ids, 2);
    expect(found.reduce((sum, { positions }) => sum + positions, 0)).toBe(length);
    expect(keysOf(chainTo(known, found.at(-1)?.key ?? ''))).toEqual(keysOf(found));
  });

  test('begins at its root', () => expect(longestChain(known, 'other', [1, 2], 2)).toEqual([]));
});

describe('what goes first', () => {
  test('is what saves least for its bytes, of leaves only', () => {
    const used = chain([1, 2, 3, 4], { hits: 3 });
    const unused = chain([5, 6, 7, 8]);
    const all = tree(used, unused);
    expect(victims(all, 1, 0, new Set())).toEqual([unused[1]!.key]);
    expect(victims(all, 20, 0, new Set())).toEqual([unused[1]!.key, unused[0]!.key]);
    expect(victims(all, 21, 0, new Set())).toEqual([unused[1]!.key, unused[0]!.key, used[1]!.key]);
  });

  test('is what was not used for long', () => {
    const old = chain([1, 2], { lastUsed: 0, hits: 2 });
    const fresh = chain([3, 4], { lastUsed: 10 * DAY_MS });
    expect(victims(tree(old, fresh), 1, 10 * DAY_MS, new Set())).toEqual([old[0]!.key]);
  });

  test('is what nothing leads to any more', () => {
    const [, orphan] = chain([1, 2, 3, 4], { hits: 100 });
    expect(victims(tree([orphan!], chain([5, 6])), 1, 0, new Set())).toEqual([orphan!.key]);
  });

  test('is never pinned or in use, nor before what is', () => {
    const pinned = chain([1, 2, 3, 4], { pinned: true });
    const inUse = chain([5, 6, 7, 8]);
    expect(victims(tree(pinned, inUse), 1, 0, new Set([inUse[1]!.key]))).toBeUndefined();
  });
});

describe('deleting a prefix', () => {
  test('takes its own blocks and leaves shared ones', () => {
    const one = chain([1, 2, 3, 4]);
    const other = chain([1, 2, 5, 6]);
    expect(partsOf(tree(one, other), one[1]!.key)).toEqual({ removed: [one[1]!.key], unpinned: [] });
  });

  test('ends its pin, where no other pin needs it', () => {
    const pinned = chain([1, 2, 3, 4], { pinned: true });
    const longer = chain([1, 2, 3, 4, 5, 6]).slice(2);
    const all = tree(pinned, longer);
    expect(keysOf(endsOf(all)).sort()).toEqual([pinned[1]!.key, longer[0]!.key].sort());
    expect(partsOf(all, pinned[1]!.key)).toEqual({
      removed: [],
      unpinned: keysOf(pinned).toReversed(),
    });
    const second = chain([1, 2, 7, 8], { pinned: true });
    expect(partsOf(tree(pinned, second), pinned[1]!.key)).toEqual({
      removed: [pinned[1]!.key],
      unpinned: [],
    });
  });

  test('leaves a pinned beginning of it', () => {
    const whole = chain([1, 2, 3, 4]);
    const all = tree([{ ...whole[0]!, pinned: true }, whole[1]!]);
    expect(partsOf(all, whole[1]!.key)).toEqual({ removed: [whole[1]!.key], unpinned: [] });
  });
});
