/**
 * Quantisers of the K-quants, for tests: each group gets the step and floor that span its values, those are rounded
 * to what the block can say, and codes are the nearest to the values with the steps as rounded. ggml searches for
 * better ones; files made here are valid and somewhat coarser.
 */
import type { BlockFormat } from './block-formats.ts';
import { fromHalf, toHalf } from './half.ts';

interface Span {
  step: number;
  floor: number;
}

/** Without floors the value with the largest magnitude is the code farthest from zero. */
function spanOf(values: Float32Array, { codes, groups }: BlockFormat): Span {
  if (groups?.floors) {
    const low = Math.min(0, ...values);
    return { step: (Math.max(...values, low) - low) / codes.most, floor: -low };
  }
  const largest = values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most));
  return { step: largest / codes.least, floor: 0 };
}

/** The half by which all of `values` are integers in the range of `limit`, nearly. */
function factorOf(values: readonly number[], limit: number): number {
  const largest = values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  return toHalf(largest / limit);
}

function divide(value: number, by: number): number {
  return by === 0 ? 0 : Math.round(value / by);
}

/** Packs one block into bytes that are zero. */
export function quantiseSuper(format: BlockFormat, values: Float32Array, out: DataView): void {
  const { codes, groups } = format;
  if (!groups) throw new Error('a format of 256 values has groups');
  const { size, scales, floors } = groups;
  const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  const parts = Array.from({ length: format.size / size }, (_, j) =>
    values.subarray(j * size, (j + 1) * size),
  );
  const spans = parts.map((part) => spanOf(part, format));
  const steps = spans.map(({ step }) => step);
  const half = factorOf(steps, scales.least < 0 ? scales.least : scales.most);
  const floorHalf = floors
    ? factorOf(
        spans.map(({ floor }) => floor),
        floors.most,
      )
    : 0;
  out.setUint16(format.d, half, true);
  if (format.m !== undefined) out.setUint16(format.m, floorHalf, true);
  parts.forEach((part, j) => {
    const scale = scales.clamp(divide(steps[j]!, fromHalf(half)));
    const level = floors ? floors.clamp(divide(spans[j]!.floor, fromHalf(floorHalf))) : 0;
    scales.write(bytes, 0, j, scale);
    floors?.write(bytes, 0, j, level);
    const [step, floor] = [fromHalf(half) * scale, fromHalf(floorHalf) * level];
    part.forEach((value, i) => codes.write(bytes, 0, j * size + i, codes.clamp(divide(value + floor, step))));
  });
}
