/**
 * The reference forward pass against native llama.cpp on tiny random files, so that one misreading of the format
 * or of the arithmetic cannot hide in writer, reader, reference and kernels alike. With native's own rounding of the
 * inputs of matrices (native-product.ts) and its cache in 32 bits, next to nothing is left between the two.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { TensorType } from '../../src/backend/session.ts';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { joinParts } from '../../src/model/gguf-parts.ts';
import { compareLogits } from '../models/compare-logits.ts';
import { seeded } from '../models/random.ts';
import { referenceLogits } from '../models/reference-forward.ts';
import { splitGguf } from '../models/split-gguf.ts';
import { tinyGguf, tinyParts, type TinyOptions } from '../models/tiny-gguf.ts';
import { hasNative, nativeLogits, nativeNote } from './native-llama.ts';
import { nativeProduct } from './native-product.ts';

/** Every difference between two models that a reading of the format can get wrong, one at a time and together. */
const MODELS: Readonly<Record<string, Partial<TinyOptions>>> = {
  'exact weights': {},
  'half precision': { type: 'F16' },
  Q8_0: { type: 'Q8_0' },
  Q4_1: { type: 'Q4_1' },
  'Q4_1 with a Q8_0 embedding, as the default model': { type: 'Q4_1', types: { embedding: 'Q8_0' } },
  'a head of its own': { type: 'Q8_0', tied: false },
  'heads of 64, three to a key': { hidden: 192, heads: 3, kvHeads: 1, ffn: 256, type: 'Q8_0' },
  'heads of 128, more than the width': { headSize: 128, heads: 2, kvHeads: 2 },
  'a key for every head': { hidden: 128, heads: 4, kvHeads: 4 },
  'two heads to a key': { hidden: 128, heads: 4, kvHeads: 2, type: 'Q4_1' },
  'another rotary base': { ropeBase: 100_000 },
  'rotary factors': { ropeFactors: true },
  'a large epsilon': { normEpsilon: 0.1 },
  'one layer': { layers: 1 },
  'five layers': { layers: 5, type: 'Q8_0' },
};

const ARCHITECTURES = ['llama', 'qwen2', 'qwen3', 'gemma3', 'phi3', 'smollm3', 'granite'] as const;

const ATTENTION = { 'rope.scaling.attn_factor': { f32: 1.2 } };
const ORIGINAL_CONTEXT = 'rope.scaling.original_context_length';
const SCALED = {
  'unscaled positions': {},
  'linear scaling': { 'rope.scaling.type': { string: 'linear' }, 'rope.scaling.factor': { f32: 8 } },
  'yarn scaling': {
    'rope.scaling.type': { string: 'yarn' },
    'rope.scaling.factor': { f32: 4 },
    [ORIGINAL_CONTEXT]: { u32: 64 },
  },
} satisfies Record<string, TinyOptions['entries']>;

const ROTATED = ARCHITECTURES.flatMap((architecture) =>
  Object.entries(SCALED).map(([kind, entries]): [string, Partial<TinyOptions>] => [
    `${architecture}, ${kind}`,
    { architecture, entries },
  ]),
);

/** What only some of them have. Windows of phi3 are missing: native leaves them out. */
const VARIANTS: Readonly<Record<string, Partial<TinyOptions>>> = {
  'llama with biases': { biases: true },
  'llama with fused tensors': { biases: true, fused: true },
  'llama with biases everywhere, in Q8_0': { biases: true, blockBiases: true, type: 'Q8_0' },
  'granite with biases everywhere': { architecture: 'granite', biases: true, blockBiases: true },
  'qwen2 without biases': { architecture: 'qwen2', biases: false },
  'qwen2 with a bias of its head': { architecture: 'qwen2', headBias: true },
  'gemma3 with biases': { architecture: 'gemma3', biases: true },
  'yarn with a factor of its own for cosines': { entries: { ...SCALED['yarn scaling'], ...ATTENTION } },
  'unscaled positions with a factor for cosines': { architecture: 'qwen3', entries: ATTENTION },
  'granite with rotary factors': { architecture: 'granite', ropeFactors: true },
  'granite without positions': {
    architecture: 'granite',
    entries: { 'rope.scaling.finetuned': { bool: false } },
  },
  'phi3 with factors for contexts beyond the original': {
    architecture: 'phi3',
    longFactors: true,
    entries: { [ORIGINAL_CONTEXT]: { u32: 128 }, ...ATTENTION },
  },
  'phi3 with factors for contexts within the original': {
    architecture: 'phi3',
    longFactors: true,
    entries: { [ORIGINAL_CONTEXT]: { u32: 256 }, ...ATTENTION },
  },
  'phi3 with heads turned in part': { architecture: 'phi3', ropeSize: 24 },
  'phi3 in Q4_1': { architecture: 'phi3', type: 'Q4_1' },
  'gemma3 with heads of 256, in Q8_0': { architecture: 'gemma3', headSize: 256, type: 'Q8_0' },
  'gemma3 as large as 27B': { architecture: 'gemma3', layers: 62 },
  'gemma3 without windows': { architecture: 'gemma3', entries: { 'attention.sliding_window': { u32: 0 } } },
  'gemma3 with windows in two layers of three': {
    architecture: 'gemma3',
    entries: { 'attention.sliding_window_pattern': { u32: 3 } },
  },
  'gemma3 with another base for windows': {
    architecture: 'gemma3',
    entries: { 'rope.freq_base_swa': { f32: 500 } },
  },
};

