/**
 * The KV cache's pages: 64 positions of all layers each, shared by reference between caches that have a prefix in common
 * and copied when one of them writes. Freed pages are used again; memory grows only when all are taken.
 */
import type { Arena } from './arena.ts';

export interface Page {
  at: number;
  references: number;
}

export class PagePool {
  readonly #arena: Arena;
  readonly pageBytes: number;
  readonly #free: number[] = [];
  #allocatedBytes = 0;

  constructor(arena: Arena, pageBytes: number) {
    this.#arena = arena;
    this.pageBytes = pageBytes;
  }

  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** A page that holds nothing of whoever had it before. */
  take(): Page {
    const free = this.#free.pop();
    if (free !== undefined) {
      this.#arena.bytes(free, this.pageBytes).fill(0);
      return { at: free, references: 1 };
    }
    const at = this.#arena.allocate(this.pageBytes);
    this.#allocatedBytes += this.pageBytes;
    return { at, references: 1 };
  }

  release(page: Page): void {
    page.references -= 1;
    if (page.references === 0) this.#free.push(page.at);
  }

  /** The page itself if only one cache holds it, else a copy of its own. */
  writable(page: Page): Page {
    if (page.references === 1) return page;
    const copy = this.take();
    this.#arena.bytes(copy.at, this.pageBytes).set(this.#arena.bytes(page.at, this.pageBytes));
    page.references -= 1;
    return copy;
  }
}
