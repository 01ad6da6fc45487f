/**
 * Small integers whose bits lie scattered over the bytes of a block, as ggml packs them. One description, the pieces
 * that number `index` is made of, serves reading and writing.
 */

/** Bits `shift .. shift + width - 1` of byte `byte`. */
export type Piece = readonly [byte: number, shift: number, width: number];

export class BitField {
  /** The range of the numbers. */
  readonly least: number;
  readonly most: number;
  readonly #width: number;
  readonly #isSigned: boolean;
  /** By number: its pieces, lowest bits first. A second piece of no width stands for none. */
  readonly #pieces: Int32Array;

  /**
   * `piecesOf` gives one or two pieces, lowest bits first. What they spell is the number plus `zero`, or, with
   * `zero: 'signed'`, its two's complement.
   */
  constructor(count: number, piecesOf: (index: number) => readonly Piece[], zero: number | 'signed' = 0) {
    const all = Array.from({ length: count }, (_, index) => piecesOf(index));
    this.#pieces = Int32Array.from(all.flatMap(([low = [0, 0, 0], high = [0, 0, 0]]) => [...low, ...high]));
    this.#width = (all[0] ?? []).reduce((sum, [, , width]) => sum + width, 0);
    this.#isSigned = zero === 'signed';
    this.least = zero === 'signed' ? -(2 ** (this.#width - 1)) : 0 - zero;
    this.most = this.least + 2 ** this.#width - 1;
  }

  /** Number `index` of the block that begins at `bytes[at]`. */
  read(bytes: Uint8Array, at: number, index: number): number {
    const p = this.#pieces;
    const first = 6 * index;
    const low = (bytes[at + p[first]!]! >> p[first + 1]!) & ((1 << p[first + 2]!) - 1);
    const high = (bytes[at + p[first + 3]!]! >> p[first + 4]!) & ((1 << p[first + 5]!) - 1);
    const spelled = low | (high << p[first + 2]!);
    if (!this.#isSigned) return spelled + this.least;
    return spelled > this.most ? spelled + 2 * this.least : spelled;
  }

  /** Into a block whose bits here are still zero. */
  write(bytes: Uint8Array, at: number, index: number, value: number): void {
    const p = this.#pieces;
    const first = 6 * index;
    const spelled = this.#isSigned ? value & (2 ** this.#width - 1) : value - this.least;
    bytes[at + p[first]!]! |= (spelled & ((1 << p[first + 2]!) - 1)) << p[first + 1]!;
    bytes[at + p[first + 3]!]! |= (spelled >> p[first + 2]!) << p[first + 4]!;
  }

  clamp(value: number): number {
    return Math.min(this.most, Math.max(this.least, value));
  }
}
