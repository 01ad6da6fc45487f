/** The numbers that the attention kernels of one kind of layer are generated from. */
import type { ModelShape } from '../session.ts';

/** Threads of a workgroup: one for each position of a page. */
export const THREADS = 64;

/** Rows of the widest step that attends by tiles; a wider one stores all keys first and then goes row by row. */
export const MOST_TILED_ROWS = 16;

/** How a layer's kernels turn heads: `size` dims, by a row of so many floats as `writeRotation` leaves them. */
export interface Turning {
  size: number;
  pairs: 'neighbours' | 'halves';
}

export interface AttentionShape {
  headSize: number;
  headCount: number;
  kvHeadCount: number;
  kv: 'q8' | 'f32';
  /** Factor of scores. */
  scale: number;
  /** Scores s become cap x tanh(s / cap); 0 is off. */
  softCap: number;
  rotation: Turning | undefined;
  /** Heads have norms of their own, before the rotation. */
  queryNorm: boolean;
  keyNorm: boolean;
  epsilon: number;
  /** Pages of a split: what one workgroup reads of a row's positions, and one partial result. Bounds are fixed. */
  splitPages: number;
  /** Splits that a row of this session can see at most. */
  mostSplits: number;
}

/** Heads that share keys and values go through a workgroup in so many turns of so many (1 to 4) at a time. */
export function turnsOf({ headCount, kvHeadCount }: Pick<AttentionShape, 'headCount' | 'kvHeadCount'>): {
  perKv: number;
  turns: number;
  width: number;
} {
  const perKv = headCount / kvHeadCount;
  const turns = Math.ceil(perKv / 4);
  return { perKv, turns, width: Math.ceil(perKv / turns) };
}

/** Splits of 64 positions up to a context of 8,192, so that there are at most 128. */
export function splitsOf(contextLength: number): { splitPages: number; mostSplits: number } {
  const pages = Math.ceil(contextLength / 64);
  const splitPages = Math.max(1, Math.ceil(pages / 128));
  return { splitPages, mostSplits: Math.ceil(pages / splitPages) };
}

/** The split that holds the first position seen by the row at `position`. `window` as in `LayerShape`. */
export function firstSplitOf({ splitPages }: AttentionShape, window: number, position: number): number {
  return window === 0 ? 0 : Math.floor(Math.max(0, position + 1 - window) / (64 * splitPages));
}

export function lastSplitOf({ splitPages }: AttentionShape, position: number): number {
  return Math.floor(position / (64 * splitPages));
}

export function attentionShapeOf(
  model: ModelShape,
  rotation: Turning | undefined,
  options: {
    kv: 'q8' | 'f32';
    contextLength: number;
    softCap: number;
    queryNorm: boolean;
    keyNorm: boolean;
  },
): AttentionShape {
  const { headSize, headCount, kvHeadCount, scales, normEpsilon } = model;
  const { kv, contextLength, softCap, queryNorm, keyNorm } = options;
  return {
    headSize,
    headCount,
    kvHeadCount,
    kv,
    scale: scales.attention,
    softCap,
    rotation,
    queryNorm,
    keyNorm,
    epsilon: normEpsilon,
    ...splitsOf(contextLength),
  };
}
