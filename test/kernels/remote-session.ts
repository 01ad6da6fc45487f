/**
 * The session of a kernel test, as seen from the page: a `Session` whose arithmetic happens in a worker (worker.ts), so that
 * it can have threads. Calls that answer at once spin until the worker has answered; they take microseconds.
 */
import type {
  KvBlocks,
  KvCache,
  Pick,
  PickRequest,
  Session,
  SessionInfo,
  SessionOptions,
  StepOptions,
} from '../../src/backend/session.ts';
import type { SketchType } from '../../src/backend/wasm/head-sketch.ts';
import type { WireFailure } from '../../src/rpc/protocol.ts';
import { fromWire } from '../../src/rpc/wire.ts';
import { ANSWER_AT, BYTES_READY, FAILED, WAITING } from './calls.ts';
import type { MadeModel } from './made-model.ts';
import type { Answer, CacheState, Call, Changes, QuickCall, SlowCall, Stepped } from './calls.ts';

const SHARED_BYTES = 8 << 20;
const PATIENCE_MS = 20_000;

/** A worker that opens one session after the other. */
export interface KernelRoom {
  /** The last session must have been disposed of. */
  open(
    model: Uint8Array | MadeModel,
    options?: Partial<SessionOptions>,
    changes?: Changes,
  ): Promise<RemoteSession>;
  close(): void;
}

export function kernelRoom(): KernelRoom {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const line = new Line(worker);
  return {
    async open(model, options = {}, changes = {}) {
      const whole = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 4096, ...options } as const;
      const parts = model instanceof Uint8Array ? { bytes: model } : model;
      await line.slow({ method: 'open', ...parts, options: whole, changes });
      return new RemoteSession(line);
    },
    close: () => worker.terminate(),
  };
}

/** Calls to the worker, one at a time. */
class Line {
  readonly #worker: Worker;
  readonly #shared = new SharedArrayBuffer(SHARED_BYTES);

  constructor(worker: Worker) {
    this.#worker = worker;
  }

  slow(call: SlowCall): Promise<Stepped | null> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
        if ('failure' in data) reject(fromWire(data.failure));
        else resolve(data.stepped);
      };
      this.#worker.onerror = ({ message }) => reject(new Error(`The worker failed: ${message}`));
      this.#post({ call });
    });
  }

  /** The answer: bytes, or what was JSON. */
  quick(call: QuickCall): unknown {
    const words = new Int32Array(this.#shared, 0, 2);
    Atomics.store(words, 0, WAITING);
    this.#post({ call, shared: this.#shared });
    const deadline = performance.now() + PATIENCE_MS;
    while (Atomics.load(words, 0) === WAITING) {
      if (performance.now() > deadline) throw new Error(`The worker does not answer '${call.method}'`);
    }
    const bytes = new Uint8Array(this.#shared, ANSWER_AT, words[1]).slice();
    const state = Atomics.load(words, 0);
    if (state === BYTES_READY) return bytes;
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (state === FAILED) throw fromWire(value as WireFailure);
    return value;
  }

  #post(call: Call): void {
    this.#worker.postMessage(call);
  }
}

export class RemoteSession implements Session {
  readonly #line: Line;
  #caches = 0;
  #last: Stepped = { picks: [], logits: [] };

  constructor(line: Line) {
    this.#line = line;
  }

  info(): SessionInfo {
    return this.#line.quick({ method: 'info' }) as SessionInfo;
  }

  get blocks(): KvBlocks {
    return this.#line.quick({ method: 'blocks' }) as KvBlocks;
  }

  createCache(): RemoteCache {
    const cache = this.#caches++;
    this.#line.quick({ method: 'createCache', cache });
    return new RemoteCache(this.#line, cache, () => this.#caches++);
  }

  async step(
    ids: ArrayLike<number>,
    cache: KvCache,
    requests: readonly PickRequest[],
    options: StepOptions = {},
  ): Promise<Pick[]> {
    if (!(cache instanceof RemoteCache)) throw new Error('The cache is not of this session');
    const call = { method: 'step', cache: cache.number, ids: Array.from(ids), requests, options } as const;
    this.#last = (await this.#line.slow(call)) ?? this.#last;
    return this.#last.picks;
  }

  logits(index: number): Float32Array {
    const row = this.#last.logits[index];
    if (!row) throw new Error(`Row ${index} of ${this.#last.logits.length}`);
    return row.slice();
  }

  sketchHead(type: SketchType): void {
    this.#line.quick({ method: 'sketchHead', type });
  }

  dispose(): void {
    this.#line.quick({ method: 'dispose' });
  }
}

class RemoteCache implements KvCache {
  readonly number: number;
  readonly #line: Line;
  readonly #nextNumber: () => number;

  constructor(line: Line, number: number, nextNumber: () => number) {
    this.#line = line;
    this.number = number;
    this.#nextNumber = nextNumber;
  }

  get length(): number {
    return this.#state().length;
  }

  get rewindLimit(): number {
    return this.#state().rewindLimit;
  }

  get byteLength(): number {
    return this.#state().byteLength;
  }

  #state(): CacheState {
    return this.#line.quick({ method: 'state', cache: this.number }) as CacheState;
  }

  rewind(length: number): void {
    this.#line.quick({ method: 'rewind', cache: this.number, length });
  }

  async snapshot(): Promise<Uint8Array> {
    return this.#line.quick({ method: 'snapshot', cache: this.number }) as Uint8Array;
  }

  restore(snapshot: Uint8Array): void {
    this.#line.quick({ method: 'restore', cache: this.number, snapshot });
  }

  fork(length: number): RemoteCache {
    const cache = this.#nextNumber();
    this.#line.quick({ method: 'fork', cache, source: this.number, length });
    return new RemoteCache(this.#line, cache, this.#nextNumber);
  }

  async exportBlock(index: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#line.quick({
      method: 'exportBlock',
      cache: this.number,
      index,
      count,
    }) as Uint8Array<ArrayBuffer>;
  }

  appendBlock(block: Uint8Array, count: number): void {
    this.#line.quick({ method: 'appendBlock', cache: this.number, block, count });
  }

  dispose(): void {
    this.#line.quick({ method: 'disposeCache', cache: this.number });
  }
}
