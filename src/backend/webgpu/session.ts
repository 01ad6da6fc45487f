/**
 * A model on the GPU, ready to run. A step writes its ids and a few numbers, encodes the program into one command buffer and
 * reads the logits that picks are wanted of: nothing is created for it.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { PAGE_POSITIONS } from '../page-blocks.ts';
import { GREEDY } from '../greedy.ts';
import { createSamplerScratch, pickToken } from '../sampler.ts';
import type {
  KvBlocks,
  KvCache,
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
  embed: readonly Dispatch[];
  layers: readonly (readonly Dispatch[])[];
  /** Of each layer: those of one kind have the same kernels. */
  kinds: readonly string[];
}

/** Logits of one step, on the device and where the host can read them. */
interface LogitBuffers {
  /** That there is room for. */
  rows: number;
  logits: GPUBuffer;
  staging: GPUBuffer;
  head: readonly Dispatch[];
}

export class WebGpuSession implements Session {
  readonly #parts: SessionParts;
  readonly #options: SessionOptions;
  readonly #context: number;
  readonly #scratchBytes: number;
  /** Floats of a row of logits. */
  readonly #stride: number;
  readonly #sampler = createSamplerScratch();
  /** What a step runs between embedding and head. */
  #program: readonly Dispatch[];
  #logits: LogitBuffers | undefined;
  /** Of the last step, `candidates` of each row. */
  #rows: Float32Array[] = [];
  #disposed = false;

  constructor(parts: SessionParts, options: SessionOptions, contextLength: number) {
    const { model, buffers } = parts;
    this.#parts = parts;
    this.#program = parts.layers.flat();
    this.#options = options;
    this.#context = contextLength;
    this.#stride = Math.ceil(model.shape.vocabSize / 4) * 4;
    this.#scratchBytes = Object.values<GPUBuffer>({ ...buffers }).reduce((sum, { size }) => sum + size, 0);
  }

  info(): SessionInfo {
    const { model, attention } = this.#parts;
    const weightBytes = placementBytes(model.placement) + model.vectors.buffer.size;
    const kvBytes = attention.pool.allocatedBytes;
    const scratchBytes = this.#scratchBytes + (this.#logits ? 2 * this.#logits.logits.size : 0);
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
      return this.#rows.map((row) => new Uint32Array(row.slice().buffer).join());
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
    this.#submit(step);
    cache.advance(rows);
    if (requests.length === 0) {
      await model.gpu.device.queue.onSubmittedWorkDone();
      model.gpu.check();
      return [];
    }
    this.#rows = await this.#readLogits(step);
    return requests.map(({ row, sampling }, i) =>
      pickToken(this.#rows[i]!, sampling, position + row + 1, this.#sampler),
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
    this.freeLogits();
    const bytes = 4 * count * this.#stride;
    const logits = gpu.createBuffer(bytes, USE.STORAGE | USE.COPY_SRC, 'logits');
    const staging = gpu.createBuffer(bytes, USE.COPY_DST | USE.MAP_READ, 'logits to read');
    this.#logits = { rows: count, logits, staging, head: [] };
    this.#logits.head = await headDispatches(model, buffers, logits, this.#stride);
  }

  freeLogits(): void {
    if (!this.#logits) return;
    const { gpu } = this.#parts.model;
    gpu.freeBuffer(this.#logits.logits);
    gpu.freeBuffer(this.#logits.staging);
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

  #submit(step: StepNumbers): void {
    const { gpu } = this.#parts.model;
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(gpu, pass, this.#parts.embed, step);
    encode(gpu, pass, this.#program, step);
    if (step.wanted > 0) encode(gpu, pass, this.#live().head, step);
    pass.end();
    if (step.wanted > 0) {
      const { logits, staging } = this.#live();
      encoder.copyBufferToBuffer(logits, 0, staging, 0, 4 * step.wanted * this.#stride);
    }
    gpu.submit(encoder);
  }

  async #readLogits({ wanted, candidates }: StepNumbers): Promise<Float32Array[]> {
    const { gpu } = this.#parts.model;
    const all = new Float32Array(await gpu.read(this.#live().staging, 4 * wanted * this.#stride));
    return Array.from({ length: wanted }, (_, i) =>
      all.subarray(i * this.#stride, i * this.#stride + candidates),
    );
  }

  #live(): LogitBuffers {
    assert(this.#logits, 'the session has room for logits');
    return this.#logits;
  }

  logits(index: number): Float32Array {
    const row = this.#rows[index];
    assert(row, `row ${index} of ${this.#rows.length} with logits`);
    return row.slice();
  }

  /** Frees the buffers; the device is its opener's. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { model, buffers, attention } = this.#parts;
    this.freeLogits();
    attention.dispose();
    freePlacement(model.gpu, model.placement);
    for (const buffer of [model.vectors.buffer, ...Object.values<GPUBuffer>({ ...buffers })]) {
      model.gpu.freeBuffer(buffer);
    }
  }
}
