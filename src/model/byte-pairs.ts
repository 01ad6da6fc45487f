/**
 * Byte-pair encoding of one word: the bytes' letters, and then always the pair that the file ranks first, leftmost
 * first among equals, until no pair is left. A heap and a linked list keep a word of n bytes at n log n.
 *
 * Letters and merged pieces are symbols: the id of the token with that text, or a number past the vocabulary.
 */
import { BYTE_LETTERS } from './byte-letters.ts';
import { NumberHeap } from './number-heap.ts';

/** More symbols than any vocabulary that fits a header, and more bytes than any word. */
const SYMBOLS = 2 ** 24;
const POSITIONS = 2 ** 28;

const encoder = new TextEncoder();

export class BytePairs {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #vocabSize: number;
  /** Texts of the symbols past the vocabulary, and back. */
  readonly #extra: string[] = [];
  readonly #extraIds = new Map<string, number>();
  readonly #letters: Int32Array;
  /** By left symbol * SYMBOLS + right symbol: the rank, which is also the index in `#merged`. */
  readonly #ranks = new Map<number, number>();
  readonly #merged: Int32Array;

  /** `ids`: token by text. `merges`: "left right", best first. */
  constructor(ids: ReadonlyMap<string, number>, vocabSize: number, merges: readonly string[]) {
    this.#ids = ids;
    this.#vocabSize = vocabSize;
    this.#letters = Int32Array.from(BYTE_LETTERS, (letter) => this.#symbol(letter));
    this.#merged = new Int32Array(merges.length);
    merges.forEach((merge, rank) => {
      const space = merge.indexOf(' ', 1);
      if (space < 0) return;
      const [left, right] = [merge.slice(0, space), merge.slice(space + 1)];
      const pair = this.#symbol(left) * SYMBOLS + this.#symbol(right);
      if (this.#ranks.has(pair)) return;
      this.#ranks.set(pair, rank);
      this.#merged[rank] = this.#symbol(left + right);
    });
  }

  /** The tokens of a word. */
  encode(word: string): number[] {
    const symbols = Int32Array.from(encoder.encode(word), (byte) => this.#letters[byte]!);
    const next = this.#mergeAll(symbols);
    const tokens: number[] = [];
    for (let at = 0; at < symbols.length; at = next[at]!) this.#appendTokens(symbols[at]!, tokens);
    return tokens;
  }

  /** Merges in place; returns where the symbol after each remaining one is. */
  #mergeAll(symbols: Int32Array): Int32Array {
    const length = symbols.length;
    const next = Int32Array.from(symbols, (_, at) => at + 1);
    const previous = Int32Array.from(symbols, (_, at) => at - 1);
    const heap = new NumberHeap();
    const rankAt = (at: number): number | undefined =>
      next[at]! < length ? this.#ranks.get(symbols[at]! * SYMBOLS + symbols[next[at]!]!) : undefined;
    const offer = (at: number): void => {
      const rank = at < 0 ? undefined : rankAt(at);
      if (rank !== undefined) heap.push(rank * POSITIONS + at);
    };
    for (let at = 0; at < length; at++) offer(at);
    for (let best = heap.pop(); best !== undefined; best = heap.pop()) {
      const rank = Math.floor(best / POSITIONS);
      const at = best % POSITIONS;
      // A pair that has changed since it was offered; a symbol that was merged away is -1 and has no pairs.
      if (symbols[at]! < 0 || rankAt(at) !== rank) continue;
      const right = next[at]!;
      symbols[at] = this.#merged[rank]!;
      symbols[right] = -1;
      next[at] = next[right]!;
      if (next[at]! < length) previous[next[at]!] = at;
      offer(previous[at]!);
      offer(at);
    }
    return next;
  }

  #symbol(text: string): number {
    const known = this.#ids.get(text) ?? this.#extraIds.get(text);
    if (known !== undefined) return known;
    const symbol = this.#vocabSize + this.#extra.length;
    this.#extra.push(text);
    this.#extraIds.set(text, symbol);
    return symbol;
  }

  /** A symbol without a token falls apart into its ASCII letters; others are lost, as they are in llama.cpp. */
  #appendTokens(symbol: number, tokens: number[]): void {
    if (symbol < this.#vocabSize) {
      tokens.push(symbol);
      return;
    }
    for (const letter of this.#extra[symbol - this.#vocabSize]!) {
      const id = letter < '\x80' ? this.#ids.get(letter) : undefined;
      if (id !== undefined) tokens.push(id);
    }
  }
}
