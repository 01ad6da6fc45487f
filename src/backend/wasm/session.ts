/**
 * A model on the CPU, ready to run: lays out scratch, keeps the pages of its caches, and turns a step into one call of the
 * kernels for each thread. Per step it writes ids, rotations and page addresses into memory and nothing else; the logits
 * stay where the kernels put them and are read in place.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { pickToken } from '../sampler.ts';
import type { KvCache, Pick, PickRequest, Session, SessionInfo } from '../session.ts';
import { WasmCache, snapshotFormat } from './cache.ts';
import { PACKS, unitBytes } from './layout.ts';
import type { MatrixName } from './layout.ts';
import { PAGE_POSITIONS, PagePool } from './pages.ts';
import { writeRotation } from './rotation.ts';
import type { PackedModel } from './sink.ts';
import { startKernelThreads } from './threads.ts';
import { chooseThreads } from './tune.ts';

export { createWasmSink } from './sink.ts';
export { runKernelThread, THREAD_NAME } from './threads.ts';

/** Prefill blocks of 128 beat 64 and 32; more rows would only take memory. */
const MAX_BATCH = 128;
const TILE_POSITIONS = 256;
const FEW_WANTED = 4;

/** Where the step's inputs lie. */
interface StepMemory {
  ids: number;
  rotation: number;
  pages: number;
  wanted: number;
}

/** The context a session is given: what was asked for, at most what the model was trained for. */
function contextOf({ plan, options }: PackedModel): number {
  return Math.min(options.contextLength, plan.shape.contextLength);
}

export async function openSession(model: PackedModel): Promise<Session> {
  const wanted = threadLimit(model);
  const step = layOutScratch(model, wanted);
  const workers = wanted > 1 ? await startKernelThreads(model.module, model.arena.memory, wanted) : [];
  const session = new WasmSession(model, step, workers);
  await chooseThreads(session, workers.length + 1, model.options.threads);
  return session;
}

function threadLimit({ options, shared }: PackedModel): number {
  if (!shared) return 1;
  const cores = navigator.hardwareConcurrency || 1;
  return Math.max(1, Math.min(options.threads === 'auto' ? cores : options.threads, 16));
}

/** Writes the plan into memory and allocates scratch for `threads` threads. */
function layOutScratch(model: PackedModel, threads: number): StepMemory {
  const { kernels, arena, options, plan } = model;
  const { shape } = plan;
  const context = contextOf(model);
  const maxTiles = Math.ceil(context / TILE_POSITIONS);
  kernels.setShape(
    shape.layerCount,
    shape.hiddenSize,
    shape.headCount,
    shape.kvHeadCount,
    shape.headSize,
    shape.ffnSize,
    shape.vocabSize,
    shape.normEpsilon,
    options.kv === 'q8' ? 1 : 0,
    1,
    maxTiles,
  );
  placeWeights(model);
  const queryWidth = shape.headCount * shape.headSize;
  const qkvWidth = queryWidth + 2 * shape.kvHeadCount * shape.headSize;
  const groupBytes = kernels.groupBytes();
  const groupBytes14 = [...model.matrices.values()].some((m) => m.type === 'Q8_0')
    ? kernels.groupBytes14()
    : 0;
  const scratchBytes = kernels.scratchBytes();
  const counters = kernels.phaseCount(MAX_BATCH);
  const floats = (rows: number, width: number): number => arena.allocate(rows * width * 4);
  const x = floats(MAX_BATCH, shape.hiddenSize);
  const qkv = floats(MAX_BATCH, qkvWidth);
  const attended = floats(MAX_BATCH, queryWidth);
  const inner = floats(MAX_BATCH, shape.ffnSize);
  const shared = arena.allocate((MAX_BATCH / 4) * (groupBytes + groupBytes14));
  const partials = floats(shape.headCount * maxTiles, shape.headSize + 4);
  const scratch = arena.allocate(threads * scratchBytes);
  kernels.setBuffers(
    x,
    qkv,
    attended,
    inner,
    shared,
    groupBytes,
    groupBytes14,
    partials,
    scratch,
    scratchBytes,
    arena.allocate(counters * threads * 64),
    counters,
    unitBytes(shape, options.kv),
  );
  kernels.initConstants();
  kernels.useWideDot(kernels.probeWideDot());
  return {
    ids: arena.allocate(MAX_BATCH * 4),
    rotation: floats(MAX_BATCH, shape.headSize),
    pages: arena.allocate(Math.ceil(context / PAGE_POSITIONS) * 4),
    wanted: arena.allocate(MAX_BATCH * 4),
  };
}

