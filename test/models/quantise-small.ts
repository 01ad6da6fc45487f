/**
 * Quantisers of ggml's formats of 32 values, equal to the reference byte for byte: arithmetic in 32-bit floats,
 * rounding included. Q4_0 and Q5_0 round as the Python package `gguf` does; ggml's own differ with the compiler.
 */
import type { BlockFormat, BlockType } from './block-formats.ts';
import { toHalf } from './half.ts';

const f = Math.fround;

/** Of a step; of none, nothing. */
function inverseOf(step: number): number {
  return step ? f(1 / step) : 0;
}

/** C's roundf: halves away from zero. */
function round(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

function largestOf(values: Float32Array): number {
  return values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most));
}

interface Coded {
  d: number;
  m: number;
  /** In the range of the format's codes, but for rounding. */
  codeOf(value: number): number;
}

/** Steps to both sides of zero, of one size. */
function aroundZero(values: Float32Array, { codes: { most } }: BlockFormat): Coded {
  const d = f(Math.abs(largestOf(values)) / most);
  const inverse = inverseOf(d);
  return { d, m: 0, codeOf: (value) => round(f(value * inverse)) };
}

/** The value with the largest magnitude is the code farthest from zero, exactly; so steps may be negative. */
function fromLargest(values: Float32Array, { codes: { least } }: BlockFormat): Coded {
  const d = f(largestOf(values) / least);
  const inverse = inverseOf(d);
  return { d, m: 0, codeOf: (value) => Math.trunc(f(value * inverse - least + 0.5)) + least };
}

/** Steps from the lowest value to the highest. */
function fromLowest(values: Float32Array, { codes: { most } }: BlockFormat): Coded {
  const m = Math.min(...values);
  const d = f(f(Math.max(...values) - m) / most);
  const inverse = inverseOf(d);
  return { d, m, codeOf: (value) => Math.trunc(f(f(f(value - m) * inverse) + 0.5)) };
}

const METHODS = {
  Q8_0: aroundZero,
  Q4_0: fromLargest,
  Q5_0: fromLargest,
  Q4_1: fromLowest,
  Q5_1: fromLowest,
} as const satisfies Partial<Record<BlockType, unknown>>;

export type SmallType = keyof typeof METHODS;

export function isSmall(type: BlockType): type is SmallType {
  return type in METHODS;
}

/** Packs one block into bytes that are zero. */
export function quantiseSmall(
  type: SmallType,
  format: BlockFormat,
  values: Float32Array,
  out: DataView,
): void {
  const { d, m, codeOf } = METHODS[type](values, format);
  out.setUint16(format.d, toHalf(d), true);
  if (format.m !== undefined) out.setUint16(format.m, toHalf(m), true);
  const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  values.forEach((value, i) => format.codes.write(bytes, 0, i, format.codes.clamp(codeOf(value))));
}
