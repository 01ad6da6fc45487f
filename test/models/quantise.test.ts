import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { TensorType } from '../../src/backend/session.ts';
import golden from './golden-blocks.json' with { type: 'json' };
import { fromBfloat, fromHalf, toBfloat, toHalf } from './half.ts';
import { blockOf, dequantise, quantise } from './quantise.ts';
import { seeded } from './random.ts';

const types = Object.keys(golden.dequantised) as (keyof typeof golden.dequantised)[];
const quantisers = Object.keys(golden.quantised) as (keyof typeof golden.quantised)[];

test('every half survives the way through a float, and a float goes to the nearest half', () => {
  for (let half = 0; half < 0x10000; half++) {
    const value = fromHalf(half);
    if (Number.isNaN(value)) expect(fromHalf(toHalf(value))).toBeNaN();
    else expect(toHalf(value)).toBe(half);
  }
  // Ties go to even: halfway between 0x3c00 (1) and its successor, and between the two smallest subnormals.
  expect(toHalf(1 + 2 ** -11)).toBe(0x3c00);
  expect(toHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
  expect(toHalf(2 ** -25)).toBe(0);
  expect(toHalf(3 * 2 ** -25)).toBe(2);
  expect(toHalf(65_519)).toBe(0x7bff);
  expect(toHalf(65_520)).toBe(0x7c00);
});

test('a float goes to the nearest bfloat16, ties to even', () => {
  expect([1, -1, 1 + 2 ** -8, 1 + 3 * 2 ** -8].map(toBfloat)).toEqual([0x3f80, 0xbf80, 0x3f80, 0x3f82]);
  expect(fromBfloat(toBfloat(NaN))).toBeNaN();
  expect([0x3f81, 0x8001, 0xff80].map((word) => toBfloat(fromBfloat(word)))).toEqual([
    0x3f81, 0x8001, 0xff80,
  ]);
});

test.for(types)('%s: random and extreme blocks mean, bit for bit, what the package gguf reads', (type) => {
  const { seed, last, sha256 } = golden.dequantised[type];
  const bytes = blocksOf(type, seed);
  const values = dequantise(type, bytes, (bytes.length / blockOf(type).bytes) * blockOf(type).size);
  const words = Uint32Array.from(new Uint32Array(values.buffer), (word, i) =>
    Number.isNaN(values[i]) ? 0x7fc00000 : word,
  );
  expect(Array.from(words.slice(-last.length), (word) => word.toString(16).padStart(8, '0'))).toEqual(last);
  expect(hash(words)).toBe(sha256);
});

test.for(quantisers)('%s: values are packed byte for byte as the package gguf packs them', (type) => {
  const { seed, sha256 } = golden.quantised[type];
  expect(hash(quantise(type, valuesOf(seed)))).toBe(sha256);
});

test('blocks lie in the file as ggml defines them', () => {
  const values = Float32Array.from({ length: 32 }, (_, index) => index - 16);
  const q8 = quantise('Q8_0', values);
  expect([q8.length, q8[2], q8[33]]).toEqual([34, 256 - 127, Math.round((15 / 16) * 127)]);
  const q4 = quantise(
    'Q4_1',
    Float32Array.from({ length: 32 }, (_, index) => index % 16),
  );
  expect([...q4]).toEqual([0x00, 0x3c, 0, 0, ...Array.from({ length: 16 }, (_, j) => j | (j << 4))]);
});

/** Steps that a normal distribution, cut into blocks, needs: the largest errors allowed are halves of them. */
const STEPS: readonly (readonly [TensorType, number])[] = [
  ['F32', 0],
  ['F16', 2 ** -9],
  ['BF16', 2 ** -6],
  ['Q8_0', 4 / 127],
  ['Q4_0', 8 / 15],
  ['Q4_1', 8 / 15],
  ['Q5_0', 8 / 31],
  ['Q5_1', 8 / 31],
  ['Q2_K', 8 / 3],
  ['Q3_K', 8 / 7],
  ['Q4_K', 8 / 15],
  ['Q5_K', 8 / 31],
  ['Q6_K', 8 / 63],
];

test.for(STEPS)('%s: values come back within half a step', ([type, step]) => {
  const random = seeded(3);
  const values = Float32Array.from({ length: 2560 }, () => random.normal());
  const back = dequantise(type, quantise(type, values), values.length);
  const worst = values.reduce((most, value, index) => Math.max(most, Math.abs(back[index]! - value)), 0);
  expect(worst).toBeLessThanOrEqual(step / 2);
  if (step > 0) expect(worst).toBeGreaterThan(step / 20);
});

test.for(types)('%s: a tensor of zeros, and one of a single value, come back as they were', (type) => {
  for (const value of [0, 1, -2]) {
    const values = new Float32Array(512).fill(value);
    const back = dequantise(type, quantise(type, values), values.length);
    back.forEach((found) => expect(found).toBeCloseTo(value, 1));
  }
});

function blocksOf(type: TensorType, seed: number): Uint8Array {
  const { size, bytes } = blockOf(type);
  const random = seeded(seed);
  const extremes = golden.extremes.flatMap((byte) => Array<number>(bytes).fill(byte));
  const count = (golden.values / size) * bytes;
  return Uint8Array.from([...extremes, ...Array.from({ length: count }, () => random.below(256))]);
}

/** Numbers between -2 and 2 in steps of 1/1024; then zeros, and ones of one sign. */
function valuesOf(seed: number): Float32Array {
  const random = seeded(seed);
  const spread = Array.from({ length: golden.values }, () => (random.below(4096) - 2048) / 1024);
  const constant = [0, 1, -1].flatMap((value) => Array<number>(256).fill(value));
  return Float32Array.from([...spread, ...constant]);
}

function hash(data: Uint8Array | Uint32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}
