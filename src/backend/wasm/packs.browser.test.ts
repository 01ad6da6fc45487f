/**
 * Each kind of pack whose activations are 8 bits or floats by itself, in both SIMD twins: a row comes out as the file defines it, and
 * products are what a computation in doubles says, alone and together with other rows, bit for bit where nothing is rounded.
 */
import { describe, expect, test } from 'vitest';
import { bareKernels } from '../../../test/kernels/bare-kernels.ts';
import { partings, sameBits } from '../../../test/kernels/feeding.ts';
import { ggmlType, randomBlocks } from '../../../test/kernels/random-blocks.ts';
import { in8Bits } from '../../../test/kernels/rounded-product.ts';
import { dequantise } from '../../../test/models/quantise.ts';
import { seeded } from '../../../test/models/random.ts';
import type { Random } from '../../../test/models/random.ts';
import { packOf } from './layout.ts';

const TYPES = [
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'F16',
  'BF16',
  'F32',
] as const;
type Type = (typeof TYPES)[number];
const isFloat = (type: Type): boolean => type.includes('F');
const CASES = (['relaxed', 'plain'] as const).flatMap((simd) => TYPES.map((type) => [type, simd] as const));

const COLUMNS = 768;
const ROWS = 16;

/** What the kernels of Q4_1 do not read, and no quantiser writes: a negative scale. */
const sign = (type: Type, random: Random, index: number): number =>
  type === 'Q4_1' && index === 0 ? 0 : random.below(2) << 15;

/** The lower half of an F32, which may be anything. */
const isLower = (type: Type, index: number): boolean => type === 'F32' && index === 0;

/** Halves of every exponent, denormal ones and zeros included; of the longer floats those up to 2^65. */
const anyHalf =
  (type: Type) =>
  (random: Random, index: number): number => {
    if (isLower(type, index)) return random.below(0x10000);
    const most = type === 'BF16' || type === 'F32' ? 0x6000 : 0x7c00;
    return sign(type, random, index) | (random.below(8) ? random.below(most) : random.below(3));
  };

/** Halves near one. */
const moderateHalf =
  (type: Type) =>
  (random: Random, index: number): number =>
    isLower(type, index)
      ? random.below(0x10000)
      : sign(type, random, index) | (0x3800 + random.below(0x0800));

/** Two powers of two, with the sign that the type allows: products are whole numbers of 128ths, or of their squares. */
const wholeHalf =
  (type: Type) =>
  (random: Random, index: number): number =>
    isLower(type, index) ? 0 : sign(type, random, index) | (0x3c00 + 0x400 * random.below(2));

interface Weights {
  type: Type;
  file: Uint8Array;
  values: Float32Array;
}

function weights(
  type: Type,
  half: (random: Random, index: number) => number,
  seed: number,
  fill?: number,
): Weights {
  const file = randomBlocks(type, ROWS, COLUMNS, seeded(seed), half, fill);
  return { type, file, values: dequantise(type, file, ROWS * COLUMNS) };
}

/** In doubles, and the sum of the magnitudes. */
function product({ values }: Weights, x: Float32Array): { outputs: number[]; magnitudes: number[] } {
  const terms = Array.from({ length: ROWS }, (_, row) =>
    Array.from(x, (value, column) => value * values[row * COLUMNS + column]!),
  );
  return {
    outputs: terms.map((row) => row.reduce((sum, term) => sum + term, 0)),
    magnitudes: terms.map((row) => row.reduce((sum, term) => sum + Math.abs(term), 0)),
  };
}

/** As the kernels of the type meet them. */
const rounded = (type: Type, x: Float32Array): Float32Array => (isFloat(type) ? x : in8Bits(x));

/** Normal, with a few large ones: about a tenth of the blocks is refined. */
function activations(seed: number): Float32Array {
  const random = seeded(seed);
  return Float32Array.from({ length: COLUMNS }, () => random.normal() * (random.below(300) ? 1 : 20));
}

/**
 * Whole 128ths, 127 in every block: 8 bits hold them as they are. The others are small, and the sign changes between blocks,
 * so that no sum leaves the 24 bits of an f32.
 */
function wholeActivations(seed: number): Float32Array {
  const random = seeded(seed);
  const whole = (i: number): number => (i % 32 ? random.below(17) - 8 : i % 64 ? -127 : 127);
  return Float32Array.from({ length: COLUMNS }, (_, i) => whole(i) / 128);
}

