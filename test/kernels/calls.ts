/**
 * What the page of a kernel test asks of the worker that holds the session (worker.ts), and how answers come back. A cache
 * is a number that the page chose. Types and the numbers of that memory.
 *
 * Most of `Session` answers at once, and a page cannot wait for a message at once: such answers go into shared memory, while
 * the page spins. Steps, which take long, answer by message.
 */
import type { ModelPlan, Pick, PickRequest, SessionOptions, StepOptions } from '../../src/backend/session.ts';
import type { SketchType } from '../../src/backend/wasm/head-sketch.ts';
import type { WireFailure } from '../../src/rpc/protocol.ts';

/**
 * What a test takes from the kernels: the wide dot, as on a processor whose dot does not take a whole unsigned byte; the bounds of a
 * sketched head, which then trusts the sketch.
 */
export interface Changes {
  wideDot?: false;
  sketchBounds?: false;
  /** As on a page that is not isolated. */
  sharedMemory?: false;
}

export type SlowCall =
  /** `plan`: of bytes that are no file. `changes`: of the kernels' exports. */
  | { method: 'open'; bytes: Uint8Array; plan?: ModelPlan; options: SessionOptions; changes: Changes }
  | { method: 'step'; cache: number; ids: number[]; requests: readonly PickRequest[]; options: StepOptions };

export type QuickCall =
  | { method: 'info' }
  | { method: 'blocks' }
  | { method: 'createCache'; cache: number }
  | { method: 'fork'; cache: number; source: number; length: number }
  | { method: 'state'; cache: number }
  | { method: 'rewind'; cache: number; length: number }
  | { method: 'snapshot'; cache: number }
  | { method: 'restore'; cache: number; snapshot: Uint8Array }
  | { method: 'exportBlock'; cache: number; index: number; count: number }
  | { method: 'appendBlock'; cache: number; block: Uint8Array; count: number }
  | { method: 'disposeCache'; cache: number }
  /** Sketches the head at once, whether or not it pays. */
  | { method: 'sketchHead'; type: SketchType }
  | { method: 'dispose' };

export interface Call {
  /** Where a quick call is answered; absent in slow ones. */
  shared?: SharedArrayBuffer;
  call: SlowCall | QuickCall;
}

/** Of a slow call. */
export type Answer = { failure: WireFailure } | { stepped: Stepped | null };

export interface Stepped {
  picks: Pick[];
  /** One row for each request. */
  logits: Float32Array[];
}

/** Of a `state` call. */
export interface CacheState {
  length: number;
  rewindLimit: number;
  byteLength: number;
}

/** Shared memory: i32 state, i32 length of the answer in bytes, then the answer from here. */
export const ANSWER_AT = 8;
export const WAITING = 0;
/** The answer is JSON (a `WireFailure` after FAILED), or bytes. */
export const JSON_READY = 1;
export const BYTES_READY = 2;
export const FAILED = 3;
