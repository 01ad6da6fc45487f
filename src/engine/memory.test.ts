import { expect, test } from 'vitest';
import type { ModelPlan } from '../backend/session.ts';
import type { LoadOptions } from '../rpc/protocol.ts';
import { planLoad, requireMemory } from './memory.ts';
import type { MemoryPlan } from './memory.ts';

const GIB = 2 ** 30;

/** A model of a shape like SmolLM2's, with one matrix of about `weightBytes`. */
const plan = (weightBytes: number, contextLength = 131_072): ModelPlan => ({
  shape: {
    architecture: 'llama',
    layerCount: 30,
    hiddenSize: 576,
    headCount: 9,
    kvHeadCount: 3,
    headSize: 64,
    ffnSize: 1536,
    vocabSize: 49152,
    contextLength,
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
      type: 'Q4_0',
      columns: 32,
      rows: Math.round(weightBytes / 18),
      fileOffset: 0,
      byteLength: weightBytes,
    },
  ],
});

const options: LoadOptions = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 2048 };

function planOn(
  deviceBytes: number | undefined,
  weightBytes: number,
  changed: Partial<LoadOptions> = {},
  draft?: ModelPlan,
): MemoryPlan {
  const device = { deviceBytes, cores: 4 };
  return planLoad(plan(weightBytes), { ...options, ...changed }, { draft, device });
}

test('keys and values count with the context in pages of 64, and weigh more as f32', () => {
  const kvBytes = (contextLength: number, kv: 'q8' | 'f32'): number =>
    planOn(undefined, 1e6, { contextLength, kv }).needed.kvBytes;
  const values = 2 * 30 * 3 * 64;
  expect(kvBytes(1000, 'f32')).toBe(values * 1024 * 4);
  expect(kvBytes(1000, 'q8')).toBe(values * 1024 * (68 / 64));
});

test('weights count as they are packed', () => {
  const { needed } = planOn(undefined, 1e9);
  expect(needed.weightBytes).toBeGreaterThan(1e9);
  expect(needed.totalBytes).toBe(needed.weightBytes + needed.kvBytes + needed.scratchBytes);
});

test('a model that does not fit is refused with both numbers, whatever context would fit', () => {
  expect(() => requireMemory(planOn(undefined, 2e9))).not.toThrow();
  const refused = planOn(GIB, 2e9);
  const availableBytes = GIB;
  expect(() => requireMemory(refused)).toThrow(
    expect.objectContaining({
      code: 'out_of_memory',
      message: expect.stringMatching(/needs \d\.\d\d GB .* 1\.07 GB can be had\. Choose a smaller model/),
      details: expect.objectContaining({ neededBytes: refused.needed.totalBytes, availableBytes }),
    }),
  );
});

test('more than WebAssembly can address is refused whatever the device has', () => {
  expect(() => requireMemory(planOn(2 ** 33, 5e9))).toThrow(
    expect.objectContaining({
      code: 'out_of_memory',
      details: expect.objectContaining({ availableBytes: 2 ** 32 }),
    }),
  );
});

test('a context that does not fit is an error that says which would; only fit takes that one', () => {
  const asked = planOn(GIB, 5e8, { contextLength: 131_072 });
  expect(asked.contextLength).toBe(131_072);
  const { longestContext } = asked;
  expect(longestContext).toBeGreaterThan(1000);
  expect(() => requireMemory(asked)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining(`A contextLength of ${longestContext} fits`),
      details: expect.objectContaining({ contextLength: 131_072, longestContext }),
    }),
  );
  const fitted = planOn(GIB, 5e8, { contextLength: 'fit' });
  expect([fitted.contextLength, fitted.fits]).toEqual([longestContext, true]);
  // One page more would be too much.
  expect(planOn(GIB, 5e8, { contextLength: longestContext + 64 }).fits).toBe(false);
  expect(() => requireMemory(planOn(GIB, 5e8, { contextLength: longestContext }))).not.toThrow();
});

test('with room for all of it, fit is what the model was trained for, and the default is 4096', () => {
  expect(planOn(undefined, 1e8, { contextLength: 'fit' }).contextLength).toBe(131_072);
  expect(planOn(undefined, 1e8, { contextLength: 0 }).contextLength).toBe(4096);
  expect(planOn(undefined, 1e8, { contextLength: 500_000 }).contextLength).toBe(131_072);
});

test('every thread has scratch of its own', () => {
  const scratch = (threads: LoadOptions['threads']): number =>
    planOn(undefined, 1e6, { threads }).needed.scratchBytes;
  expect(scratch(2)).toBeGreaterThan(scratch(1));
  expect(scratch('auto')).toBe(scratch(4));
});

test('a draft needs room beside the model, and the error has the numbers of both', () => {
  expect(planOn(GIB, 6e8, {}, plan(5e7)).fits).toBe(true);
  expect(planOn(GIB, 6e8).fits).toBe(true);
  const refused = planOn(GIB, 6e8, {}, plan(5e8));
  const modelBytes = refused.needed.totalBytes;
  const draftBytes = refused.draft!.needed.totalBytes;
  expect(() => requireMemory(refused)).toThrow(
    expect.objectContaining({
      code: 'out_of_memory',
      message: expect.stringMatching(/The model and its draft need 1\.\d\d GB .* Leave the draft out\./),
      details: expect.objectContaining({
        neededBytes: modelBytes + draftBytes,
        modelBytes,
        draftBytes,
        availableBytes: GIB,
      }),
    }),
  );
});

test('each of the two is addressed by itself', () => {
  expect(planOn(undefined, 3e9, {}, plan(3e9)).fits).toBe(true);
  expect(planOn(2 ** 33, 1e9, {}, plan(5e9)).fits).toBe(false);
});

test('a model that does not fit by itself is the error, not its draft', () => {
  const refused = planOn(GIB, 2e9, {}, plan(1e6));
  expect(refused.draft).toBe(null);
  expect(() => requireMemory(refused)).toThrow(/^The model needs/);
});

test('the context of a draft is that of the model, or what it was trained for; fit leaves room for both', () => {
  const contexts = (draft: ModelPlan): unknown[] => {
    const { contextLength, draft: planned } = planOn(undefined, 1e8, { contextLength: 8192 }, draft);
    return [contextLength, planned?.contextLength];
  };
  expect(contexts(plan(1e7))).toEqual([8192, 8192]);
  expect(contexts(plan(1e7, 2048))).toEqual([8192, 2048]);
  const fitted = planOn(GIB, 5e8, { contextLength: 'fit' }, plan(1e8));
  expect(fitted.fits).toBe(true);
  expect(fitted.contextLength).toBeLessThan(planOn(GIB, 5e8, { contextLength: 'fit' }).contextLength / 2);
});
