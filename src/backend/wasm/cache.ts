/**
 * Keys and values of one sequence, as a list of pages. All positions can be rewound to; what lies behind `length` in the
 * open page is overwritten before anything reads it.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import type { KvCache, ModelShape } from '../session.ts';
import type { Arena } from './arena.ts';
import { blockBytes, blockLayout, readBlock, writeBlock } from './page-blocks.ts';
import type { BlockLayout } from './page-blocks.ts';
import { PAGE_POSITIONS } from './pages.ts';
import type { Page, PagePool } from './pages.ts';

/** Identifies a snapshot: what was written can only be read back by a session with the same numbers. */
export interface SnapshotFormat {
  layers: number;
  kvHeads: number;
  headSize: number;
  int8: boolean;
  /** Of the model's vectors, rotations and key centres: keys and values mean nothing without them. */
  checksum: number;
  layout: BlockLayout;
}

const MAGIC = 0x564b5653; // 'SVKV'
/** 2: keys are smoothed where the model has biases or norms for them. */
const VERSION = 2;
const HEADER_BYTES = 32;

export function snapshotFormat(shape: ModelShape, kv: 'q8' | 'f32', checksum: number): SnapshotFormat {
  const { layerCount: layers, kvHeadCount: kvHeads, headSize } = shape;
  return { layers, kvHeads, headSize, int8: kv === 'q8', checksum, layout: blockLayout(shape, kv) };
}

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

  /** Header (magic, version, layers, kv heads, head size, int8, checksum, length; u32 each), then the pages. */
  snapshot(): Uint8Array {
    const { pageBytes } = this.#pool;
    const pages = this.#pages.slice(0, Math.ceil(this.#length / PAGE_POSITIONS));
    const out = new Uint8Array(HEADER_BYTES + pages.length * pageBytes);
    new Uint32Array(out.buffer, 0, HEADER_BYTES / 4).set([...this.#header(), this.#length]);
    pages.forEach((page, i) => out.set(this.#bytesOf(page.at), HEADER_BYTES + i * pageBytes));
    return out;
  }

  #header(): number[] {
    const { layers, kvHeads, headSize, int8, checksum } = this.#format;
    return [MAGIC, VERSION, layers, kvHeads, headSize, int8 ? 1 : 0, checksum];
  }

  restore(snapshot: Uint8Array): void {
    const { pageBytes } = this.#pool;
    const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    const word = (i: number): number => (i * 4 + 4 <= snapshot.byteLength ? view.getUint32(i * 4, true) : -1);
    const length = word(7);
    const count = Math.ceil(length / PAGE_POSITIONS);
    const fits = this.#header().every((value, i) => word(i) === value) && length <= this.#capacity;
    if (!fits || snapshot.byteLength !== HEADER_BYTES + count * pageBytes) {
      throw new SelvedgeError(
        'invalid_request',
        'The snapshot is of another model, KV format or version, or was cut. Compute the prompt again.',
      );
    }
    this.#keepPages(0);
    for (let i = 0; i < count; i++) {
      const page = this.#pool.take();
      const from = HEADER_BYTES + i * pageBytes;
      this.#bytesOf(page.at).set(snapshot.subarray(from, from + pageBytes));
      this.#pages.push(page);
    }
    this.#length = length;
  }

  exportBlock(index: number, count: number): Uint8Array<ArrayBuffer> {
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
