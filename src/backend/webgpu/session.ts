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
  Pick,
  PickRequest,
  Session,
  SessionInfo,
  SessionOptions,
  StepOptions,
} from '../session.ts';
import type { Attention } from './attention.ts';
import { splitsOf } from './attention-shape.ts';
import { encode } from './dispatch.ts';
import type { Dispatch } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import { GpuCache } from './kv-cache.ts';
import { freePlacement, placementBytes } from './placement.ts';
import { Logits } from './logits.ts';
import type { GpuModel, StepBuffers } from './program.ts';
import { PlainStreak, isSameStep, nextStepOf, plainStepOf } from './run-ahead.ts';
import type { PlainStep } from './run-ahead.ts';
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

/** Rows times layers of a command buffer. */
const SLICE_ROWS = 512;
/** Of a step that is one command buffer whatever the model. */
const UNCUT_ROWS = 16;

/** Wide steps are several command buffers, so that the page can be drawn in between. */
function slicesOf<T>(programs: readonly T[], rows: number): T[][] {
  const size = rows <= UNCUT_ROWS ? programs.length : Math.floor(SLICE_ROWS / rows);
  return Array.from({ length: Math.ceil(programs.length / size) }, (_, i) =>
    programs.slice(i * size, (i + 1) * size),
  );
}

interface StepCall {
  step: StepNumbers;
  ids: ArrayLike<number>;
  cache: GpuCache;
  requests: readonly PickRequest[];
}

/** Where the first row's results have the token that is likely its pick (sampling-kernels.ts). */
const PROVISIONAL_WORD = 6;

function provisionalPick(results: ArrayBuffer): number {
  return new Uint32Array(results)[PROVISIONAL_WORD]!;
}

export class WebGpuSession implements Session {
  readonly #parts: SessionParts;
  readonly #options: SessionOptions & GpuSessionOptions;
  readonly #context: number;
  readonly #scratchBytes: number;
  readonly #scratch = createSamplerScratch();
  /** What picks are read from: of a step, and of the one that was begun before it was asked for. */
  readonly #results: readonly [GPUBuffer, GPUBuffer];
  #resultsInUse: 0 | 1 = 0;
  readonly #streak = new PlainStreak();
  #runsAhead = false;
  #ahead: PlainStep | undefined;
  /** What the GPU took for the pick of the last step. */
  #provisional = -1;
  /** What a step runs between embedding and head. */
  #layers: readonly (readonly Dispatch[])[];
  readonly #logits: Logits;
  #last: StepNumbers | undefined;
  /** Of the last step, `candidates` of each row, where they are kept. */
  #kept: Float32Array[] = [];
  #disposed = false;

  constructor(parts: SessionParts, options: SessionOptions & GpuSessionOptions, contextLength: number) {
    const { model, buffers } = parts;
    this.#parts = parts;
    this.#layers = parts.layers;
    this.#options = options;
    this.#context = contextLength;
    this.#logits = new Logits(model, buffers);
    const { COPY_DST, MAP_READ } = USE;
    const results = (): GPUBuffer =>
      model.gpu.createBuffer(4 * RESULT_WORDS * MAX_ROWS, COPY_DST | MAP_READ, 'picks');
    this.#results = [results(), results()];
    this.#scratchBytes = Object.values<GPUBuffer>({ ...buffers }).reduce((sum, { size }) => sum + size, 0);
  }

  info(): SessionInfo {
    const { model, attention } = this.#parts;
    const weightBytes = placementBytes(model.placement) + model.vectors.buffer.size;
    const kvBytes = attention.pool.allocatedBytes;
    const scratchBytes = this.#scratchBytes + this.#logits.byteLength;
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
    const { splitPages } = splitsOf(this.#context);
    const sum = attention.checksum.toString(16);
    const format = ['webgpu', this.#options.kv, size, splitPages, WEBGPU_VERSION, sum].join(' ');
    return { positions: PAGE_POSITIONS, format };
  }

  createCache(): GpuCache {
    return this.#parts.attention.createCache();
  }

  /** Before any cache is made: finds what keys are stored relative to. */
  async prepare(): Promise<void> {
    await this.#logits.provide(FEW_WANTED);
    await this.#parts.attention.calibrate(async (ids, cache) => {
      await this.step(ids, cache, []);
    });
  }

