/**
 * Keys and values of one sequence, as a list of pages. All positions can be rewound to; what lies behind `length` in the
 * open page is overwritten before anything reads it.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { packSnapshot, unpackSnapshot } from '../kv-snapshot.ts';
import type { SnapshotFormat } from '../kv-snapshot.ts';
import { PAGE_POSITIONS, blockBytes, readBlock, writeBlock } from '../page-blocks.ts';
import type { KvCache } from '../session.ts';
import type { Arena } from './arena.ts';
import type { Page, PagePool } from './pages.ts';

export class WasmCache implements KvCache {
  readonly rewindLimit = 0;
  readonly #arena: Arena;
  readonly #pool: PagePool;
  readonly #format: SnapshotFormat;
  readonly #capacity: number;
  #pages: Page[] = [];
  #length = 0;
  #disposed = false;

  constructor(arena: Arena, pool: PagePool, format: SnapshotFormat, capacity: number) {
    this.#arena = arena;
    this.#pool = pool;
    this.#format = format;
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return this.#pages.length * this.#pool.pageBytes;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Makes room for `count` more positions, as this cache's own; returns the address of every page. */
  reserve(count: number): number[] {
    assert(!this.#disposed, 'the cache was disposed');
    const end = this.#length + count;
    this.#checkCapacity(end);
    const open = Math.floor(this.#length / PAGE_POSITIONS);
    const shared = this.#pages[open];
    if (shared) this.#pages[open] = this.#pool.writable(shared);
    while (this.#pages.length * PAGE_POSITIONS < end) this.#pages.push(this.#pool.take());
    return this.#pages.map((page) => page.at);
  }

  #checkCapacity(end: number): void {
    if (end <= this.#capacity) return;
    throw new SelvedgeError(
      'context_length_exceeded',
      `${end} tokens do not fit a context of ${this.#capacity}. Shorten the prompt or raise contextLength.`,
      { details: { tokens: end, contextLength: this.#capacity } },
    );
  }

  /** Address of page `index`. */
  pageAt(index: number): number {
    const page = this.#pages[index];
    assert(page, `page ${index} of ${this.#pages.length}`);
    return page.at;
  }

  /** The step that was reserved for is done. */
  advance(count: number): void {
    this.#length += count;
  }

  rewind(length: number): void {
    assert(length >= 0 && length <= this.#length, `rewind to ${length} of ${this.#length}`);
    this.#length = length;
    this.#keepPages(Math.ceil(length / PAGE_POSITIONS));
  }

  #keepPages(count: number): void {
    while (this.#pages.length > count) {
      const page = this.#pages.pop();
      if (page) this.#pool.release(page);
    }
  }

  fork(length: number): WasmCache {
    assert(length >= 0 && length <= this.#length, `fork at ${length} of ${this.#length}`);
    const fork = new WasmCache(this.#arena, this.#pool, this.#format, this.#capacity);
    fork.#pages = this.#pages.slice(0, Math.ceil(length / PAGE_POSITIONS));
    for (const page of fork.#pages) page.references += 1;
    fork.#length = length;
    return fork;
  }

  async snapshot(): Promise<Uint8Array> {
    const pages = this.#pages.slice(0, Math.ceil(this.#length / PAGE_POSITIONS));
    return packSnapshot(
      this.#format,
      this.#length,
      pages.map((page) => this.#bytesOf(page.at)),
    );
  }

  restore(snapshot: Uint8Array): void {
    const { length, pages } = unpackSnapshot(this.#format, snapshot, this.#capacity);
    this.#keepPages(0);
    for (const bytes of pages) {
      const page = this.#pool.take();
      this.#bytesOf(page.at).set(bytes);
      this.#pages.push(page);
    }
    this.#length = length;
  }

  async exportBlock(index: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const start = index * PAGE_POSITIONS;
    assert(count >= 1 && count <= PAGE_POSITIONS, `a block of ${count} positions`);
    assert(start + count <= this.#length, `positions ${start} to ${start + count} of ${this.#length}`);
    return readBlock(this.#format.layout, this.#bytesOf(this.pageAt(index)), count);
  }

  appendBlock(block: Uint8Array, count: number): void {
    const { layout } = this.#format;
    assert(!this.#disposed, 'the cache was disposed');
    assert(this.#length % PAGE_POSITIONS === 0, `a block is appended at ${this.#length}`);
    if (!(count >= 1 && count <= PAGE_POSITIONS) || block.length !== blockBytes(layout, count)) {
      throw new SelvedgeError(
        'invalid_request',
        `${block.length} bytes are no block of ${count} positions of this model. Compute the prompt again.`,
      );
    }
    this.#checkCapacity(this.#length + count);
    const page = this.#pool.take();
    writeBlock(layout, this.#bytesOf(page.at), block, count);
    this.#pages.push(page);
    this.#length += count;
  }

  #bytesOf(page: number): Uint8Array {
    return this.#arena.bytes(page, this.#pool.pageBytes);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#keepPages(0);
    this.#length = 0;
  }
}
