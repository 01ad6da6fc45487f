/** The range decoder of LZMA: bits whose probabilities are learned, in contexts that are numbered from 0 on. */

/** 11 bits of probability, and how fast it moves. */
const HALF = 1024;
const WHOLE = 2048;
const SPEED = 5;
const SMALLEST_RANGE = 0x1000000;

export class RangeDecoder {
  readonly #stream: Uint8Array;
  /** Of a 0, by context. */
  readonly #probabilities: Uint16Array;
  #at: number;
  #range = 0xffffffff;
  #code = 0;

  /** The coded bytes begin at `start`, with one that is always 0. */
  constructor(stream: Uint8Array, start: number, contexts: number) {
    this.#stream = stream;
    this.#probabilities = new Uint16Array(contexts).fill(HALF);
    this.#at = start + 1;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | stream[this.#at++]!) >>> 0;
  }

  bit(context: number): number {
    this.#refill();
    const probability = this.#probabilities[context]!;
    const bound = (this.#range >>> 11) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      this.#probabilities[context] = probability + ((WHOLE - probability) >> SPEED);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    this.#probabilities[context] = probability - (probability >> SPEED);
    return 1;
  }

  /** `count` bits, the highest first, each in the context of those before it. */
  tree(context: number, count: number): number {
    let node = 1;
    for (let i = 0; i < count; i++) node = (node << 1) | this.bit(context + node);
    return node - (1 << count);
  }

  /** The same, the lowest bit first. */
  reverseTree(context: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const one = this.bit(context + node);
      node = (node << 1) | one;
      value |= one << i;
    }
    return value;
  }

  /** `count` bits that are as often 1 as 0. */
  evenBits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#refill();
      this.#range >>>= 1;
      const one = this.#code >= this.#range ? 1 : 0;
      if (one) this.#code -= this.#range;
      value = (value << 1) | one;
    }
    return value;
  }

  #refill(): void {
    if (this.#range >= SMALLEST_RANGE) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#stream[this.#at++]!) >>> 0;
  }
}
