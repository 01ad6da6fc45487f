import { expect, test } from 'vitest';
import type { ModelPlan } from '../backend/session.ts';
import { checkMemory, estimateMemory } from './memory.ts';

const plan = (weightBytes: number): ModelPlan => ({
  shape: {
    architecture: 'llama',
    layerCount: 30,
    hiddenSize: 576,
    headCount: 9,
    kvHeadCount: 3,
    headSize: 64,
    ffnSize: 1536,
    vocabSize: 49152,
    contextLength: 8192,
    normEpsilon: 1e-5,
    ropes: [{ base: 1e5, size: 64, pairs: 'neighbours', scaling: { kind: 'none' } }],
    layers: Array.from({ length: 30 }, () => ({ window: 0, rope: 0 })),
    activation: 'silu',
    scales: { embedding: 1, attention: 1 / 8, residual: 1, logits: 1 },
    tiedHead: true,
  },
  tensors: [
    {
      name: 'w',
      role: 'up',
      layer: 0,
      type: 'Q4_1',
      columns: 32,
      rows: 1,
      fileOffset: 0,
      byteLength: weightBytes,
    },
  ],
});

const options = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 2048 } as const;

test('keys and values count with the context, and weigh more as f32', () => {
  const at = (contextLength: number, kv: 'q8' | 'f32'): number =>
    estimateMemory(plan(0), { ...options, contextLength, kv }) -
    estimateMemory(plan(0), { ...options, contextLength: 0 });
  const values = 2 * 30 * 3 * 64;
  expect(at(1000, 'f32')).toBe(values * 1000 * 4);
  expect(at(1000, 'q8')).toBe(values * 1000 * (68 / 64));
});

test('a model that does not fit is refused with both numbers', () => {
  const needs = estimateMemory(plan(3e9), options);
  expect(() => checkMemory(plan(3e9), options, undefined)).not.toThrow();
  expect(() => checkMemory(plan(3e9), options, 2 ** 31)).toThrow(
    expect.objectContaining({
      code: 'out_of_memory',
      details: { neededBytes: needs, availableBytes: 2 ** 31 },
    }),
  );
});

test('more than WebAssembly can address is refused whatever the device has', () => {
  expect(() => checkMemory(plan(5e9), options, 2 ** 33)).toThrow(
    expect.objectContaining({
      code: 'out_of_memory',
      details: expect.objectContaining({ availableBytes: 2 ** 32 }),
    }),
  );
});
