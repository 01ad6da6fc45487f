/**
 * How products are cut for an adapter: how many threads share a row, and for how many rows of a step there are kernels. A row
 * belongs to `lanes` threads, which take turns with its blocks; a thread has `rowsPerThread` rows at a time, so that it reads
 * an activation once for all of them. Shapes depend on the matrix and the adapter only, never on how many tokens a step has: a
 * row is summed in the same order in every step.
 */

/** Rows of a step that one workgroup takes. */
export type Width = 1 | 2 | 4 | 8;

export interface ProductShape {
  /** Threads of a row: a power of two. */
  lanes: number;
  /** Even. */
  rowsPerThread: number;
  /** Of a workgroup. */
  threads: number;
  /** The 32 columns of a block are spelled out, with constant indices; else they are a loop. */
  isUnrolled: boolean;
}

export interface Tuning {
  /** Ascending; a step takes the first that is enough, or several groups of the last. */
  widths: readonly Width[];
  /** `blocks`: of 32 columns. */
  shapeOf(blocks: number, rows: number): ProductShape;
}

const LANES = [1, 2, 4, 8, 16, 32] as const;

/**
 * As many threads as keep a GPU busy: lanes as far as there are blocks for them, four rows where there are many. Intel's GPUs run
 * 16 threads at a time, others at least 32.
 */
function hardware(mostLanes: number): Tuning {
  return {
    widths: [1, 2, 4, 8],
    shapeOf(blocks, rows) {
      const busy = (count: number): number => blocks / (Math.ceil(blocks / count) * count);
      const possible = LANES.filter((count) => count <= Math.min(mostLanes, blocks));
      const lanes = possible.findLast((count) => busy(count) >= 0.55) ?? 1;
      return { lanes, rowsPerThread: rows * lanes >= 32_768 ? 4 : 2, threads: 64, isUnrolled: true };
    },
  };
}

/** A processor that imitates a GPU: idle lanes cost what busy ones do, and compiling a large kernel takes a second. */
const SOFTWARE: Tuning = {
  widths: [1, 4],
  shapeOf(blocks) {
    const lanes = LANES.findLast((count) => count <= 4 && blocks % count === 0) ?? 1;
    return { lanes, rowsPerThread: 2, threads: 8, isUnrolled: false };
  },
};

export function tuningOf({ isFallbackAdapter, vendor }: GPUAdapterInfo): Tuning {
  if (isFallbackAdapter) return SOFTWARE;
  return hardware(vendor === 'intel' ? 16 : 32);
}
