/**
 * Byte-pair encoding of one word: the bytes' letters, and then always the pair that the file ranks first.
 *
 * Letters and merged pieces are symbols: the id of the token with that text, or a number past the vocabulary.
 */
import { BYTE_LETTERS } from './byte-letters.ts';
import { mergeAll } from './merging.ts';

/** More symbols than any vocabulary that fits a header. */
const SYMBOLS = 2 ** 24;

export interface BytePairOptions {
  /** Token by text. */
  ids: ReadonlyMap<string, number>;
  vocabSize: number;
  /** "left right", best first. */
  merges: readonly string[];
  /** A word that is a token becomes it, whether or not merges lead there. */
  ignoresMerges: boolean;
}

const encoder = new TextEncoder();

export class BytePairs {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #vocabSize: number;
  readonly #ignoresMerges: boolean;
  /** Texts of the symbols past the vocabulary, and back. */
  readonly #extra: string[] = [];
  readonly #extraIds = new Map<string, number>();
  readonly #letters: Int32Array;
  /** By left symbol * SYMBOLS + right symbol: the rank, which is also the index in `#merged`. */
  readonly #ranks = new Map<number, number>();
  readonly #merged: Int32Array;

  constructor({ ids, vocabSize, merges, ignoresMerges }: BytePairOptions) {
    this.#ids = ids;
    this.#vocabSize = vocabSize;
    this.#ignoresMerges = ignoresMerges;
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
    const bytes = encoder.encode(word);
    if (this.#ignoresMerges) {
      const whole = this.#ids.get(Array.from(bytes, (byte) => BYTE_LETTERS[byte]!).join(''));
      if (whole !== undefined) return [whole];
    }
    const symbols = Int32Array.from(bytes, (byte) => this.#letters[byte]!);
    const next = mergeAll(symbols.length, {
      find: (left, right) => this.#ranks.get(symbols[left]! * SYMBOLS + symbols[right]!),
      rank: (rank) => rank,
      apply: (rank, left) => {
        symbols[left] = this.#merged[rank]!;
      },
    });
    const tokens: number[] = [];
    for (let at = 0; at < symbols.length; at = next[at]!) this.#appendTokens(symbols[at]!, tokens);
    return tokens;
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
