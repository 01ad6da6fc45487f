/**
 * The tensor formats of ggml in plain TypeScript, exact to their definition (`quantize_row_*_ref` and
 * `dequantize_row_*` in ggml-quants.c): all arithmetic is in 32-bit floats, rounding included. The oracle
 * for packed weights; written for clarity, not speed.
 */
import type { TensorType } from '../../src/backend/session.ts';

const f = Math.fround;
const BLOCK = 32;

export const BLOCK_BYTES = { F32: 4 * BLOCK, F16: 2 * BLOCK, Q4_1: 20, Q8_0: 34 } as const satisfies Partial<
  Record<TensorType, number>
>;

const bits = new DataView(new ArrayBuffer(4));

/** The nearest half-precision float, ties to even; too large is infinity. */
export function toHalf(value: number): number {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 a half counts in steps of 2^-24.
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(value) * 2 ** 24);
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** C's roundf: halves away from zero. */
function round(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

/** `values` in whole blocks of 32 for the quantised types. */
export function quantise(type: TensorType, values: Float32Array): Uint8Array {
  switch (type) {
    case 'F32':
      return new Uint8Array(values.slice().buffer);
    case 'F16':
      return new Uint8Array(Uint16Array.from(values, toHalf).buffer);
    case 'Q8_0':
      return byBlock(values, BLOCK_BYTES.Q8_0, quantiseQ8);
    case 'Q4_1':
      return byBlock(values, BLOCK_BYTES.Q4_1, quantiseQ4);
    default:
      throw new Error(`no quantiser of ${type}`);
  }
}

function byBlock(
  values: Float32Array,
  blockBytes: number,
  pack: (block: Float32Array, out: DataView) => void,
): Uint8Array {
  const out = new Uint8Array((values.length / BLOCK) * blockBytes);
  for (let block = 0; block * BLOCK < values.length; block++) {
    const target = new DataView(out.buffer, block * blockBytes, blockBytes);
    pack(values.subarray(block * BLOCK, (block + 1) * BLOCK), target);
  }
  return out;
}

/** Half d, then 32 signed bytes: value = d * q. */
function quantiseQ8(block: Float32Array, out: DataView): void {
  const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const d = f(largest / 127);
  const inverse = d ? f(1 / d) : 0;
  out.setUint16(0, toHalf(d), true);
  block.forEach((value, index) => out.setInt8(2 + index, round(f(value * inverse))));
}

/** Half d, half m, then 16 bytes with value j in the low and value j + 16 in the high nibble: value = d * q + m. */
function quantiseQ4(block: Float32Array, out: DataView): void {
  const least = Math.min(...block);
  const d = f(f(Math.max(...block) - least) / 15);
  const inverse = d ? f(1 / d) : 0;
  out.setUint16(0, toHalf(d), true);
  out.setUint16(2, toHalf(least), true);
  const nibble = (value: number): number => Math.min(15, Math.trunc(f(f(f(value - least) * inverse) + 0.5)));
  for (let j = 0; j < BLOCK / 2; j++) {
    out.setUint8(4 + j, nibble(block[j]!) | (nibble(block[j + BLOCK / 2]!) << 4));
  }
}

/** The values of a tensor, `count` of them, as 32-bit floats. */
export function dequantise(type: TensorType, bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'F32':
      return out.map((_, index) => view.getFloat32(4 * index, true));
    case 'F16':
      return out.map((_, index) => fromHalf(view.getUint16(2 * index, true)));
    case 'Q8_0':
      for (let at = 0, first = 0; first < count; at += BLOCK_BYTES.Q8_0, first += BLOCK) {
        const d = fromHalf(view.getUint16(at, true));
        for (let j = 0; j < BLOCK; j++) out[first + j] = d * view.getInt8(at + 2 + j);
      }
      return out;
    case 'Q4_1':
      for (let at = 0, first = 0; first < count; at += BLOCK_BYTES.Q4_1, first += BLOCK) {
        const [d, m] = [fromHalf(view.getUint16(at, true)), fromHalf(view.getUint16(at + 2, true))];
        for (let j = 0; j < BLOCK / 2; j++) {
          const pair = bytes[at + 4 + j]!;
          out[first + j] = f((pair & 15) * d) + m;
          out[first + j + BLOCK / 2] = f((pair >> 4) * d) + m;
        }
      }
      return out;
    default:
      throw new Error(`no quantiser of ${type}`);
  }
}
