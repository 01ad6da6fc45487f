/**
 * Matrix times vector with the rounding of native llama.cpp, which brings the vector into a format that suits the
 * matrix: half precision for F16, blocks of 8-bit integers for quantised ones. With Q4_1 the sum of each block is
 * rounded to half precision too. Fed to the reference forward pass it makes the comparison with native sharp:
 * what is left is the order of additions.
 */
import { fromHalf, toHalf } from '../models/half.ts';
import { blockOf, dequantise, quantise } from '../models/quantise.ts';
import { multiply, type Product } from '../models/reference-forward.ts';

export const nativeProduct: Product = (matrix, x) => {
  switch (matrix.type) {
    case 'F32':
      return multiply(matrix, x);
    case 'F16':
      return multiply(matrix, dequantise('F16', quantise('F16', x), x.length));
    case 'Q8_0':
      return multiply(matrix, dequantise('Q8_0', quantise('Q8_0', x), x.length));
    case 'Q4_1':
      return multiplyQ4(matrix, x);
    default:
      throw new Error(`native rounding of ${matrix.type} is not imitated`);
  }
};

/** value = d * q + m: the part with m is m times the block's rounded sum. */
const multiplyQ4: Product = (matrix, x) => {
  const rounded = dequantise('Q8_0', quantise('Q8_0', x), x.length);
  const errors = sumErrors(x);
  const blocks = new DataView(matrix.bytes.buffer, matrix.bytes.byteOffset, matrix.bytes.byteLength);
  return multiply(matrix, rounded).map((value, row) => {
    const first = row * errors.length;
    return errors.reduce((sum, error, block) => {
      const m = fromHalf(blocks.getUint16((first + block) * blockOf('Q4_1').bytes + 2, true));
      return sum + m * error;
    }, value);
  });
};

/** By how much native's sum of each block, d * (q0 + q1 + …) in half precision, is off; d is not rounded for it. */
function sumErrors(x: Float32Array): number[] {
  return Array.from({ length: x.length / 32 }, (_, block) => {
    const values = x.subarray(32 * block, 32 * (block + 1));
    const packed = quantise('Q8_0', values);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const total = new Int8Array(packed.buffer, 2, 32).reduce((sum, q) => sum + q, 0);
    const exact = dequantise('Q8_0', packed, 32).reduce((sum, value) => sum + value, 0);
    return fromHalf(toHalf(Math.fround(Math.fround(largest / 127) * total))) - exact;
  });
}
