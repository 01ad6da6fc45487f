/**
 * Every architecture with every tensor type and every kind of rotary positions, from the file to the logits: the kernels say
 * what the reference forward pass says of the same file. Logits spread half as far as in other tests: random models amplify
 * every rounding, and the bound is one for real ones.
 */
import { afterAll, expect, test } from 'vitest';
import type { TensorType } from '../../src/backend/session.ts';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { roundedProduct } from '../kernels/rounded-product.ts';
import { rowsOf, someIds } from '../kernels/feeding.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import { compareLogits } from '../models/compare-logits.ts';
import { referenceLogits } from '../models/reference-forward.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';
import type { TinyOptions } from '../models/tiny-gguf.ts';

const ARCHITECTURES = ['llama', 'qwen2', 'qwen3', 'gemma3', 'phi3', 'smollm3', 'granite'] as const;
const TYPES: readonly TensorType[] = [
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
];
const ORIGINAL = { 'rope.scaling.original_context_length': { u32: 64 } };
const SCALED: Record<string, Partial<TinyOptions>> = {
  unscaled: {},
  linear: { entries: { 'rope.scaling.type': { string: 'linear' }, 'rope.scaling.factor': { f32: 8 } } },
  yarn: {
    entries: { 'rope.scaling.type': { string: 'yarn' }, 'rope.scaling.factor': { f32: 4 }, ...ORIGINAL },
  },
};
const KINDS = Object.keys(SCALED);

/** Mean divergence in nats from exact activations. */
const BOUND = 0.002;
/** From the kernels' own rounding of them: what single values cost that round to the other side, and what most models have. */
const ROUNDED_BOUND = 0.0012;
const ROUNDED_MEDIAN = 0.0001;
const NEAR_TIE = 0.2;

const ids = someIds(40);
const room = kernelRoom();
afterAll(() => room.close());

const CASES = ARCHITECTURES.flatMap((architecture) =>
  TYPES.flatMap((type) => KINDS.map((kind) => [architecture, type, kind] as const)),
);

const roundedDivergences: number[] = [];

test.each(CASES)('%s in %s, %s positions', async (architecture, type, kind) => {
  const sizes = type.endsWith('_K') ? { hidden: 256, heads: 4, headSize: 64, ffn: 256 } : {};
  const tied = architecture !== 'phi3' && architecture !== 'gemma3';
  const bytes = tinyGguf({ architecture, type, tied, logitSpread: 1.5, ...SCALED[kind], ...sizes });
  const plan = planModel(readGgufHeader(bytes));
  const exact = referenceLogits(plan, bytes, ids);
  const agree = async (kv: 'f32' | 'q8'): Promise<Float32Array[]> => {
    const session = await room.open(bytes, { kv });
    const rows = await rowsOf(session, ids);
    session.dispose();
    const { mean, argmaxMisses } = compareLogits(exact, rows, NEAR_TIE);
    expect(mean, kv).toBeLessThan(BOUND);
    expect(argmaxMisses, kv).toBe(0);
    return rows;
  };
  const rounded = referenceLogits(plan, bytes, ids, roundedProduct);
  const { mean } = compareLogits(rounded, await agree('f32'));
  expect(mean).toBeLessThan(ROUNDED_BOUND);
  roundedDivergences.push(mean);
  // Keys and values as int8 do not depend on how positions are scaled.
  if (kind === KINDS[0]) await agree('q8');
});

test('in half of them next to nothing is left with the rounding of the kernels', () => {
  const sorted = roundedDivergences.toSorted((a, b) => a - b);
  expect(sorted.length).toBe(CASES.length);
  expect(sorted[sorted.length >> 1]).toBeLessThan(ROUNDED_MEDIAN);
});