function placeWeights({ kernels, plan, matrices, vectors }: PackedModel): void {
  const matrix = (name: MatrixName, layer: number): [number, number, number] => {
    const placed = matrices.get(`${name} ${layer}`);
    assert(placed, `matrix ${name} of layer ${layer} is placed`);
    return [placed.at, PACKS[placed.type].kind, placed.offsets];
  };
  const vector = (role: string, layer: number): number => {
    const at = vectors.get(`${role} ${layer}`);
    assert(at !== undefined, `vector ${role} of layer ${layer} is placed`);
    return at;
  };
  const [embedding, embeddingKind] = matrix('embedding', -1);
  kernels.setEnds(
    embedding,
    embeddingKind,
    vector('final-norm', -1),
    ...matrix(plan.shape.tiedHead ? 'embedding' : 'head', -1),
  );
  for (let i = 0; i < plan.shape.layerCount; i++) {
    kernels.setLayer(
      i,
      vector('attention-norm', i),
      ...matrix('query-key-value', i),
      ...matrix('output', i),
      vector('ffn-norm', i),
      ...matrix('gate-up', i),
      ...matrix('down', i),
    );
  }
}

export class WasmSession implements Session {
  readonly #model: PackedModel;
  readonly #step: StepMemory;
  readonly #workers: Worker[];
  readonly #pool: PagePool;
  readonly #context: number;
  readonly #scratchBytes: number;
  /** Of one row of logits, padded to 16 outputs. */
  readonly #logitStride: number;
  #logits: { at: number; rows: number };
  #threads = 1;
  #disposed = false;

  constructor(model: PackedModel, step: StepMemory, workers: Worker[]) {
    this.#model = model;
    this.#step = step;
    this.#workers = workers;
    this.#context = contextOf(model);
    const { shape } = model.plan;
    this.#logitStride = Math.ceil(shape.vocabSize / 16) * 64;
    this.#logits = { at: model.arena.allocate(FEW_WANTED * this.#logitStride), rows: FEW_WANTED };
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
        scratchBytes: this.#scratchBytes,
        totalBytes: arena.memory.buffer.byteLength,
      },
    };
  }

  createCache(): WasmCache {
    const { plan, options, arena } = this.#model;
    return new WasmCache(arena, this.#pool, snapshotFormat(plan.shape, options.kv), this.#context);
  }

  /** How many of the started threads take part in a step. */
  useThreads(count: number): void {
    assert(count >= 1 && count <= this.#workers.length + 1, `${count} threads were not started`);
    this.#threads = count;
    this.#model.kernels.setThreads(count);
  }

  async step(ids: ArrayLike<number>, cache: KvCache, requests: readonly PickRequest[]): Promise<Pick[]> {
    assert(cache instanceof WasmCache, 'the cache is of this session');
    assert(!this.#disposed, 'the session was disposed');
    assert(
      ids.length >= 1 && ids.length <= MAX_BATCH,
      `a step takes 1 to ${MAX_BATCH} ids, not ${ids.length}`,
    );
    const position = cache.length;
    this.run(ids, cache, requests);
    cache.advance(ids.length);
    return requests.map(({ row, sampling }, i) => this.#pick(i, sampling, position + row + 1));
  }

  /** The kernels' part of a step. The cache's length stays. */
  run(ids: ArrayLike<number>, cache: WasmCache, requests: readonly { row: number }[]): void {
    const { kernels, arena, plan } = this.#model;
    const { shape } = plan;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (id < 0 || id >= shape.vocabSize) {
        throw new SelvedgeError(
          'invalid_request',
          `Token ${id} is not in the vocabulary of ${shape.vocabSize}.`,
        );
      }
    }
    const pages = cache.reserve(ids.length);
    if (requests.length > this.#logits.rows) {
      this.#logits = { at: arena.allocate(requests.length * this.#logitStride), rows: requests.length };
    }
    arena.ints(this.#step.ids, ids.length).set(ids);
    arena.ints(this.#step.pages, pages.length).set(pages);
    const wanted = arena.ints(this.#step.wanted, requests.length);
    requests.forEach(({ row }, i) => {
      assert(row >= 0 && row < ids.length, `row ${row} of ${ids.length}`);
      wanted[i] = row;
    });
    writeRotation(shape, cache.length, arena.floats(this.#step.rotation, ids.length * shape.headSize));
    kernels.setStep(
      ids.length,
      cache.length,
      this.#step.ids,
      this.#step.rotation,
      this.#step.pages,
      requests.length,
      this.#step.wanted,
      this.#logits.at,
    );
    kernels.beginStep();
    kernels.forward(0);
  }

  #pick(index: number, sampling: PickRequest['sampling'], position: number): Pick {
    const { kernels, plan } = this.#model;
    const plainGreedy =
      sampling.temperature === 0 &&
      !sampling.statistics &&
      !sampling.bias?.size &&
      sampling.repetitionPenalty === 1 &&
      sampling.frequencyPenalty === 0 &&
      sampling.presencePenalty === 0;
    if (plainGreedy) {
      const id = kernels.argmax(this.#logits.at + index * this.#logitStride, plan.shape.vocabSize);
      return { id, logprob: NaN, margin: NaN, entropy: NaN };
    }
    return pickToken(this.#logitsInPlace(index), sampling, position);
  }

  #logitsInPlace(index: number): Float32Array {
    return this.#model.arena.floats(
      this.#logits.at + index * this.#logitStride,
      this.#model.plan.shape.vocabSize,
    );
  }

  logits(index: number): Float32Array {
    return this.#logitsInPlace(index).slice();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#model.kernels.stopThreads();
    for (const worker of this.#workers) worker.terminate();
  }
}