describe.each(CASES)('%s, SIMD %s', (type, simd) => {
  const { kind, blockBytes, columns } = packOf(type);
  const groupBytes = (blockBytes * COLUMNS) / columns;

  test('comes out of its pack as the file defines it, whatever its bytes', async () => {
    const kernels = await bareKernels(simd);
    for (const seed of [1, 2, 3]) {
      const { file, values } = weights(type, anyHalf(type), seed);
      expect(kernels.pack(kind, file, ROWS, COLUMNS)).toBe(0);
      expect(kernels.packed(groupBytes).isWithinBounds).toBe(true);
      for (let row = 0; row < ROWS; row++) {
        const expected = values.slice(row * COLUMNS, (row + 1) * COLUMNS);
        expect(sameBits(kernels.unpack(kind, row, COLUMNS), expected), `row ${row}, seed ${seed}`).toBe(true);
      }
    }
  });

  test('is zero in the rows that a last group lacks', async () => {
    const kernels = await bareKernels(simd);
    const { file, values } = weights(type, moderateHalf(type), 4);
    for (const rows of [1, 7, 15]) {
      kernels.pack(kind, file.subarray(0, (file.length / ROWS) * rows), rows, COLUMNS);
      expect(kernels.packed(groupBytes).isWithinBounds).toBe(true);
      for (let row = 0; row < rows; row++) {
        const expected = values.slice(row * COLUMNS, (row + 1) * COLUMNS);
        expect(sameBits(kernels.unpack(kind, row, COLUMNS), expected), `row ${row} of ${rows}`).toBe(true);
      }
      const x = activations(5);
      const outputs = [
        kernels.multiplyOne(kind, x),
        ...kernels.multiplyFew(kind, [x, x]),
        ...(kernels.isOpened(kind) ? kernels.multiplyOpened(kind, [x]) : []),
      ];
      for (const row of outputs) expect(row.slice(rows).every((value) => value === 0)).toBe(true);
    }
  });

  test('takes at most a tenth more bytes than in the file', () => {
    const { blockSize, blockBytes: fileBytes } = ggmlType(type);
    expect(columns % blockSize).toBe(0);
    expect(blockBytes).toBeLessThanOrEqual((1.1 * 16 * fileBytes * columns) / blockSize);
  });

  test('multiplies whole numbers exactly, up to the largest quants', async () => {
    const kernels = await bareKernels(simd);
    for (const fill of [undefined, 0xff, 0x00]) {
      const whole = weights(type, wholeHalf(type), 6, fill);
      kernels.pack(kind, whole.file, ROWS, COLUMNS);
      const rows = [7, 8, 9, 10].map(wholeActivations);
      const expected = rows.map((x) => Float32Array.from(product(whole, x).outputs));
      if (kernels.isOpened(kind)) {
        expect(partings(kernels.multiplyOpened(kind, rows), expected), `opened, ${fill}`).toEqual([]);
      }
      const few = rows.slice(0, kernels.mostFew(kind));
      expect(partings(kernels.multiplyFew(kind, few), expected.slice(0, few.length)), `few, ${fill}`).toEqual(
        [],
      );
      const alone = rows.map((x) => kernels.multiplyOne(kind, x));
      expect(partings(alone, expected), `alone, ${fill}`).toEqual([]);
    }
  });

  test.each([
    ['near one', moderateHalf, 2e-6],
    ['of every size', anyHalf, 2e-6],
  ] as const)('multiplies as doubles do, with scales %s', async (_, half, bound) => {
    const kernels = await bareKernels(simd);
    const random = weights(type, half(type), 11);
    kernels.pack(kind, random.file, ROWS, COLUMNS);
    for (const seed of [12, 13, 14]) {
      const x = activations(seed);
      const { outputs, magnitudes } = product(random, rounded(type, x));
      kernels.multiplyOne(kind, x).forEach((value, row) => {
        expect(Math.abs(value - outputs[row]!)).toBeLessThan(bound * magnitudes[row]!);
      });
    }
  });

  test('gives a row the same bits alone and among others, whichever blocks those refine', async () => {
    const kernels = await bareKernels(simd);
    for (const half of [moderateHalf, anyHalf]) {
      kernels.pack(kind, weights(type, half(type), 15).file, ROWS, COLUMNS);
      const rows = Array.from({ length: 16 }, (_, i) => activations(16 + i));
      const alone = rows.map((x) => kernels.multiplyOne(kind, x));
      for (const count of [1, 2, 3, 4, 5, 6, 7, 8, 11, 16]) {
        for (const start of [0, rows.length - count]) {
          const [some, expected] = [rows, alone].map((all) => all.slice(start, start + count));
          if (kernels.isOpened(kind) && count <= 4) {
            expect(partings(kernels.multiplyOpened(kind, some!), expected!), `${count} opened`).toEqual([]);
          }
          if (count > kernels.mostFew(kind)) continue;
          expect(partings(kernels.multiplyFew(kind, some!), expected!), `${count} of few`).toEqual([]);
        }
      }
    }
  });
});

describe.each(['Q2_K', 'Q3_K', 'Q6_K', 'F16'] as const)('%s', (type) => {
  test('is refused where a scale or weight is infinite or no number', async () => {
    const kernels = await bareKernels('plain');
    const { kind } = packOf(type);
    for (const wrong of [0x7c00, 0xfc00, 0x7e01]) {
      for (const at of [0, 30]) {
        let block = 0;
        const half = (random: Random, index: number): number =>
          block++ === at ? wrong : moderateHalf(type)(random, index);
        const { file } = weights(type, half, 21);
        expect(kernels.pack(kind, file, ROWS, COLUMNS), `${wrong} in block ${at}`).toBe(1);
      }
    }
  });
});
