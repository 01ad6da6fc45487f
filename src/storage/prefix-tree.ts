/**
 * The index as a tree: which stored chain a prompt begins with, what can go when room is needed, what belongs to a prefix.
 * Pure. A block is of use only with all blocks before it, so only leaves go, and what has lost its parent goes first.
 */
import { blockKey } from './prefix-keys.ts';
import type { PrefixNode } from './prefix-store.ts';

const DAY_MS = 86_400_000;

export interface PrefixTree {
  readonly nodes: ReadonlyMap<string, PrefixNode>;
  childrenOf(key: string): readonly PrefixNode[];
}

export function treeOf(nodes: Iterable<PrefixNode>): PrefixTree {
  const byKey = new Map<string, PrefixNode>();
  const children = new Map<string, PrefixNode[]>();
  for (const node of nodes) {
    byKey.set(node.key, node);
    const siblings = children.get(node.parent);
    if (siblings) siblings.push(node);
    else children.set(node.parent, [node]);
  }
  return { nodes: byKey, childrenOf: (key) => children.get(key) ?? [] };
}

/** The longest stored beginning of `ids`: whole blocks of `positions`, then perhaps one open tail. */
export function longestChain(
  tree: PrefixTree,
  root: string,
  ids: readonly number[],
  positions: number,
): PrefixNode[] {
  const chain: PrefixNode[] = [];
  let key = root;
  for (let start = 0; ; start += positions) {
    const next = longestChild(tree, key, ids.slice(start, start + positions));
    // A record proves itself; where it stands in the prompt, the index says, and that may be damaged.
    if (!next || next.start !== start) return chain;
    chain.push(next);
    if (next.positions < positions) return chain;
    key = next.key;
  }
}

/** The block behind `key` that holds the most of the first of `ids`. */
function longestChild(tree: PrefixTree, key: string, ids: readonly number[]): PrefixNode | undefined {
  const lengths = new Set(tree.childrenOf(key).map(({ positions }) => positions));
  for (const length of [...lengths].sort((a, b) => b - a)) {
    const child = length <= ids.length && tree.nodes.get(blockKey(key, ids.slice(0, length)));
    if (child && child.positions === length) return child;
  }
  return undefined;
}

/** The block `key` and all before it, the first first. */
export function chainTo(tree: PrefixTree, key: string): PrefixNode[] {
  const chain: PrefixNode[] = [];
  for (let node = tree.nodes.get(key); node; node = tree.nodes.get(node.parent)) chain.unshift(node);
  return chain;
}

/** Ends of prefixes: blocks with none behind them, and those where a pinned prefix ends. */
export function endsOf(tree: PrefixTree): PrefixNode[] {
  return [...tree.nodes.values()].filter(({ key, pinned }) => {
    const children = tree.childrenOf(key);
    return children.length === 0 || (pinned && !children.some((child) => child.pinned));
  });
}

/** What goes when the prefix that ends in `key` is deleted: blocks that no other needs; shared ones lose its pin. */
export function partsOf(tree: PrefixTree, key: string): { removed: string[]; unpinned: string[] } {
  const removed: string[] = [];
  const unpinned: string[] = [];
  let below: PrefixNode | undefined;
  for (const node of chainTo(tree, key).toReversed()) {
    const others = tree.childrenOf(node.key).filter((child) => child !== below);
    const isOthersPin = below && node.pinned && (!below.pinned || others.some(({ pinned }) => pinned));
    if (isOthersPin) break;
    const isFree = others.length === 0 && (!below || removed.includes(below.key));
    if (isFree) removed.push(node.key);
    else if (node.pinned) unpinned.push(node.key);
    below = node;
  }
  return { removed, unpinned };
}

/** What saves the least for its bytes, until `bytes` are freed. Undefined if they cannot be: pinned blocks and `kept` stay. */
export function victims(
  tree: PrefixTree,
  bytes: number,
  now: number,
  kept: ReadonlySet<string>,
): string[] | undefined {
  const chosen = new Set<string>();
  const isFree = (node: PrefixNode): boolean =>
    !node.pinned && !kept.has(node.key) && tree.childrenOf(node.key).every(({ key }) => chosen.has(key));
  const open = new Set([...tree.nodes.values()].filter(isFree));
  let freed = 0;
  while (freed < bytes) {
    const least = leastOf(open, (node) => (isOrphan(tree, node) ? -1 : worthOf(node, now)));
    if (!least) return undefined;
    open.delete(least);
    chosen.add(least.key);
    freed += least.byteLength;
    const parent = tree.nodes.get(least.parent);
    if (parent && isFree(parent)) open.add(parent);
  }
  return [...chosen];
}

/** A block whose beginning is gone: nothing leads to it any more. */
function isOrphan(tree: PrefixTree, { parent, start }: PrefixNode): boolean {
  return start > 0 && !tree.nodes.has(parent);
}

/** Milliseconds that keeping a byte may save: what it takes to compute, times how likely it is asked for again. */
function worthOf({ computeMs, hits, lastUsed, byteLength }: PrefixNode, now: number): number {
  const days = Math.max(0, now - lastUsed) / DAY_MS;
  return (computeMs * (1 + hits)) / (byteLength * (1 + days));
}

/** The first of the smallest. */
function leastOf<T>(items: Iterable<T>, of: (item: T) => number): T | undefined {
  let least: { item: T; value: number } | undefined;
  for (const item of items) {
    const value = of(item);
    if (!least || value < least.value) least = { item, value };
  }
  return least?.item;
}
