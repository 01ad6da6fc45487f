/**
 * Lays out what a session needs beside its weights and writes the plan that the kernels read: where each matrix lies, where
 * activations go, how much is private to a thread.
 */
import { assert } from '../../errors.ts';
import { LIMIT_BYTES, outOfMemory } from './arena.ts';
import { PACKS, unitBytes } from './layout.ts';
import type { MatrixName } from './layout.ts';
import type { PackedModel } from './packed-model.ts';
import { PAGE_POSITIONS } from './pages.ts';

/** Prefill blocks of 128 beat 64 and 32; more rows would only take memory. */
export const MAX_BATCH = 128;
const TILE_POSITIONS = 256;

/** Where the step's inputs lie. */
export interface StepMemory {
  ids: number;
  rotation: number;
  pages: number;
  wanted: number;
  /** f32 [layers][kv heads][head size], zero until they are found. */
  centres: number;
}

/** The context a session is given: what was asked for, at most what the model was trained for. */
export function contextOf({ plan, options }: PackedModel): number {
  return Math.min(options.contextLength, plan.shape.contextLength);
}

/** Writes the plan into memory and allocates scratch for `threads` threads. */
export function layOutScratch(model: PackedModel, threads: number): StepMemory {
  const { kernels, arena, options, plan } = model;
  const { shape } = plan;
  const context = contextOf(model);
  const maxTiles = Math.ceil(context / TILE_POSITIONS);
  // Before the kernels add these up in 32 bits.
  const partialBytes = (shape.headCount + 4 * threads) * maxTiles * (shape.headSize + 4) * 4;
  if (partialBytes > LIMIT_BYTES / 4) throw outOfMemory(partialBytes, LIMIT_BYTES / 4);
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
  const centres = floats(shape.layerCount * shape.kvHeadCount, shape.headSize);
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
    centres,
  );
  kernels.initConstants();
  kernels.useWideDot(kernels.probeWideDot());
  return {
    ids: arena.allocate(MAX_BATCH * 4),
    rotation: floats(MAX_BATCH, shape.headSize),
    pages: arena.allocate(Math.ceil(context / PAGE_POSITIONS) * 4),
    wanted: arena.allocate(MAX_BATCH * 4),
    centres,
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
