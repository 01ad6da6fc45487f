/**
 * How matrices lie on the GPU, by the type they have in the file. Everything is cut into blocks of 32 columns. A matrix is
 * one buffer of three planes, each row after row and block after block, so that neighbouring lanes read neighbouring words:
 *
 *   codes    4 bits of each value, or all of it: 4, 8, 16 or 32 words a block
 *   high     the fifth bit of each value, or its fifth and sixth: 0, 1 or 2 words a block
 *   scales   what turns codes into values; see `ScaleForm`
 *
 * No value changes: what the shaders compute from it is what the file's format defines, by bits.
 */
import type { TensorType } from '../session.ts';

export const BLOCK = 32;

/**
 * value = step * code + floor, with a step and perhaps a floor of
 *   'half'      each block: the step, a half
 *   'halves'    each block: step and floor, halves
 *   'super-32'  each block of a super-block of 256: 4 words of it (`packSuper32`), two halves and 16 numbers of 6 bits
 *   'super-16'  each half block: 16 signed bytes of a super-block, then its factor as a float
 *   'super-16-floors'  the same: 16 bytes with a step and a floor in 4 bits each, then their factors as two halves
 */
export type ScaleForm = 'none' | 'half' | 'halves' | 'super-32' | 'super-16' | 'super-16-floors';

export interface MatrixKind {
  type: TensorType;
  /** Columns and bytes of a block of the file. */
  fileColumns: number;
  fileBytes: number;
  /** Words of 32 columns. */
  codeWords: 4 | 8 | 16 | 32;
  highWords: 0 | 1 | 2;
  scales: ScaleForm;
  /** What is taken off a code. */
  offset: number;
}

const kind = (
  type: TensorType,
  [fileColumns, fileBytes]: readonly [number, number],
  codeWords: MatrixKind['codeWords'],
  highWords: MatrixKind['highWords'],
  scales: ScaleForm,
  offset = 0,
): MatrixKind => ({ type, fileColumns, fileBytes, codeWords, highWords, scales, offset });

const KINDS: Readonly<Record<TensorType, MatrixKind>> = {
  Q4_0: kind('Q4_0', [32, 18], 4, 0, 'half', 8),
  Q4_1: kind('Q4_1', [32, 20], 4, 0, 'halves'),
  Q5_0: kind('Q5_0', [32, 22], 4, 1, 'half', 16),
  Q5_1: kind('Q5_1', [32, 24], 4, 1, 'halves'),
  Q8_0: kind('Q8_0', [32, 34], 8, 0, 'half'),
  Q2_K: kind('Q2_K', [256, 84], 4, 0, 'super-16-floors'),
  Q3_K: kind('Q3_K', [256, 110], 4, 0, 'super-16', 4),
  Q4_K: kind('Q4_K', [256, 144], 4, 0, 'super-32'),
  Q5_K: kind('Q5_K', [256, 176], 4, 1, 'super-32'),
  Q6_K: kind('Q6_K', [256, 210], 4, 2, 'super-16', 32),
  F16: kind('F16', [32, 64], 16, 0, 'none'),
  BF16: kind('BF16', [32, 64], 16, 0, 'none'),
  F32: kind('F32', [32, 128], 32, 0, 'none'),
};

export function kindOf(type: TensorType): MatrixKind {
  return KINDS[type];
}

export function allKinds(): MatrixKind[] {
  return Object.values(KINDS);
}

/** Words of the scales of `blocks` blocks. */
export function scaleWords(form: ScaleForm, blocks: number): number {
  switch (form) {
    case 'none':
      return 0;
    case 'half':
      return Math.ceil(blocks / 2);
    case 'halves':
      return blocks;
    case 'super-32':
      return blocks / 2;
    case 'super-16':
    case 'super-16-floors':
      return (blocks / 8) * 5;
    default:
      return form satisfies never;
  }
}

/** Where the planes of `rows` rows lie in their buffer. */
export interface Planes {
  kind: MatrixKind;
  /** Blocks of a row. */
  blocks: number;
  rows: number;
  /** In words, of the planes that follow the codes; multiples of 4. */
  highAt: number;
  scalesAt: number;
  byteLength: number;
}

const toQuads = (words: number): number => Math.ceil(words / 4) * 4;

export function planesOf(kind: MatrixKind, columns: number, rows: number): Planes {
  const blocks = columns / BLOCK;
  const all = blocks * rows;
  const highAt = all * kind.codeWords;
  const scalesAt = highAt + toQuads(all * kind.highWords);
  const byteLength = 4 * (scalesAt + toQuads(scaleWords(kind.scales, all)));
  return { kind, blocks, rows, highAt, scalesAt, byteLength };
}
