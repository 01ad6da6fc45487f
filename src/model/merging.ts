/**
 * What byte pairs and sentence pieces have in common: of all neighbours that can become one, the best pair does,
 * leftmost first among equals, until no pair is left. A heap and a linked list keep n symbols at n log n.
 *
 * Symbols are positions here: what stands at them, and what two of them become, is for the caller to know.
 */
import { NumberHeap } from './number-heap.ts';

/** More positions than any text has. Ranks are below 2 ** 24, so that both fit one exact number. */
const POSITIONS = 2 ** 28;

export interface Pairs {
  /** What the symbol at `left` and the one after it, at `right`, become; undefined when they stay apart. */
  find(left: number, right: number): number | undefined;
  /** Lower goes first. */
  rank(merge: number): number;
  /** The symbol at `left` is now `merge`; the one at `right` is no more. */
  apply(merge: number, left: number, right: number): void;
}

/** Merges `count` symbols; returns where the symbol after each remaining one is (`count`: there is none). */
export function mergeAll(count: number, pairs: Pairs): Int32Array {
  const next = Int32Array.from({ length: count }, (_, at) => at + 1);
  const previous = Int32Array.from({ length: count }, (_, at) => at - 1);
  /** The merge that begins at each position; -1: none, or the symbol was merged away. */
  const merges = new Int32Array(count).fill(-1);
  const heap = new NumberHeap();
  const offer = (at: number): void => {
    const merge = next[at]! < count ? pairs.find(at, next[at]!) : undefined;
    merges[at] = merge ?? -1;
    if (merge !== undefined) heap.push(pairs.rank(merge) * POSITIONS + at);
  };
  for (let at = 0; at < count; at++) offer(at);
  for (let best = heap.pop(); best !== undefined; best = heap.pop()) {
    const at = best % POSITIONS;
    const merge = merges[at]!;
    // A pair that has changed since it was offered. One of equal rank in its place was offered with the same number.
    if (merge < 0 || pairs.rank(merge) !== (best - at) / POSITIONS) continue;
    const right = next[at]!;
    pairs.apply(merge, at, right);
    merges[right] = -1;
    next[at] = next[right]!;
    if (next[at]! < count) previous[next[at]!] = at;
    if (previous[at]! >= 0) offer(previous[at]!);
    offer(at);
  }
  return next;
}