/** Types whose rounding of inputs is not imitated here: each with the next architecture. */
const QUANTISED = (
  ['BF16', 'Q4_0', 'Q5_0', 'Q5_1', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'] as const satisfies TensorType[]
).map((type, index): [string, Partial<TinyOptions>] => {
  const architecture = ARCHITECTURES[index % ARCHITECTURES.length]!;
  const sizes = type.endsWith('_K') ? { hidden: 256, heads: 4, headSize: 64, ffn: 256 } : {};
  return [`${architecture} in ${type}`, { architecture, type, logitSpread: 1.5, ...sizes }];
});

/** Logits this close may be in either order after 8-bit rounding. */
const NEAR_TIE = 0.2;

function someIds(): number[] {
  const random = seeded(21);
  return Array.from({ length: 40 }, () => random.below(256));
}

const folder = mkdtempSync(join(tmpdir(), 'selvedge-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(!hasNative)(`the reference forward pass (${nativeNote})`, () => {
  test.each([...Object.entries(MODELS), ...ROTATED, ...Object.entries(VARIANTS)])(
    'agrees with native llama.cpp on a tiny model: %s',
    async (_, options) => {
      const path = join(folder, 'tiny.gguf');
      const bytes = tinyGguf(options);
      writeFileSync(path, bytes);
      const plan = planModel(readGgufHeader(bytes));
      const ids = someIds();
      const native = await nativeLogits(path, ids);

      // Mostly about 1e-13. A value that rounds to the other side, here or on another processor, costs about 1e-4.
      const alike = compareLogits(native, referenceLogits(plan, bytes, ids, nativeProduct), NEAR_TIE);
      expect(alike.mean).toBeLessThan(0.0005);
      expect(alike.argmaxMisses).toBe(0);

      const exact = compareLogits(native, referenceLogits(plan, bytes, ids), NEAR_TIE);
      const isQuantised = options.type === 'Q8_0' || options.type === 'Q4_1';
      expect(exact.mean).toBeLessThan(isQuantised ? 0.004 : 1e-5);
      expect(exact.argmaxMisses).toBe(0);
    },
  );

  test.each(QUANTISED)('agrees with it but for the rounding of inputs: %s', async (_, options) => {
    const path = join(folder, 'tiny.gguf');
    const bytes = tinyGguf(options);
    writeFileSync(path, bytes);
    const ids = someIds();
    const reference = referenceLogits(planModel(readGgufHeader(bytes)), bytes, ids);
    const { mean, argmaxMisses } = compareLogits(await nativeLogits(path, ids), reference, NEAR_TIE);
    expect(mean).toBeLessThan(0.002);
    expect(argmaxMisses).toBe(0);
  });

  test('agrees with it on a model in three files, as native splits and names them', async () => {
    const files = splitGguf(tinyParts({ architecture: 'phi3' }), 3);
    const paths = files.map((_, index) => join(folder, `tiny-0000${index + 1}-of-00003.gguf`));
    paths.forEach((path, index) => writeFileSync(path, files[index]!));
    const parts = files.map((bytes) => ({ header: readGgufHeader(bytes), byteLength: bytes.length }));
    const ids = [5, 80, 200, 7];
    const reference = referenceLogits(planModel(joinParts(parts)), Buffer.concat(files), ids);
    expect(compareLogits(await nativeLogits(paths[0]!, ids), reference).mean).toBeLessThan(1e-5);
  });
});
