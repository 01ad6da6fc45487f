/**
 * The tensor formats of ggml in plain TypeScript, exact to their definition: all arithmetic is in 32-bit floats,
 * rounding included, and what comes out is bit-equal to the Python package `gguf` (quantise.test.ts). The oracle
 * for packed weights; written for clarity, not speed.
 */
import type { TensorType } from '../../src/backend/session.ts';
import { BLOCK_FORMATS, type BlockFormat } from './block-formats.ts';
import { fromBfloat, fromHalf, toBfloat, toHalf } from './half.ts';
import { isSmall, quantiseSmall } from './quantise-small.ts';
import { quantiseSuper } from './quantise-super.ts';

const f = Math.fround;

/** Values in a block, and its bytes. The bare floats have blocks of one value. */
export function blockOf(type: TensorType): { size: number; bytes: number } {
  switch (type) {
    case 'F32':
      return { size: 1, bytes: 4 };
    case 'F16':
    case 'BF16':
      return { size: 1, bytes: 2 };
    default:
      return BLOCK_FORMATS[type];
  }
}

/** `values` in whole blocks. */
export function quantise(type: TensorType, values: Float32Array): Uint8Array {
  switch (type) {
    case 'F32':
      return new Uint8Array(values.slice().buffer);
    case 'F16':
      return new Uint8Array(Uint16Array.from(values, toHalf).buffer);
    case 'BF16':
      return new Uint8Array(Uint16Array.from(values, toBfloat).buffer);
    default: {
      const format = BLOCK_FORMATS[type];
      const out = new Uint8Array((values.length / format.size) * format.bytes);
      for (let block = 0; block * format.size < values.length; block++) {
        const part = values.subarray(block * format.size, (block + 1) * format.size);
        const target = new DataView(out.buffer, block * format.bytes, format.bytes);
        if (isSmall(type)) quantiseSmall(type, format, part, target);
        else quantiseSuper(format, part, target);
      }
      return out;
    }
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
    case 'BF16':
      return out.map((_, index) => fromBfloat(view.getUint16(2 * index, true)));
    default:
      dequantiseBlocks(BLOCK_FORMATS[type], bytes, view, out);
      return out;
  }
}

function dequantiseBlocks(format: BlockFormat, bytes: Uint8Array, view: DataView, out: Float32Array): void {
  const { size, codes, groups } = format;
  const groupSize = groups?.size ?? size;
  for (let first = 0, at = 0; first < out.length; first += size, at += format.bytes) {
    const d = fromHalf(view.getUint16(at + format.d, true));
    const m = format.m === undefined ? 0 : fromHalf(view.getUint16(at + format.m, true));
    // Not -0 where there is none: a value of -0 stays what it is.
    const floorOfBlock = format.m === undefined ? 0 : -m;
    for (let i = 0; i < size; i += groupSize) {
      const group = i / groupSize;
      const step = groups ? f(d * groups.scales.read(bytes, at, group)) : d;
      const floor = groups ? f(m * (groups.floors?.read(bytes, at, group) ?? 0)) : floorOfBlock;
      for (let j = i; j < i + groupSize; j++) out[first + j] = f(step * codes.read(bytes, at, j)) - floor;
    }
  }
}
