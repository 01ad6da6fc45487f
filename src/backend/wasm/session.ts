/**
 * A model on the CPU, ready to run: lays out scratch, keeps the pages of its caches, and turns a step into one call of the
 * kernels for each thread. Per step it writes ids, rotations and page addresses into memory and nothing else; the logits
 * stay where the kernels put them and are read in place.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { isPlainGreedy } from '../greedy.ts';
import { calibrationIds, checksum, writeCentres } from '../key-centres.ts';
import { snapshotFormat } from '../kv-snapshot.ts';
import { PAGE_POSITIONS } from '../page-blocks.ts';
import { writeRotation } from '../rotation.ts';
import type { Rotation } from '../rotation.ts';
import { createSamplerScratch, pickToken } from '../sampler.ts';
import type { KvBlocks, KvCache, Pick, PickRequest, Session, SessionInfo, StepOptions } from '../session.ts';
import { LIMIT_BYTES } from './arena.ts';
import { WasmCache } from './cache.ts';
import { HeadSketch } from './head-sketch.ts';
import type { SketchType } from './head-sketch.ts';
import { MAX_BATCH, unitBytes } from './layout.ts';
import { kernelsVersion } from './module.ts';
import { PagePool } from './pages.ts';
import { rotationsOf } from './model-rotations.ts';
import { limitHead, rotationOffset } from './records.ts';
import { contextOf, layOutScratch } from './scratch.ts';
import type { StepMemory } from './scratch.ts';
import type { PackedModel } from './packed-model.ts';
import { smoothKeys } from './smooth-keys.ts';
import { startKernelThreads } from './threads.ts';
import { ThreadGovernor } from './thread-governor.ts';
import { chooseThreads } from './tune.ts';

const FEW_WANTED = 4;

export async function openSession(model: PackedModel): Promise<Session> {
  const wanted = threadLimit(model);
  const step = layOutScratch(model, wanted);
  const workers = wanted > 1 ? await startKernelThreads(model.module, model.arena.memory, wanted) : [];
  try {
    const session = new WasmSession(model, step, workers);
    session.prepare();
    await chooseThreads(session, workers.length + 1, model.options.threads);
    session.governThreads();
    return session;
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
}

/** Bytes of one row of logits, padded to 16 outputs. */
function strideOf(candidates: number): number {
  return Math.ceil(candidates / 16) * 64;
}

function threadLimit({ options, shared }: PackedModel): number {
  if (!shared) return 1;
  const cores = navigator.hardwareConcurrency || 1;
  return Math.max(1, Math.min(options.threads === 'auto' ? cores : options.threads, 16));
}

export class WasmSession implements Session {
  readonly #model: PackedModel;
  readonly #step: StepMemory;
  readonly #workers: Worker[];
  readonly #pool: PagePool;
  readonly #context: number;
  readonly #scratchBytes: number;
  /** Tokens that have logits in the last step. */
  #candidates: number;
  readonly #sampler = createSamplerScratch();
  /** Of the shape's ropes. */
  readonly #rotations: readonly Rotation[];
  #logits: { at: number; rows: number };
  #threads = 1;
  #governor = new ThreadGovernor(1);
  /** Of norms and key centres, for snapshots. */
  #checksum = 0;
  /** Of the keys and values of a few tokens: relaxed SIMD may round otherwise on another processor. */
  #rounding = 0;
  #sketch: HeadSketch | undefined;
  /** The best token, where the last step found it through the sketch: there are no logits then. */
  #winner: number | undefined;
  #disposed = false;

