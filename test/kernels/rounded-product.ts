/**
 * The products of the reference forward pass with the kernels' own rounding of activations (kernels/quantize.ts), so that what
 * is left between the two is the order of sums and the kernels' e^x. For weights of up to 6 bits: blocks of 32 in 8 bits, and
 * again what that left over where a block's scale is above three times the row's root mean square. For 8-bit ones: the row in 14.
 * For floats: not at all.
 */
import type { Matrix } from '../models/reference-forward.ts';
import { multiply } from '../models/reference-forward.ts';

const f = Math.fround;

export function roundedProduct(matrix: Matrix, x: Float32Array): Float32Array {
  const { type } = matrix;
  if (!type.startsWith('Q')) return multiply(matrix, x);
  return multiply(matrix, type === 'Q8_0' ? in14Bits(x) : in8Bits(x));
}

function in14Bits(x: Float32Array): Float32Array {
  const largest = largestOf(x);
  const inverse = largest > 0 ? f(8191 / largest) : 0;
  const scale = f(largest / 8191);
  return x.map((value) => roundToEven(f(value * inverse)) * scale);
}

export function in8Bits(x: Float32Array): Float32Array {
  const blocks = Array.from({ length: x.length / 32 }, (_, i) => x.subarray(i * 32, i * 32 + 32));
  const scales = blocks.map((block) => f(largestOf(block) / 127));
  const meanSquare = scales.reduce((sum, scale) => sum + scale * scale, 0) / scales.length;
  const out = new Float32Array(x.length);
  blocks.forEach((block, i) => {
    const scale = scales[i]!;
    const inverse = scale > 0 ? f(1 / scale) : 0;
    const isRefined = scale * scale > 9 * meanSquare;
    block.forEach((value, j) => {
      const coarse = roundToEven(f(value * inverse)) * scale;
      const left = isRefined ? (roundToEven(((value - coarse) * 254) / scale) * scale) / 254 : 0;
      out[i * 32 + j] = coarse + left;
    });
  });
  return out;
}

function largestOf(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
