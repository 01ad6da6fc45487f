import { expect, test } from 'vitest';
import { dequantise, fromHalf, quantise, toHalf } from './quantise.ts';
import { seeded } from './random.ts';

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

test('values come back within half a step', () => {
  const random = seeded(3);
  const values = Float32Array.from({ length: 320 }, () => random.normal());
  for (const [type, step] of [
    ['F32', 0],
    ['F16', 2 ** -9],
    ['Q8_0', 4 / 127],
    ['Q4_1', 8 / 15],
  ] as const) {
    const back = dequantise(type, quantise(type, values), values.length);
    values.forEach((value, index) => expect(Math.abs(back[index]! - value)).toBeLessThanOrEqual(step / 2));
  }
});