  constructor(model: PackedModel, step: StepMemory, workers: Worker[]) {
    this.#model = model;
    this.#step = step;
    this.#workers = workers;
    this.#context = contextOf(model);
    const { shape } = model.plan;
    this.#rotations = rotationsOf(model);
    this.#candidates = shape.vocabSize;
    this.#logits = { at: model.arena.allocate(FEW_WANTED * strideOf(shape.vocabSize)), rows: FEW_WANTED };
    this.#scratchBytes = model.arena.usedBytes - model.weightBytes;
    this.#pool = new PagePool(
      model.arena,
      unitBytes(shape, model.options.kv) * shape.layerCount * shape.kvHeadCount,
    );
  }

  info(): SessionInfo {
    const { options, simd, weightBytes, arena } = this.#model;
    return {
      device: 'cpu',
      threads: this.#threads,
      simd,
      kv: options.kv,
      maxBatch: MAX_BATCH,
      contextLength: this.#context,
      memory: {
        weightBytes,
        kvBytes: this.#pool.allocatedBytes,
        scratchBytes: this.#scratchBytes + (this.#sketch?.bytes ?? 0),
        totalBytes: arena.memory.buffer.byteLength,
      },
    };
  }

  createCache(): WasmCache {
    const { plan, options, arena } = this.#model;
    return new WasmCache(
      arena,
      this.#pool,
      snapshotFormat(plan.shape, options.kv, this.#checksum),
      this.#context,
    );
  }

  get blocks(): KvBlocks {
    const { plan, options, simd } = this.#model;
    const { layerCount, kvHeadCount, headSize } = plan.shape;
    const size = `${layerCount}x${kvHeadCount}x${headSize}`;
    const sums = [kernelsVersion(simd), this.#checksum, this.#rounding].map((sum) => sum.toString(16));
    return { positions: PAGE_POSITIONS, format: ['wasm', options.kv, size, simd, ...sums].join(' ') };
  }

  /** Finds how int8 keys are stored and what tells this model's snapshots from others'; before any cache is made. */
  prepare(): void {
    const { plan, options, arena, vectors } = this.#model;
    const { shape } = plan;
    if (options.kv === 'q8') smoothKeys(this.#model, this.#rotations);
    this.#calibrate();
    let sum = checksum(arena.ints(this.#step.centres, shape.layerCount * shape.kvHeadCount * shape.headSize));
    for (const { role, layer, byteLength } of plan.tensors) {
      const at = vectors.get(`${role} ${layer}`);
      if (at !== undefined) sum = checksum(arena.ints(at, byteLength / 4), sum);
    }
    for (const { frequencies, magnitude } of this.#rotations) {
      sum = checksum(new Int32Array(Float64Array.of(...frequencies, magnitude).buffer), sum);
    }
    this.#checksum = sum;
  }

  #calibrate(): void {
    const { plan, options, arena } = this.#model;
    const cache = this.createCache();
    const ids = calibrationIds(plan.shape).slice(0, this.#context);
    this.run(ids, cache, []);
    this.#sketch = HeadSketch.of(this.#model, this.#step.x, ids.length);
    const page = cache.pageAt(0);
    this.#rounding = checksum(arena.ints(page, this.#pool.pageBytes / 4));
    if (options.kv === 'q8') this.#centreKeys(page, ids.length);
    cache.dispose();
  }

  /** From the keys of the first `positions` of a page. */
  #centreKeys(page: number, positions: number): void {
    const { plan, options, arena } = this.#model;
    const { headSize, layers, kvHeadCount } = plan.shape;
    const bytes = unitBytes(plan.shape, options.kv);
    for (let unit = 0; unit < layers.length * kvHeadCount; unit++) {
      const rotation = this.#rotations[layers[Math.floor(unit / kvHeadCount)]!.rope];
      const keys = arena.bytes(page + unit * bytes, 64 * headSize);
      const scales = arena.floats(page + unit * bytes + 128 * headSize, positions);
      const out = arena.floats(this.#step.centres + unit * headSize * 4, headSize);
      writeCentres(rotation, keys, scales, positions, out);
    }
  }

  /** How many of the started threads take part in a step. */
  useThreads(count: number): void {
    assert(count >= 1 && count <= this.#workers.length + 1, `${count} threads were not started`);
    this.#threads = count;
    this.#model.kernels.setThreads(count);
  }

  /** From now on the count chosen is the most; a busy machine may get by with one. */
  governThreads(): void {
    this.#governor = new ThreadGovernor(this.#threads);
  }

  async step(
    ids: ArrayLike<number>,
    cache: KvCache,
    requests: readonly PickRequest[],
    options: StepOptions = {},
  ): Promise<Pick[]> {
    assert(cache instanceof WasmCache, 'the cache is of this session');
    assert(!this.#disposed, 'the session was disposed');
    assert(
      ids.length >= 1 && ids.length <= MAX_BATCH,
      `a step takes 1 to ${MAX_BATCH} ids, not ${ids.length}`,
    );
    const position = cache.length;
    const start = performance.now();
    const isGreedy = requests.length === 1 && isPlainGreedy(requests[0]!.sampling);
    this.run(ids, cache, requests, options, isGreedy && this.#sketch?.begin());
    cache.advance(ids.length);
    if (ids.length === 1) {
      const count = this.#governor.observe(performance.now() - start);
      if (count !== this.#threads) this.useThreads(count);
    }
    const picks = requests.map(({ row, sampling }, i) => this.#pick(i, sampling, position + row + 1));
    if (isGreedy && this.#sketch?.isUndecided) this.#watch(requests[0]!.row, position);
    return picks;
  }

  /** The kernels' part of a step. The cache's length stays. */
  run(
    ids: ArrayLike<number>,
    cache: WasmCache,
    requests: readonly { row: number }[],
    { view, candidates }: StepOptions = {},
    winnerOnly = false,
  ): void {
    const { kernels, arena, plan } = this.#model;
    const { shape } = plan;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (!Number.isInteger(id) || id < 0 || id >= shape.vocabSize) {
        throw new SelvedgeError(
          'invalid_request',
          `Token ${id} is not in the vocabulary of ${shape.vocabSize}.`,
        );
      }
    }
    const pages = cache.reserve(ids.length);
    this.#limitHead(candidates ?? shape.vocabSize);
    if (requests.length > this.#logits.rows) {
      const rowBytes = strideOf(shape.vocabSize);
      this.#logits = { at: arena.allocate(requests.length * rowBytes), rows: requests.length };
    }
    arena.ints(this.#step.ids, ids.length).set(ids);
    arena.ints(this.#step.pages, pages.length).set(pages);
    const wanted = arena.ints(this.#step.wanted, requests.length);
    requests.forEach(({ row }, i) => {
      assert(row >= 0 && row < ids.length, `row ${row} of ${ids.length}`);
      wanted[i] = row;
    });
    this.#rotations.forEach((rotation, i) => {
      const at = this.#step.rotation + rotationOffset(shape, i);
      writeRotation(rotation, cache.length, arena.floats(at, ids.length * 2 * rotation.frequencies.length));
    });
    this.#forward(
      ids.length,
      cache.length,
      requests.length,
      view === 'draft',
      winnerOnly ? this.#candidates : 0,
    );
    this.#winner = winnerOnly ? kernels.winner() : undefined;
    if (winnerOnly) this.#sketch?.review(kernels.winnerGroups(), Math.ceil(this.#candidates / 16));
  }

  #forward(rows: number, position: number, wanted: number, isDraft: boolean, winner: number): void {
    const { kernels } = this.#model;
    kernels.setStep(
      rows,
      position,
      this.#step.ids,
      this.#step.rotation,
      this.#step.pages,
      wanted,
      this.#step.wanted,
      this.#logits.at,
      isDraft ? 1 : 0,
      winner,
    );
    kernels.beginStep();
    kernels.forward(0);
  }

  /** After a greedy step with all logits: a sketch is drawn where it pays, and room for a whole cache stays. */
  #watch(row: number, position: number): void {
    const cacheBytes = Math.ceil(this.#context / PAGE_POSITIONS) * this.#pool.pageBytes;
    const room = LIMIT_BYTES - this.#model.arena.usedBytes - cacheBytes;
    const type = this.#sketch?.watch(row, position, this.#logitsInPlace(0), room, this.#threads);
    if (type) this.sketchHead(type);
  }

  /** From now on a greedy pick reads the sketch first. Without memory for it all stays as it was. */
  sketchHead(type: SketchType): void {
    try {
      this.#sketch?.place(type);
    } catch (error) {
      if (error instanceof SelvedgeError && error.code === 'out_of_memory') return;
      throw error;
    }
    this.#forward(0, 0, 0, false, -1);
  }

  #limitHead(candidates: number): void {
    if (candidates === this.#candidates) return;
    const { vocabSize } = this.#model.plan.shape;
    assert(candidates >= 1 && candidates <= vocabSize, `${candidates} candidates of ${vocabSize} tokens`);
    this.#candidates = candidates;
    limitHead(this.#model, Math.ceil(candidates / 16));
    this.#sketch?.limit(Math.ceil(candidates / 16));
  }

  #pick(index: number, sampling: PickRequest['sampling'], position: number): Pick {
    if (isPlainGreedy(sampling)) {
      const id = this.#winner ?? this.#model.kernels.argmax(this.#logitsAt(index), this.#candidates);
      return { id, logprob: NaN, margin: NaN, entropy: NaN };
    }
    return pickToken(this.#logitsInPlace(index), sampling, position, this.#sampler);
  }

  #logitsInPlace(index: number): Float32Array {
    return this.#model.arena.floats(this.#logitsAt(index), this.#candidates);
  }

  #logitsAt(index: number): number {
    return this.#logits.at + index * strideOf(this.#candidates);
  }

  logits(index: number): Float32Array {
    if (this.#winner !== undefined) this.#forward(0, 0, 1, false, 0);
    this.#winner = undefined;
    return this.#logitsInPlace(index).slice();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#model.kernels.stopThreads();
    for (const worker of this.#workers) worker.terminate();
  }
}