  /** Whether a row has the same bits in steps of every width. One layer of each kind is run, and some of the head. */
  async isRowInvariant(): Promise<boolean> {
    const { layers, kinds, model } = this.#parts;
    const { vocabSize } = model.shape;
    this.#layers = layers.filter((_, i) => kinds.indexOf(kinds[i]!) === i);
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
      this.#runsAhead = !this.#options.keepLogits;
      return true;
    } finally {
      cache.dispose();
      this.#layers = layers;
    }
  }

  async step(
    ids: ArrayLike<number>,
    cache: KvCache,
    requests: readonly PickRequest[],
    { candidates = this.#parts.model.shape.vocabSize }: StepOptions = {},
  ): Promise<Pick[]> {
    const { model } = this.#parts;
    assert(cache instanceof GpuCache, 'the cache is of this session');
    assert(!this.#disposed, 'the session was disposed');
    const rows = ids.length;
    assert(rows >= 1 && rows <= MAX_ROWS, `a step takes 1 to ${MAX_ROWS} ids, not ${rows}`);
    this.#checkIds(ids);
    model.gpu.check();
    await this.#logits.provide(requests.length);
    const step: StepNumbers = { rows, position: cache.length, wanted: requests.length, candidates };
    const plain = plainStepOf(cache, step, requests);
    if (!this.#takeAhead(plain, ids)) this.#launch(step, ids, cache, requests);
    this.#last = step;
    cache.advance(rows);
    if (requests.length > 0) return this.#pick({ step, ids, cache, requests }, plain);
    await model.gpu.finished();
    return [];
  }

  async #pick(call: StepCall, plain: PlainStep | undefined): Promise<Pick[]> {
    const { model, sampler } = this.#parts;
    const { step, requests } = call;
    const results = this.#results[this.#resultsInUse];
    const goesOn = this.#streak.observe(plain) && this.#runsAhead;
    if (plain && goesOn) this.#beginNext(plain, requests);
    const found = await model.gpu.read(results, 4 * RESULT_WORDS * requests.length);
    this.#provisional = provisionalPick(found);
    const picks = sampler.picks(found, requests, step.position);
    const isSettled = picks.every((pick) => pick !== undefined);
    if (isSettled && !this.#options.keepLogits) return picks;
    if (this.#ahead) this.#repeat(call);
    const rows = await this.#readLogits();
    if (this.#options.keepLogits) this.#kept = rows;
    return requests.map(
      ({ row, sampling }, i) =>
        picks[i] ?? pickToken(rows[i]!, sampling, step.position + row + 1, this.#scratch),
    );
  }

  /** Whether this step was begun already; what was begun for another is forgotten. */
  #takeAhead(plain: PlainStep | undefined, ids: ArrayLike<number>): boolean {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return (
      ahead !== undefined && plain !== undefined && isSameStep(ahead, plain) && ids[0] === this.#provisional
    );
  }

  /** The step behind `plain`, of the token that the GPU picks in it. In a context that is full there is none. */
  #beginNext(plain: PlainStep, requests: readonly PickRequest[]): void {
    const next = nextStepOf(plain);
    if (next.step.position >= this.#context) return;
    this.#launch(next.step, undefined, plain.cache, requests);
    this.#ahead = next;
  }

  /** Logits of a step that another was begun behind are gone: they are computed again, with the same bits. */
  #repeat({ step, ids, cache, requests }: StepCall): void {
    this.#ahead = undefined;
    this.#streak.end();
    cache.rewind(step.position);
    this.#launch(step, ids, cache, requests);
    cache.advance(step.rows);
  }

  /** `ids`: undefined for the one that the last step picked. */
  #launch(
    step: StepNumbers,
    ids: ArrayLike<number> | undefined,
    cache: GpuCache,
    requests: readonly PickRequest[],
  ): void {
    this.#parts.attention.begin(cache, step.rows);
    this.#write(step, ids, requests);
    this.#resultsInUse = this.#resultsInUse === 0 ? 1 : 0;
    this.#submit(step, ids === undefined, requests);
  }

  #checkIds(ids: ArrayLike<number>): void {
    const { vocabSize } = this.#parts.model.shape;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
      throw new SelvedgeError('invalid_request', `Token ${id} is not in the vocabulary of ${vocabSize}.`);
    }
  }

  #write(step: StepNumbers, ids: ArrayLike<number> | undefined, requests: readonly PickRequest[]): void {
    const { model, buffers } = this.#parts;
    const { queue } = model.gpu.device;
    queue.writeBuffer(buffers.step, 0, stepWords(step));
    if (ids) queue.writeBuffer(buffers.ids, 0, Uint32Array.from(ids));
    if (requests.length === 0) return;
    const wanted = Uint32Array.from(requests, ({ row }) => row);
    for (const row of wanted) assert(row < step.rows, `row ${row} of ${step.rows}`);
    queue.writeBuffer(buffers.wanted, 0, wanted);
  }

  #submit(step: StepNumbers, goesOn: boolean, requests: readonly PickRequest[]): void {
    const { model, sampler, embed, buffers } = this.#parts;
    const { gpu } = model;
    const { buffer, head } = this.#logits;
    const picking = step.wanted > 0 ? sampler.program(requests, buffer, step.position) : [];
    const tail = step.wanted > 0 ? [head, picking] : [];
    const slices = slicesOf([embed, ...this.#layers, ...tail], step.rows);
    slices.forEach((slice, i) => {
      const encoder = gpu.device.createCommandEncoder();
      if (goesOn) encoder.copyBufferToBuffer(sampler.results, 4 * PROVISIONAL_WORD, buffers.ids, 0, 4);
      const pass = encoder.beginComputePass();
      for (const program of slice) encode(gpu, pass, program, step);
      pass.end();
      const bytes = i === slices.length - 1 ? 4 * RESULT_WORDS * step.wanted : 0;
      const results = this.#results[this.#resultsInUse];
      if (bytes > 0) encoder.copyBufferToBuffer(sampler.results, 0, results, 0, bytes);
      gpu.submit(encoder);
    });
  }

  /** Of the last step. */
  #readLogits(): Promise<Float32Array[]> {
    assert(this.#last, 'a step was made');
    return this.#logits.read(this.#last);
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
    this.#logits.free();
    for (const buffer of this.#results) model.gpu.freeBuffer(buffer);
    sampler.dispose();
    attention.dispose();
  }
}
