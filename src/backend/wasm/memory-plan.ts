/**
 * How much memory a model will take here, from its plan alone: weights as they are packed and keys and values as their
 * pages lie, to the byte; the scratch of a step from above, since its exact size is the kernels' to say. A sketch of the head counts
 * where there is room for it.
 */
import type { ModelPlan, SessionInfo, SessionOptions } from '../session.ts';
import { LIMIT_BYTES } from './arena.ts';
import { sketchBytes } from './head-sketch.ts';
import { layOut, MAX_BATCH, unitBytes } from './layout.ts';
import { PAGE_POSITIONS } from '../page-blocks.ts';
import { placedBytes } from './placement.ts';

/** All that the kernels can address. */
export const ADDRESSABLE_BYTES = LIMIT_BYTES;

const TILE_POSITIONS = 256;
/** Rows of logits that a session begins with. */
const LOGIT_ROWS = 4;
/** Of four rows of activations, per column, in all the forms that matrices meet. */
const FORM_BYTES = 40;
/** Records, constants, counters, rounding. */
const SMALL_BYTES = 1 << 20;

/** For one cache that is full: `contextLength` tokens. Throws `unsupported_model` for what the kernels cannot run. */
export function planMemory(
  plan: ModelPlan,
  { kv, contextLength, threads }: Pick<SessionOptions, 'kv' | 'contextLength'> & { threads: number },
): SessionInfo['memory'] {
  const { shape } = plan;
  const { matrices, vectors } = layOut(plan);
  const { hiddenSize, ffnSize, headCount, kvHeadCount, headSize, layerCount, vocabSize } = shape;
  const staging = Math.max(0, ...matrices.map(({ fileGroupBytes }) => fileGroupBytes));
  const weightBytes = placedBytes(matrices, vectors) + staging;
  const pages = Math.ceil(contextLength / PAGE_POSITIONS);
  const kvBytes = pages * unitBytes(shape, kv) * layerCount * kvHeadCount;
  const queries = headCount * headSize;
  const widest = Math.max(hiddenSize, ffnSize, queries);
  const rows = 4 * (2 * hiddenSize + 2 * queries + 2 * kvHeadCount * headSize + ffnSize) + 8 * headSize;
  const tiles = Math.ceil(contextLength / TILE_POSITIONS) * (headSize + 4) * 4;
  const opened = widest * 16 * 6;
  const perThread = FORM_BYTES * widest + 4 * widest + opened + 4 * tiles + 4 * queries + SMALL_BYTES / 16;
  const stepBytes =
    MAX_BATCH * rows +
    (MAX_BATCH / 4) * FORM_BYTES * widest +
    headCount * tiles +
    threads * perThread +
    LOGIT_ROWS * 4 * (vocabSize + 16) +
    SMALL_BYTES;
  const needed = weightBytes + kvBytes + stepBytes;
  const sketch = sketchBytes(plan, matrices);
  const scratchBytes = stepBytes + (needed + sketch <= ADDRESSABLE_BYTES ? sketch : 0);
  return { weightBytes, kvBytes, scratchBytes, totalBytes: weightBytes + kvBytes + scratchBytes };
}

/** What a step of one token reads at `position`: all matrices, without an embedding that is not the head, and the cache. */
export function bytesPerToken(plan: ModelPlan, kv: SessionOptions['kv'], position: number): number {
  const { shape } = plan;
  const read = layOut(plan).matrices.filter(({ tensor: { role } }) => role !== 'embedding' || shape.tiedHead);
  const weights = read.reduce((sum, { groups, groupBytes }) => sum + groups * groupBytes, 0);
  return weights + (position / PAGE_POSITIONS) * unitBytes(shape, kv) * shape.layerCount * shape.kvHeadCount;
}
