/**
 * A model on the GPU, ready to run. A step writes its ids and a few numbers, encodes the program into one command buffer and
 * waits for 64 bytes of each row that is picked from: nothing is created for it. Logits stay where they are, but for rows that
 * the GPU cannot settle (sampling.ts), and for sessions that keep them.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { PAGE_POSITIONS } from '../page-blocks.ts';
import { GREEDY } from '../greedy.ts';
import { createSamplerScratch, pickToken } from '../sampler.ts';
import type {
  KvBlocks,
  KvCache,
  ModelShape,
  Pick,
  PickRequest,
  Session,
  SessionInfo,
  SessionOptions,
  StepOptions,
} from '../session.ts';
import type { Attention } from './attention.ts';
import { encode } from './dispatch.ts';
import type { Dispatch } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import { GpuCache } from './kv-cache.ts';
import { freePlacement, placementBytes } from './placement.ts';
import { headDispatches } from './program.ts';
import type { GpuModel, StepBuffers } from './program.ts';
import type { GpuSampler } from './sampling.ts';
import { RESULT_WORDS } from './sampling-parts.ts';
import { MAX_ROWS, stepWords } from './step.ts';
import type { StepNumbers } from './step.ts';
import { WEBGPU_VERSION } from './version.ts';

/** Rows of logits that a session begins with: as many as the widest kernel takes. */
const FEW_WANTED = 8;
/** Steps of so many rows meet all kernels that there are. */
const PROBED_WIDTHS = [2, 4, 8, 17];

/** A model with everything that its steps run. */
export interface SessionParts {
  model: GpuModel;
  buffers: StepBuffers;
  attention: Attention;
  sampler: GpuSampler;
  embed: readonly Dispatch[];
  layers: readonly (readonly Dispatch[])[];
  /** Of each layer: those of one kind have the same kernels. */
  kinds: readonly string[];
}

/** Of this device alone. */
export interface GpuSessionOptions {
  /** Logits are read after each step, so that `logits` can answer. For tests and oracles: it takes a copy of them all. */
  keepLogits?: boolean;
}

/** Logits of one step. */
interface LogitBuffers {
  /** That there is room for. */
  rows: number;
  logits: GPUBuffer;
  head: readonly Dispatch[];
  /** What the host reads them from, made when it is first needed. */
  staging: GPUBuffer | undefined;
}

/** Floats of a row of logits. */
export function strideOf({ vocabSize }: ModelShape): number {
  return Math.ceil(vocabSize / 4) * 4;
}

export class WebGpuSession implements Session {
  readonly #parts: SessionParts;
  readonly #options: SessionOptions & GpuSessionOptions;
  readonly #context: number;
  readonly #scratchBytes: number;
  readonly #stride: number;
  readonly #scratch = createSamplerScratch();
  /** What picks are read from. */
  readonly #results: GPUBuffer;
  /** What a step runs between embedding and head. */
  #program: readonly Dispatch[];
  #logits: LogitBuffers | undefined;
  #last: StepNumbers | undefined;
  /** Of the last step, `candidates` of each row, where they are kept. */
  #kept: Float32Array[] = [];
  #disposed = false;

  constructor(parts: SessionParts, options: SessionOptions & GpuSessionOptions, contextLength: number) {
    const { model, buffers } = parts;
    this.#parts = parts;
    this.#program = parts.layers.flat();
    this.#options = options;
    this.#context = contextLength;
    this.#stride = strideOf(model.shape);
    const { COPY_DST, MAP_READ } = USE;
    this.#results = model.gpu.createBuffer(4 * RESULT_WORDS * MAX_ROWS, COPY_DST | MAP_READ, 'picks');
    this.#scratchBytes = Object.values<GPUBuffer>({ ...buffers }).reduce((sum, { size }) => sum + size, 0);
  }

  info(): SessionInfo {
    const { model, attention } = this.#parts;
    const weightBytes = placementBytes(model.placement) + model.vectors.buffer.size;
    const kvBytes = attention.pool.allocatedBytes;
    const scratchBytes = this.#scratchBytes + (this.#logits?.logits.size ?? 0);
    return {
      device: 'webgpu',
      threads: 1,
      simd: 'none',
      kv: this.#options.kv,
      maxBatch: MAX_ROWS,
      contextLength: this.#context,
      memory: { weightBytes, kvBytes, scratchBytes, totalBytes: weightBytes + kvBytes + scratchBytes },
    };
  }

