/** What differs from step to step, as the host and the shaders see it: four numbers in one uniform buffer. */

export interface StepNumbers {
  /** Ids of the step. */
  rows: number;
  /** Of the first id: the length of the cache before the step. */
  position: number;
  /** Rows whose logits are computed. */
  wanted: number;
  /** Tokens that have logits, from the first on. */
  candidates: number;
}

export const STEP_BYTES = 16;

export const STEP_STRUCT = `struct Step { rows: u32, position: u32, wanted: u32, candidates: u32 }
`;

/** Most ids of a step. */
export const MAX_ROWS = 128;

export function stepWords({ rows, position, wanted, candidates }: StepNumbers): Uint32Array<ArrayBuffer> {
  return Uint32Array.of(rows, position, wanted, candidates);
}
