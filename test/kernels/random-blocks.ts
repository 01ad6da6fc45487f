/** Random blocks of quantised types as they lie in a file: every byte is as likely as any other, scales are chosen. */
import type { TensorType } from '../../src/backend/session.ts';
import { GGML_TYPES } from '../../src/model/ggml-types.ts';
import type { GgmlType } from '../../src/model/ggml-types.ts';
import type { Random } from '../models/random.ts';

/** Where the halves of a block are: f16, or both of a float. */
const HALVES: Partial<Record<TensorType, readonly number[]>> = {
  F32: [0, 2],
  F16: [0],
  BF16: [0],
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  Q3_K: [108],
  Q2_K: [80, 82],
};

export function ggmlType(type: TensorType): GgmlType {
  const found = [...GGML_TYPES.values()].find(({ name }) => name === type);
  if (!found) throw new Error(`There is no type ${type}`);
  return found;
}

/** `rows` x `columns` weights. `half` chooses each half (16 bits), and `index` counts those of a block; `fill` is all else. */
export function randomBlocks(
  type: TensorType,
  rows: number,
  columns: number,
  random: Random,
  half: (random: Random, index: number) => number,
  fill?: number,
): Uint8Array {
  const { blockSize, blockBytes } = ggmlType(type);
  const bytes = Uint8Array.from(
    { length: ((rows * columns) / blockSize) * blockBytes },
    () => fill ?? random.below(256),
  );
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    HALVES[type]!.forEach((offset, index) => view.setUint16(at + offset, half(random, index), true));
  }
  return bytes;
}
