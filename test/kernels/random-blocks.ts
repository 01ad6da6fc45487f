/** Random blocks of quantised types as they lie in a file: every byte is as likely as any other, scales are chosen. */
import type { TensorType } from '../../src/backend/session.ts';
import { GGML_TYPES } from '../../src/model/ggml-types.ts';
import type { GgmlType } from '../../src/model/ggml-types.ts';
import type { Random } from '../models/random.ts';

/** Where the halves of a block are. */
const HALVES: Partial<Record<TensorType, readonly number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
};

export function ggmlType(type: TensorType): GgmlType {
  const found = [...GGML_TYPES.values()].find(({ name }) => name === type);
  if (!found) throw new Error(`There is no type ${type}`);
  return found;
}

/** `rows` x `columns` weights. `half` chooses each half (16 bits); `index` counts those of a block. */
export function randomBlocks(
  type: TensorType,
  rows: number,
  columns: number,
  random: Random,
  half: (random: Random, index: number) => number,
): Uint8Array {
  const { blockSize, blockBytes } = ggmlType(type);
  const bytes = Uint8Array.from({ length: ((rows * columns) / blockSize) * blockBytes }, () =>
    random.below(256),
  );
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    HALVES[type]!.forEach((offset, index) => view.setUint16(at + offset, half(random, index), true));
  }
  return bytes;
}
