/**
 * The pages of all caches of a session: 64 positions of all layers each, shared by reference between caches that have a prefix
 * in common and copied when one of them writes. A page is a place of the same number in one buffer for each layer, so that a
 * layer's kernels bind one buffer, whatever its caches.
 *
 * The buffers begin small and double, copied on the GPU layer by layer; `generation` tells when bind groups are stale. Pages are
 * not blanked when they are used again: kernels read nothing behind a row's own position, and what is copied out is blanked.
 */
import { SelvedgeError } from '../../errors.ts';
import { PAGE_POSITIONS, blockBytes } from '../page-blocks.ts';
import type { BlockLayout } from '../page-blocks.ts';
import { USE } from './gpu-flags.ts';
import type { Gpu } from './gpu.ts';

/** Of the first buffers: 1,024 positions. */
const FIRST_PAGES = 16;

export interface Page {
  readonly place: number;
  references: number;
}

export class KvPool {
  /** Of all layers, in bytes. */
  readonly pageBytes: number;
  readonly #gpu: Gpu;
  readonly #layerPageBytes: number;
  #buffers: GPUBuffer[];
  #capacity: number;
  #used = 0;
  #generation = 0;
  #disposed = false;
  readonly #free: number[] = [];

  constructor(gpu: Gpu, layout: BlockLayout, layers: number) {
    this.#gpu = gpu;
    this.pageBytes = blockBytes(layout, PAGE_POSITIONS);
    this.#layerPageBytes = this.pageBytes / layers;
    this.#capacity = Math.min(FIRST_PAGES, this.#mostPages());
    this.#buffers = Array.from({ length: layers }, () => this.#createBuffer(this.#capacity));
  }

  get allocatedBytes(): number {
    return this.#buffers.length * this.#capacity * this.#layerPageBytes;
  }

  /** Changes whenever the buffers are others. */
  get generation(): number {
    return this.#generation;
  }

  /** Of one layer: [page][kvHeads][unit]. */
  buffer(layer: number): GPUBuffer {
    return this.#buffers[layer]!;
  }

  #mostPages(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#gpu.limits;
    return Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / this.#layerPageBytes);
  }

  #createBuffer(pages: number): GPUBuffer {
    const { STORAGE, COPY_SRC, COPY_DST } = USE;
    return this.#gpu.createBuffer(
      pages * this.#layerPageBytes,
      STORAGE | COPY_SRC | COPY_DST,
      'keys and values',
    );
  }

  /** Makes sure that `count` more pages can be taken. Throws `out_of_memory` for what no buffer can hold. */
  provide(count: number): void {
    const wanted = this.#used - this.#free.length + count;
    if (wanted <= this.#capacity) return;
    const most = this.#mostPages();
    if (wanted > most) {
      const limitBytes = most * this.pageBytes;
      throw new SelvedgeError(
        'out_of_memory',
        `${wanted} pages of keys and values do not fit the GPU's ${most}. Use a shorter context or fewer conversations.`,
        { details: { neededBytes: wanted * this.pageBytes, limitBytes } },
      );
    }
    this.#grow(Math.min(most, Math.max(wanted, 2 * this.#capacity)));
  }

  #grow(capacity: number): void {
    const bytes = this.#capacity * this.#layerPageBytes;
    this.#buffers = this.#buffers.map((old) => {
      const buffer = this.#createBuffer(capacity);
      const encoder = this.#gpu.device.createCommandEncoder();
      encoder.copyBufferToBuffer(old, 0, buffer, 0, bytes);
      this.#gpu.submit(encoder);
      this.#gpu.freeBuffer(old);
      return buffer;
    });
    this.#capacity = capacity;
    this.#generation += 1;
  }

  take(): Page {
    this.provide(1);
    const place = this.#free.pop() ?? this.#used++;
    return { place, references: 1 };
  }

  release(page: Page): void {
    page.references -= 1;
    if (page.references === 0) this.#free.push(page.place);
  }

  /** The page itself if only one cache holds it, else a copy of its own. */
  writable(page: Page): Page {
    if (page.references === 1) return page;
    const copy = this.take();
    const bytes = this.#layerPageBytes;
    // A buffer cannot be copied to itself.
    const between = this.#gpu.createBuffer(this.pageBytes, USE.COPY_SRC | USE.COPY_DST, 'page to copy');
    const encoder = this.#gpu.device.createCommandEncoder();
    this.#buffers.forEach((buffer, layer) => {
      encoder.copyBufferToBuffer(buffer, page.place * bytes, between, layer * bytes, bytes);
      encoder.copyBufferToBuffer(between, layer * bytes, buffer, copy.place * bytes, bytes);
    });
    this.#gpu.submit(encoder);
    this.#gpu.freeBuffer(between);
    page.references -= 1;
    return copy;
  }

  write(page: Page, content: Uint8Array): void {
    const bytes = this.#layerPageBytes;
    this.#buffers.forEach((buffer, layer) => {
      const part = content.slice(layer * bytes, (layer + 1) * bytes);
      this.#gpu.device.queue.writeBuffer(buffer, page.place * bytes, part);
    });
  }

  /** Pages as they are at the call, one after another. */
  async read(pages: readonly Page[]): Promise<Uint8Array<ArrayBuffer>> {
    if (pages.length === 0) return new Uint8Array(0);
    const bytes = this.#layerPageBytes;
    const staging = this.#gpu.createBuffer(
      pages.length * this.pageBytes,
      USE.COPY_DST | USE.MAP_READ,
      'pages to read',
    );
    try {
      const encoder = this.#gpu.device.createCommandEncoder();
      pages.forEach(({ place }, i) => {
        this.#buffers.forEach((buffer, layer) => {
          encoder.copyBufferToBuffer(
            buffer,
            place * bytes,
            staging,
            i * this.pageBytes + layer * bytes,
            bytes,
          );
        });
      });
      this.#gpu.submit(encoder);
      return new Uint8Array(await this.#gpu.read(staging, pages.length * this.pageBytes));
    } finally {
      this.#gpu.freeBuffer(staging);
    }
  }

  /** Frees the buffers; caches may still be disposed of. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const buffer of this.#buffers) this.#gpu.freeBuffer(buffer);
    this.#buffers = [];
  }
}
