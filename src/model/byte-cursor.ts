/**
 * Little-endian reads over bytes that arrive in pieces of any size. A parser is a generator that yields whenever
 * it needs more than has come; it resumes where it stopped, so nothing is parsed twice.
 *
 * `limit` is the last byte that may ever be asked for. Whoever reads a count or a length checks it with
 * `require` first, so that nothing is allocated, or waited for, that the file cannot hold.
 */
import { SelvedgeError } from '../errors.ts';

const FIRST_CAPACITY = 64 * 1024;

export class ByteCursor {
  /** Bytes consumed so far: the offset in the file. */
  position = 0;
  readonly limit: number;
  #buffer = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#buffer.buffer);
  /** Unread bytes are `#buffer[#start .. #end)`. */
  #start = 0;
  #end = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  push(bytes: Uint8Array): void {
    const unread = this.#end - this.#start;
    if (this.#end + bytes.length > this.#buffer.length) {
      // Doubling keeps the total of copies linear, however small the pieces.
      const capacity = Math.max(this.#buffer.length, 2 * unread, unread + bytes.length);
      const target = capacity > this.#buffer.length ? new Uint8Array(capacity) : this.#buffer;
      target.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = target;
      this.#view = new DataView(target.buffer);
      this.#start = 0;
      this.#end = unread;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  get available(): number {
    return this.#end - this.#start;
  }

  /** Throws `invalid_model` unless `count` things of at least `bytesEach` bytes can still follow. */
  require(count: number | bigint, bytesEach: number, what: string): number {
    const room = Math.floor((this.limit - this.position) / bytesEach);
    if (count > room) {
      throw new SelvedgeError(
        'invalid_model',
        `${what} is ${count} at byte ${this.position}, but the file has room for ${room} at most. ` +
          'It is damaged or not a GGUF file; download it again.',
      );
    }
    return Number(count);
  }

  /** The next `length` bytes, valid until the next read or push. */
  *bytes(length: number): Generator<void, Uint8Array> {
    yield* this.#wait(length);
    const from = this.#take(length);
    return this.#buffer.subarray(from, from + length);
  }

  *u8(): Generator<void, number> {
    yield* this.#wait(1);
    return this.#view.getUint8(this.#take(1));
  }

  *u32(): Generator<void, number> {
    yield* this.#wait(4);
    return this.#view.getUint32(this.#take(4), true);
  }

  *u64(): Generator<void, bigint> {
    yield* this.#wait(8);
    return this.#view.getBigUint64(this.#take(8), true);
  }

  *#wait(length: number): Generator<void, void> {
    while (this.available < length) yield;
  }

  #take(length: number): number {
    const from = this.#start;
    this.#start += length;
    this.position += length;
    return from;
  }
}
