/**
 * SentencePiece as llama.cpp reads it (`tokenizer.ggml.model` "llama"): a space is written U+2581, characters are
 * merged into the tokens of the best scores, and a character that ends up in no token becomes its UTF-8, one byte
 * token (`<0xE2>`) each. There are no words: tokens may reach across spaces, so a text is merged as a whole.
 */
import { mergeAll } from './merging.ts';

const SPACE = '\u2581';

export interface SentencePieceOptions {
  /** Token by text. */
  ids: ReadonlyMap<string, number>;
  /** By token; higher goes first. */
  scores: ArrayLike<number>;
  /** Stands for a byte without a token; undefined: such a byte is left out. */
  unknownId: number | undefined;
}

const encoder = new TextEncoder();

export class SentencePieces {
  readonly #ids: ReadonlyMap<string, number>;
  /** By token: how many different scores are better. */
  readonly #ranks: Int32Array;
  /** The token of each byte; -1: none. */
  readonly #bytes: Int32Array;

  constructor({ ids, scores, unknownId = -1 }: SentencePieceOptions) {
    this.#ids = ids;
    this.#ranks = ranksOf(scores);
    this.#bytes = Int32Array.from({ length: 256 }, (_, byte) => {
      const hex = byte.toString(16).toUpperCase().padStart(2, '0');
      return (
        ids.get(`<0x${hex}>`) ?? (byte < 0x80 ? ids.get(String.fromCharCode(byte)) : undefined) ?? unknownId
      );
    });
  }

  encode(text: string): number[] {
    const written = text.replaceAll(' ', SPACE);
    const characters = [...written];
    const count = characters.length;
    /** The text at position `at` is that from `starts[at]` to `ends[at]`. */
    const starts = new Int32Array(count);
    const ends = new Int32Array(count);
    let length = 0;
    characters.forEach((character, at) => {
      starts[at] = length;
      ends[at] = length += character.length;
    });
    const symbols = Int32Array.from(characters, (character) => this.#ids.get(character) ?? -1);
    const next = mergeAll(count, {
      find: (left, right) => this.#ids.get(written.slice(starts[left], ends[right])),
      rank: (token) => this.#ranks[token]!,
      apply: (token, left, right) => {
        symbols[left] = token;
        ends[left] = ends[right]!;
      },
    });
    const tokens: number[] = [];
    for (let at = 0; at < count; at = next[at]!) {
      if (symbols[at]! >= 0) tokens.push(symbols[at]!);
      else this.#appendBytes(characters[at]!, tokens);
    }
    return tokens;
  }

  #appendBytes(character: string, tokens: number[]): void {
    for (const byte of encoder.encode(character))
      if (this.#bytes[byte]! >= 0) tokens.push(this.#bytes[byte]!);
  }
}

/** The bytes of a token that is text. */
export function bytesOfPiece(text: string): Uint8Array {
  return encoder.encode(text.replaceAll(SPACE, ' '));
}

/** The byte that a byte token's name, such as `<0x0A>`, stands for. */
export function byteOfName(name: string): number {
  return Number.parseInt(name.slice(3, 5), 16) & 0xff;
}

function ranksOf(scores: ArrayLike<number>): Int32Array {
  const values = Float32Array.from(scores);
  const order = Uint32Array.from({ length: values.length }, (_, id) => id).sort(
    (a, b) => values[b]! - values[a]!,
  );
  const ranks = new Int32Array(values.length);
  let rank = 0;
  order.forEach((id, at) => {
    if (at > 0 && values[id] !== values[order[at - 1]!]) rank++;
    ranks[id] = rank;
  });
  return ranks;
}
