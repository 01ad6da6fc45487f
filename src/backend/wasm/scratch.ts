/**
 * Lays out what a session needs beside its weights and writes the plan that the kernels read: where activations go, how much
 * is private to a thread.
 */
import type { TensorRole } from '../session.ts';
import { LIMIT_BYTES, outOfMemory } from './arena.ts';
import { MAX_BATCH, packOf, unitBytes } from './layout.ts';
import type { PackedModel } from './packed-model.ts';
import { PAGE_POSITIONS } from '../page-blocks.ts';
import { rotationOffset, writeRecords } from './records.ts';

const TILE_POSITIONS = 256;
const POST_NORMS: readonly TensorRole[] = ['post-attention-norm', 'post-ffn-norm'];

/** Where the step's inputs lie. */
export interface StepMemory {
  ids: number;
  rotation: number;
  pages: number;
  wanted: number;
  /** f32 [MAX_BATCH][hidden]: the residual stream. */
  x: number;
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
  const { scales } = shape;
  kernels.setArithmetic(
    shape.activation === 'gelu' ? 1 : 0,
    scales.embedding,
    scales.attention,
    scales.residual,
    scales.logits,
  );
  writeRecords(model);
  setForms(model);
  const queryWidth = shape.headCount * shape.headSize;
  const qkvWidth = queryWidth + 2 * shape.kvHeadCount * shape.headSize;
  const scratchBytes = kernels.scratchBytes();
  const counters = kernels.phaseCount();
  const floats = (rows: number, width: number): number => arena.allocate(rows * width * 4);
  const x = floats(MAX_BATCH, shape.hiddenSize);
  const hasPostNorms = plan.tensors.some(({ role }) => POST_NORMS.includes(role));
  const branch = hasPostNorms ? floats(MAX_BATCH, shape.hiddenSize) : 0;
  const qkv = floats(MAX_BATCH, qkvWidth);
  const attended = floats(MAX_BATCH, queryWidth);
  const inner = floats(MAX_BATCH, shape.ffnSize);
  const shared = arena.allocate((MAX_BATCH / 4) * kernels.actBytes());
  const partials = floats(shape.headCount * maxTiles, shape.headSize + 4);
  const scratch = arena.allocate(threads * scratchBytes);
  const centres = floats(shape.layerCount * shape.kvHeadCount, shape.headSize);
  kernels.setBuffers(
    x,
    branch,
    qkv,
    attended,
    inner,
    shared,
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
    rotation: arena.allocate(rotationOffset(shape, shape.ropes.length)),
    pages: arena.allocate(Math.ceil(context / PAGE_POSITIONS) * 4),
    wanted: arena.allocate(MAX_BATCH * 4),
    x,
    centres,
  };
}

/**
 * Tells the kernels which forms of activations the matrices meet, and how large a group opens. A head in 14-bit form may get a
 * sketch, which meets 8 bits.
 */
function setForms({ kernels, matrices }: PackedModel): void {
  let forms = kernels.formOf(packOf('Q4_0').kind);
  let openBytes = 0;
  for (const { pack, tensor } of matrices.values()) {
    forms |= kernels.formOf(pack.kind);
    openBytes = Math.max(openBytes, kernels.openBytes(pack.kind, tensor.columns));
  }
  kernels.setForms(forms, openBytes);
}
