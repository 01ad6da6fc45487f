/**
 * The sketch of a group of 8-bit quants by itself, in both SIMD twins: its weights are near those of the group, and the bounds
 * that exact picks rest on are what they are defined to be. Never less, and hardly more.
 */
import { describe, expect, test } from 'vitest';
import { bareKernels } from '../../../test/kernels/bare-kernels.ts';
import { randomBlocks } from '../../../test/kernels/random-blocks.ts';
import { dequantise } from '../../../test/models/quantise.ts';
import { seeded } from '../../../test/models/random.ts';
import { packOf } from './layout.ts';

const COLUMNS = 160;
const ROWS = 16;
const Q8_0 = packOf('Q8_0').kind;

/** Scales of every exponent up to one, now and then denormal. */
const anyScale = (random: { below(most: number): number }): number =>
  random.below(8) ? random.below(0x3c00) : random.below(0x0400);

/** Quants of all values, of the ends of the range only, and small ones. */
const FILLS: Record<string, (random: { below(most: number): number }) => number> = {
  any: (random) => random.below(256) - 128,
  ends: (random) => [127, -127, -128, 126, -126, 0][random.below(6)]!,
  'one end': (random) => (random.below(2) ? 127 - random.below(12) : random.below(8)),
  small: (random) => random.below(9) - 4,
};

function blocksOf(fill: string, seed: number): Uint8Array {
  const random = seeded(seed);
  const file = randomBlocks('Q8_0', ROWS, COLUMNS, random, anyScale);
  const quants = new Int8Array(file.buffer, file.byteOffset, file.length);
  for (let at = 0; at < quants.length; at++) if (at % 34 >= 2) quants[at] = FILLS[fill]!(random);
  return file;
}

/** v of each column, and as the kernels take it: columns 0, 2, 1, 3 of each four. */
function weightsOf(seed: number): { weights: number[]; packed: Int16Array } {
  const random = seeded(seed);
  const weights = Array.from({ length: COLUMNS }, () => 1 + random.below(random.below(2) ? 4095 : 100));
  const packed = Int16Array.from(weights, (_, i) => weights[(i & ~3) | ((i & 1) << 1) | ((i & 2) >> 1)]!);
  return { weights, packed };
}

describe.each(['relaxed', 'plain'] as const)('%s', (simd) => {
  test.each(
    (['Q4_0', 'Q5_0'] as const).flatMap((type) => Object.keys(FILLS).map((fill) => [type, fill] as const)),
  )('a sketch in %s of quants of %s size is near, and its bounds say how near', async (type, fill) => {
    const kernels = await bareKernels(simd);
    const unit = type === 'Q4_0' ? 16 : 8;
    for (const seed of [1, 2, 3]) {
      const file = blocksOf(fill, seed);
      const { weights, packed } = weightsOf(seed);
      kernels.pack(Q8_0, file, ROWS, COLUMNS);
      const exact = dequantise('Q8_0', file, ROWS * COLUMNS);
      const { rows, left, whole } = kernels.sketch(packOf(type).kind, COLUMNS, packed);
      rows.forEach((row, r) => {
        let [rest, size, length] = [0, 0, 0];
        row.forEach((value, c) => {
          const weight = exact[r * COLUMNS + c]!;
          rest += (weight - unit * value) ** 2 * weights[c]!;
          size += (unit * value) ** 2;
          length += weight ** 2;
        });
        expect(left[r]! / Math.sqrt(rest), `R of row ${r}`).toBeGreaterThanOrEqual(1);
        expect(left[r]! / Math.sqrt(rest), `R of row ${r}`).toBeLessThan(1.001);
        expect(whole[r]! / Math.sqrt(size || 1), `N of row ${r}`).toBeLessThan(1.001);
        if (size > 0) expect(whole[r]! / Math.sqrt(size), `N of row ${r}`).toBeGreaterThanOrEqual(1);
        expect(left[r]! + whole[r]!).toBeGreaterThanOrEqual(Math.sqrt(length));
      });
    }
  });
});
