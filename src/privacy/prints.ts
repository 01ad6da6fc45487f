/** Hashes of windows of one length and what is known of each, with a filter in front that most windows do not pass. */
import { keyOf } from './keyed-hash.ts';
import type { Windows } from './keyed-hash.ts';

/** 16 KB a length. */
const FILTER_BITS = 17;
const FILTER_MASK = 2 ** FILTER_BITS - 1;

export class Prints<T> {
  readonly #known = new Map<number, T>();
  /** A bit for each low half of a hash, as far as FILTER_BITS tell them apart. */
  readonly #filter = new Uint32Array(2 ** (FILTER_BITS - 5));

  get(windows: Windows, at: number): T | undefined {
    const low = windows.lows[at]! & FILTER_MASK;
    if (((this.#filter[low >>> 5]! >>> (low & 31)) & 1) === 0) return undefined;
    return this.#known.get(keyOf(windows, at));
  }

  set(windows: Windows, at: number, value: T): void {
    const low = windows.lows[at]! & FILTER_MASK;
    this.#filter[low >>> 5]! |= 1 << (low & 31);
    this.#known.set(keyOf(windows, at), value);
  }

  delete(windows: Windows, at: number): void {
    this.#known.delete(keyOf(windows, at));
  }
}