  get blocks(): KvBlocks {
    const { model, attention } = this.#parts;
    const { layerCount, kvHeadCount, headSize } = model.shape;
    const size = `${layerCount}x${kvHeadCount}x${headSize}`;
    const sum = attention.checksum.toString(16);
    return {
      positions: PAGE_POSITIONS,
      format: ['webgpu', this.#options.kv, size, WEBGPU_VERSION, sum].join(' '),
    };
  }

  createCache(): GpuCache {
    return this.#parts.attention.createCache();
  }

  /** Before any cache is made: finds what keys are stored relative to. */
  async prepare(): Promise<void> {
    await this.#provideLogits(FEW_WANTED);
    await this.#parts.attention.calibrate(async (ids, cache) => {
      await this.step(ids, cache, []);
    });
  }

  /** Whether a row has the same bits in steps of every width. One layer of each kind is run, and some of the head. */
  async isRowInvariant(): Promise<boolean> {
    const { layers, kinds, model } = this.#parts;
    const { vocabSize } = model.shape;
    this.#program = layers.filter((_, i) => kinds.indexOf(kinds[i]!) === i).flat();
    const candidates = Math.min(vocabSize, 256);
    const ids = Array.from({ length: 17 }, (_, i) => (i * 7919 + 1) % vocabSize);
    const cache = this.createCache();
    const rowsOf = async (part: number[]): Promise<string[]> => {
      const wanted = Math.min(part.length, FEW_WANTED);
      const requests = Array.from({ length: wanted }, (_, i) => ({
        row: part.length - wanted + i,
        sampling: GREEDY,
      }));
      await this.step(part, cache, requests, { candidates });
      const rows = await this.#readLogits();
      return rows.map((row) => new Uint32Array(row.slice().buffer).join());
    };
    try {
      const alone: string[] = [];
      for (const id of ids) alone.push(...(await rowsOf([id])));
      for (const width of PROBED_WIDTHS) {
        cache.rewind(0);
        const rows = await rowsOf(ids.slice(0, width));
        if (rows.some((row, i) => row !== alone[width - rows.length + i])) return false;
      }
      return true;
    } finally {
      cache.dispose();
      this.#program = layers.flat();
    }
  }

  async step(
    ids: ArrayLike<number>,
    cache: KvCache,
    requests: readonly PickRequest[],
    { candidates = this.#parts.model.shape.vocabSize }: StepOptions = {},
  ): Promise<Pick[]> {
    const { model, attention } = this.#parts;
    assert(cache instanceof GpuCache, 'the cache is of this session');
    assert(!this.#disposed, 'the session was disposed');
    const rows = ids.length;
    assert(rows >= 1 && rows <= MAX_ROWS, `a step takes 1 to ${MAX_ROWS} ids, not ${rows}`);
    this.#checkIds(ids);
    model.gpu.check();
    await this.#provideLogits(requests.length);
    const position = cache.length;
    attention.begin(cache, rows);
    const step: StepNumbers = { rows, position, wanted: requests.length, candidates };
    this.#write(step, ids, requests);
    this.#submit(step, requests);
    this.#last = step;
    cache.advance(rows);
    if (requests.length > 0) return this.#picks(step, requests);
    await model.gpu.device.queue.onSubmittedWorkDone();
    model.gpu.check();
    return [];
  }

  async #picks(step: StepNumbers, requests: readonly PickRequest[]): Promise<Pick[]> {
    const { model, sampler } = this.#parts;
    const { position } = step;
    const found = await model.gpu.read(this.#results, 4 * RESULT_WORDS * requests.length);
    const picks = sampler.picks(found, requests, position);
    const isSettled = picks.every((pick) => pick !== undefined);
    if (isSettled && !this.#options.keepLogits) return picks;
    const rows = await this.#readLogits();
    if (this.#options.keepLogits) this.#kept = rows;
    return requests.map(
      ({ row, sampling }, i) => picks[i] ?? pickToken(rows[i]!, sampling, position + row + 1, this.#scratch),
    );
  }

  #checkIds(ids: ArrayLike<number>): void {
    const { vocabSize } = this.#parts.model.shape;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
      throw new SelvedgeError('invalid_request', `Token ${id} is not in the vocabulary of ${vocabSize}.`);
    }
  }

  /** Room for the logits of `count` rows. */
  async #provideLogits(count: number): Promise<void> {
    if (this.#logits && count <= this.#logits.rows) return;
    const { model, buffers } = this.#parts;
    const { gpu } = model;
    this.#freeLogits();
    const bytes = 4 * count * this.#stride;
    const logits = gpu.createBuffer(bytes, USE.STORAGE | USE.COPY_SRC, 'logits');
    this.#logits = { rows: count, logits, head: [], staging: undefined };
    this.#logits.head = await headDispatches(model, buffers, logits, this.#stride);
  }

  #freeLogits(): void {
    if (!this.#logits) return;
    const { gpu } = this.#parts.model;
    for (const buffer of [this.#logits.logits, this.#logits.staging]) if (buffer) gpu.freeBuffer(buffer);
    this.#logits = undefined;
  }

  #write(step: StepNumbers, ids: ArrayLike<number>, requests: readonly PickRequest[]): void {
    const { model, buffers } = this.#parts;
    const { queue } = model.gpu.device;
    queue.writeBuffer(buffers.step, 0, stepWords(step));
    queue.writeBuffer(buffers.ids, 0, Uint32Array.from(ids));
    if (requests.length === 0) return;
    const wanted = Uint32Array.from(requests, ({ row }) => row);
    for (const row of wanted) assert(row < step.rows, `row ${row} of ${step.rows}`);
    queue.writeBuffer(buffers.wanted, 0, wanted);
  }

  #submit(step: StepNumbers, requests: readonly PickRequest[]): void {
    const { model, sampler, embed } = this.#parts;
    const { gpu } = model;
    const { logits, head } = this.#live();
    const picking = step.wanted > 0 ? sampler.program(requests, logits, step.position) : [];
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const program of [embed, this.#program, step.wanted > 0 ? head : [], picking]) {
      encode(gpu, pass, program, step);
    }
    pass.end();
    const bytes = 4 * RESULT_WORDS * step.wanted;
    if (bytes > 0) encoder.copyBufferToBuffer(sampler.results, 0, this.#results, 0, bytes);
    gpu.submit(encoder);
  }

  /** Of the last step. */
  async #readLogits(): Promise<Float32Array[]> {
    const { gpu } = this.#parts.model;
    const live = this.#live();
    assert(this.#last, 'a step was made');
    const { wanted, candidates } = this.#last;
    const { COPY_DST, MAP_READ } = USE;
    live.staging ??= gpu.createBuffer(live.logits.size, COPY_DST | MAP_READ, 'logits to read');
    const bytes = 4 * wanted * this.#stride;
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(live.logits, 0, live.staging, 0, bytes);
    gpu.submit(encoder);
    const all = new Float32Array(await gpu.read(live.staging, bytes));
    return Array.from({ length: wanted }, (_, i) =>
      all.subarray(i * this.#stride, i * this.#stride + candidates),
    );
  }

  #live(): LogitBuffers {
    assert(this.#logits, 'the session has room for logits');
    return this.#logits;
  }

  logits(index: number): Float32Array {
    const row = this.#kept[index];
    assert(row, `row ${index} of ${this.#kept.length} with logits that are kept`);
    return row.slice();
  }

  /** Frees the buffers; the device is its opener's. */
  dispose(): void {
    if (this.#disposed) return;
    const { model, buffers } = this.#parts;
    this.freeParts();
    freePlacement(model.gpu, model.placement);
    for (const buffer of [model.vectors.buffer, ...Object.values<GPUBuffer>({ ...buffers })]) {
      model.gpu.freeBuffer(buffer);
    }
  }

  /** Frees all but weights and step buffers, which another session may go on with. */
  freeParts(): void {
    this.#disposed = true;
    const { model, attention, sampler } = this.#parts;
    this.#freeLogits();
    model.gpu.freeBuffer(this.#results);
    sampler.dispose();
    attention.dispose();
  }
}
