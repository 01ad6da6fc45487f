/**
 * Linear memory handed out from the bottom up. Nothing is ever given back but the whole of it: weights and scratch live as
 * long as the session, pages of the KV cache are recycled by their pool.
 */
import { SelvedgeError } from '../../errors.ts';

const WASM_PAGE = 65536;
const LIMIT_PAGES = 65536;

/** All that a 32-bit memory can hold. */
export const LIMIT_BYTES = LIMIT_PAGES * WASM_PAGE;

/** Below this the kernels keep their plan and the words that threads wait for. */
export const PLAN_BYTES = 65536;

export class Arena {
  readonly memory: WebAssembly.Memory;
  #top = PLAN_BYTES;

  /** Reserves `bytes` at once. Throws `out_of_memory` with what was asked for. */
  constructor(bytes: number, shared: boolean) {
    const initial = Math.ceil((bytes + PLAN_BYTES) / WASM_PAGE) + 1;
    if (initial > LIMIT_PAGES) throw outOfMemory(bytes, LIMIT_BYTES);
    // A browser may refuse to reserve 4 GiB of addresses: then less room to grow has to do.
    for (let maximum = LIMIT_PAGES; ; maximum = Math.max(initial, maximum >> 1)) {
      try {
        this.memory = new WebAssembly.Memory({ initial, maximum, shared });
        return;
      } catch (error) {
        if (maximum === initial) throw outOfMemory(bytes, 0, error);
      }
    }
  }

  get usedBytes(): number {
    return this.#top;
  }

  /** `bytes` on a cache line of their own; zeroed, since memory starts out so. */
  allocate(bytes: number): number {
    const at = this.#top;
    const end = at + Math.ceil(bytes / 64) * 64;
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.memory.grow(Math.ceil(missing / WASM_PAGE));
      } catch (error) {
        throw outOfMemory(bytes, this.memory.buffer.byteLength, error);
      }
    }
    this.#top = end;
    return at;
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  ints(at: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, at, length);
  }

  floats(at: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, length);
  }
}

export function outOfMemory(needed: number, available: number, cause?: unknown): SelvedgeError {
  return new SelvedgeError(
    'out_of_memory',
    `The model needs ${needed} bytes of memory and this browser has given ${available}. Choose a smaller model or a shorter contextLength.`,
    { cause, details: { neededBytes: needed, availableBytes: available } },
  );
}
