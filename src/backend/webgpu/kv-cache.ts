/**
 * Keys and values of one sequence on the GPU, as a list of pages. All positions can be rewound to; what lies behind `length` in
 * the open page is overwritten before anything reads it. Bytes leave and arrive in the CPU's layout.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { packSnapshot, unpackSnapshot } from '../kv-snapshot.ts';
import type { SnapshotFormat } from '../kv-snapshot.ts';
import { PAGE_POSITIONS, blockBytes, readBlock, writeBlock } from '../page-blocks.ts';
import type { KvCache } from '../session.ts';
import type { KvPool, Page } from './kv-pool.ts';

export class GpuCache implements KvCache {
  readonly rewindLimit = 0;
  readonly #pool: KvPool;
  readonly #format: () => SnapshotFormat;
  readonly #capacity: number;
  #pages: Page[] = [];
  #length = 0;
  #edition = 0;
  #disposed = false;

  /** `format` is known when the session is ready; `capacity` is the longest sequence. */
  constructor(pool: KvPool, format: () => SnapshotFormat, capacity: number) {
    this.#pool = pool;
    this.#format = format;
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  /** Changes whenever tokens come or go by other ways than `advance`. */
  get edition(): number {
    return this.#edition;
  }

  get byteLength(): number {
    return this.#pages.length * this.#pool.pageBytes;
  }

  /** Makes room for `count` more positions, as this cache's own. Throws, leaving it as it was. */
  reserve(count: number): void {
    assert(!this.#disposed, 'the cache was disposed');
    const end = this.#length + count;
    this.#checkCapacity(end);
    const open = Math.floor(this.#length / PAGE_POSITIONS);
    const fresh = Math.ceil(end / PAGE_POSITIONS) - this.#pages.length;
    const shared = this.#pages[open];
    this.#pool.provide(Math.max(0, fresh) + (shared && shared.references > 1 ? 1 : 0));
    if (shared) this.#pages[open] = this.#pool.writable(shared);
    while (this.#pages.length * PAGE_POSITIONS < end) this.#pages.push(this.#pool.take());
  }

  #checkCapacity(end: number): void {
    if (end <= this.#capacity) return;
    throw new SelvedgeError(
      'context_length_exceeded',
      `${end} tokens do not fit a context of ${this.#capacity}. Shorten the prompt or raise contextLength.`,
      { details: { tokens: end, contextLength: this.#capacity } },
    );
  }

  /** Places of the pages in the pool. */
  places(): Uint32Array<ArrayBuffer> {
    return Uint32Array.from(this.#pages, ({ place }) => place);
  }

  /** The step that was reserved for is done. */
  advance(count: number): void {
    this.#length += count;
  }

  rewind(length: number): void {
    assert(length >= 0 && length <= this.#length, `rewind to ${length} of ${this.#length}`);
    this.#length = length;
    this.#edition += 1;
    this.#keepPages(Math.ceil(length / PAGE_POSITIONS));
  }

  #keepPages(count: number): void {
    while (this.#pages.length > count) {
      const page = this.#pages.pop();
      if (page) this.#pool.release(page);
    }
  }

  fork(length: number): GpuCache {
    assert(length >= 0 && length <= this.#length, `fork at ${length} of ${this.#length}`);
    const fork = new GpuCache(this.#pool, this.#format, this.#capacity);
    fork.#pages = this.#pages.slice(0, Math.ceil(length / PAGE_POSITIONS));
    for (const page of fork.#pages) page.references += 1;
    fork.#length = length;
    return fork;
  }

  async snapshot(): Promise<Uint8Array> {
    const length = this.#length;
    const count = Math.ceil(length / PAGE_POSITIONS);
    const bytes = await this.#pool.read(this.#pages.slice(0, count));
    const format = this.#format();
    const pages = Array.from({ length: count }, (_, i) => {
      const positions = Math.min(PAGE_POSITIONS, length - i * PAGE_POSITIONS);
      const page = bytes.subarray(i * this.#pool.pageBytes, (i + 1) * this.#pool.pageBytes);
      return this.#pageOf(readBlock(format.layout, page, positions), positions);
    });
    return packSnapshot(format, length, pages);
  }

  /** A page that holds nothing but a block. */
  #pageOf(block: Uint8Array, count: number): Uint8Array {
    const page = new Uint8Array(this.#pool.pageBytes);
    writeBlock(this.#format().layout, page, block, count);
    return page;
  }

  restore(snapshot: Uint8Array): void {
    const { length, pages } = unpackSnapshot(this.#format(), snapshot, this.#capacity);
    this.#edition += 1;
    this.#keepPages(0);
    this.#length = 0;
    for (const bytes of pages) this.#append(bytes);
    this.#length = length;
  }

  #append(bytes: Uint8Array): void {
    const page = this.#pool.take();
    this.#pool.write(page, bytes);
    this.#pages.push(page);
  }

  async exportBlock(index: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const start = index * PAGE_POSITIONS;
    assert(count >= 1 && count <= PAGE_POSITIONS, `a block of ${count} positions`);
    assert(start + count <= this.#length, `positions ${start} to ${start + count} of ${this.#length}`);
    const bytes = await this.#pool.read(this.#pages.slice(index, index + 1));
    return readBlock(this.#format().layout, bytes, count);
  }

  appendBlock(block: Uint8Array, count: number): void {
    assert(!this.#disposed, 'the cache was disposed');
    assert(this.#length % PAGE_POSITIONS === 0, `a block is appended at ${this.#length}`);
    const { layout } = this.#format();
    if (!(count >= 1 && count <= PAGE_POSITIONS) || block.length !== blockBytes(layout, count)) {
      throw new SelvedgeError(
        'invalid_request',
        `${block.length} bytes are no block of ${count} positions of this model. Compute the prompt again.`,
      );
    }
    this.#checkCapacity(this.#length + count);
    this.#append(this.#pageOf(block, count));
    this.#edition += 1;
    this.#length += count;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#keepPages(0);
    this.#length = 0;
  }
}
