import { describe, expect, test } from 'vitest';
import { tinyGguf, tinyParts, type TinyOptions } from '../../test/models/tiny-gguf.ts';
import { writeGguf, type Entry, type TensorToWrite } from '../../test/models/gguf-writer.ts';
import type { ModelPlan, TensorPlan } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import { planModel } from './architectures.ts';
import { readGgufHeader } from './gguf.ts';

function refusalOf(attempt: () => unknown): SelvedgeError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof SelvedgeError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
}

const planOf = (options: Partial<TinyOptions>): ModelPlan => planModel(readGgufHeader(tinyGguf(options)));

describe('the plan of a model', () => {
  const header = readGgufHeader(tinyGguf());
  const plan = planModel(header);

  test('has the shape of the metadata and one entry per tensor, in file order', () => {
    expect(plan.shape).toMatchObject({
      architecture: 'llama',
      layerCount: 2,
      hiddenSize: 64,
      headCount: 2,
      kvHeadCount: 1,
      headSize: 32,
      ffnSize: 96,
      vocabSize: 320,
      contextLength: 256,
      ropes: [{ base: 10_000, size: 32, pairs: 'neighbours', scaling: { kind: 'none' } }],
      tiedHead: true,
    });
    expect(plan.tensors.map((tensor) => tensor.name)).toEqual(header.tensors.map((tensor) => tensor.name));
    expect(plan.tensors.find((tensor) => tensor.role === 'down' && tensor.layer === 1)).toMatchObject({
      name: 'blk.1.ffn_down.weight',
      type: 'F32',
      columns: 96,
      rows: 64,
    });
  });

  test('has the defaults of ggml for what the file does not say', () => {
    const { metadata, tensors } = tinyParts({ heads: 2, kvHeads: 2, ropeBase: 500 });
    for (const key of ['rope.freq_base', 'attention.head_count_kv', 'attention.key_length', 'vocab_size']) {
      delete metadata[`llama.${key}`];
    }
    expect(planModel(readGgufHeader(writeGguf(metadata, tensors))).shape).toMatchObject({
      kvHeadCount: 2,
      headSize: 32,
      vocabSize: 320,
      ropes: [{ base: 10_000 }],
    });
  });

  test('knows a head of its own, rope factors, heads of any size and every supported type', () => {
    for (const type of ['F32', 'F16', 'Q8_0', 'Q4_1'] as const) {
      const bytes = tinyGguf({ type, tied: false, ropeFactors: true, headSize: 128 });
      const { shape, tensors } = planModel(readGgufHeader(bytes));
      expect(shape.tiedHead).toBe(false);
      expect(shape.headSize).toBe(128);
      expect(tensors.map((tensor) => tensor.role)).toEqual(expect.arrayContaining(['head', 'rope-factors']));
      expect(tensors.find((tensor) => tensor.role === 'query')).toMatchObject({ type, rows: 256 });
    }
  });

  const parts = tinyParts();
  const factors = (count: number): TensorToWrite => ({
    name: '',
    type: 'F32',
    dims: [count],
    bytes: new Uint8Array(4 * count),
  });
  const fusedQuery = tinyParts({ fused: true }).tensors.filter(
    ({ name }) => name === 'blk.0.attn_qkv.weight',
  );
  const without = (name: string): TensorToWrite[] => parts.tensors.filter((tensor) => tensor.name !== name);
  test.each<[string, Record<string, Entry>, TensorToWrite[], string, RegExp]>([
    [
      'a missing tensor',
      {},
      without('blk.1.ffn_up.weight'),
      'invalid_model',
      /blk.1.ffn_up.weight is missing/,
    ],
    [
      'a tensor too many',
      {},
      [...parts.tensors, { ...parts.tensors[1]!, name: 'blk.0.attn_norm.bias' }],
      'unsupported_model',
      /blk.0.attn_norm.bias has no place/,
    ],
    [
      'another width',
      { 'llama.feed_forward_length': { u32: 128 } },
      parts.tensors,
      'invalid_model',
      /96 x 64.*128 x 64/,
    ],
    [
      'another architecture',
      { 'general.architecture': { string: 'mamba' } },
      parts.tensors,
      'unsupported_model',
      /mamba/,
    ],
    [
      'no context length',
      { 'llama.context_length': { string: 'long' } },
      parts.tensors,
      'invalid_model',
      /context_length/,
    ],
    [
      'a billion layers',
      { 'llama.block_count': { u32: 1e9 } },
      parts.tensors,
      'invalid_model',
      /blk.2.* is missing/,
    ],
    [
      'experts',
      { 'llama.expert_count': { u32: 8 } },
      parts.tensors,
      'unsupported_model',
      /expert_count is 8/,
    ],
    [
      'no heads',
      { 'llama.attention.head_count': { u32: 0 } },
      parts.tensors,
      'invalid_model',
      /head_count is 0.*at least 1/,
    ],
    [
      'no whole number of layers',
      { 'llama.block_count': { f32: 1.5 } },
      parts.tensors,
      'invalid_model',
      /block_count is 1.5/,
    ],
    [
      'another vocabulary',
      { 'llama.vocab_size': { u32: 321 } },
      parts.tensors,
      'invalid_model',
      /vocab_size is 321/,
    ],
    [
      'positions scaled in a way of its own',
      { 'llama.rope.scaling.type': { string: 'dynamic' } },
      parts.tensors,
      'unsupported_model',
      /scaling.type is dynamic; supported are none, linear, yarn and longrope/,
    ],
    [
      'factors for long contexts only',
      {},
      [...parts.tensors, { ...factors(16), name: 'rope_factors_long.weight' }],
      'invalid_model',
      /rope_factors_short.weight is missing/,
    ],
    [
      'capped logits',
      { 'llama.final_logit_softcapping': { f32: 30 } },
      parts.tensors,
      'unsupported_model',
      /final_logit_softcapping is 30; capped logits/,
    ],
    [
      'layers of different widths',
      { 'llama.feed_forward_length': { i32s: [96, 128] } },
      parts.tensors,
      'unsupported_model',
      /feed_forward_length differs between layers \(96, 128\)/,
    ],
    [
      'queries fused and by themselves',
      {},
      [...parts.tensors, ...fusedQuery],
      'unsupported_model',
      /blk.0.attn_qkv.weight has no place/,
    ],
    [
      'norms of half precision',
      {},
      parts.tensors.map((tensor) =>
        tensor.name === 'output_norm.weight'
          ? { ...tensor, type: 'F16' as const, bytes: tensor.bytes.slice(0, 128) }
          : tensor,
      ),
      'unsupported_model',
      /output_norm.weight has the type F16; supported here: F32/,
    ],
    [
      'no epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': { f32: NaN } },
      parts.tensors,
      'invalid_model',
      /epsilon/,
    ],
  ])('with %s is refused by name', (_, changes, tensors, code, message) => {
    const read = (): unknown =>
      planModel(readGgufHeader(writeGguf({ ...parts.metadata, ...changes }, tensors)));
    const refusal = refusalOf(read);
    expect(refusal.message).toMatch(message);
    expect(refusal.code).toBe(code);
  });
});

describe('architectures', () => {
  test('that are not known are named, with what is', () => {
    const parts = tinyParts();
    const refusal = (name: string, entries: Record<string, Entry>): string => {
      const metadata = { ...parts.metadata, 'general.architecture': { string: name }, ...entries };
      return refusalOf(() => planModel(readGgufHeader(writeGguf(metadata, parts.tensors)))).message;
    };
    const all = 'supported are llama, qwen2, qwen3, gemma3, phi3, smollm3, granite.';
    expect(refusal('gemma3n', {})).toBe(`The model's architecture is gemma3n; ${all}`);
    expect(refusal('mamba', { 'mamba.ssm.conv_kernel': { u32: 4 } })).toBe(
      `The model's architecture is mamba, which has recurrent layers; ${all}`,
    );
    expect(refusal('qwen3moe', { 'qwen3moe.expert_count': { u32: 8 } })).toBe(
      `The model's architecture is qwen3moe, a mixture of experts; ${all}`,
    );
  });

  test('give matrices biases, queries and keys norms by head, and blocks norms of their own', () => {
    const rolesOf = (options: Partial<TinyOptions>): string[] =>
      planOf(options)
        .tensors.filter(({ layer }) => layer === 1)
        .map(({ role, columns }) => `${role} ${columns}`);
    const biases = ['query-bias 64', 'key-bias 32', 'value-bias 32'];
    expect(rolesOf({ architecture: 'qwen2' })).toEqual(expect.arrayContaining(biases));
    expect(rolesOf({ biases: true })).toEqual(expect.arrayContaining(biases));
    expect(rolesOf({ architecture: 'granite', blockBiases: true })).toEqual(
      expect.arrayContaining(['attention-output-bias 64', 'gate-bias 96', 'up-bias 96', 'down-bias 64']),
    );
    const norms = ['query-norm 64', 'key-norm 64'];
    expect(rolesOf({ architecture: 'qwen3' })).toEqual(expect.arrayContaining(norms));
    expect(rolesOf({ architecture: 'gemma3' })).toEqual(
      expect.arrayContaining([...norms, 'post-attention-norm 64', 'post-ffn-norm 64']),
    );
  });

  test.each([false, true])(
    'may fuse tensors, whose parts are then read where they lie (biases: %s)',
    (biases) => {
      for (const options of [{ architecture: 'phi3' as const }, { fused: true, type: 'Q4_1' as const }]) {
        const bytes = tinyGguf({ ...options, biases });
        const header = readGgufHeader(bytes);
        const { tensors } = planModel(header);
        for (const { name, type, dims, fileOffset, byteLength } of header.tensors) {
          const parts = tensors.filter((part) => part.name === name);
          const total = parts.reduce((sum, part) => sum + part.byteLength, 0);
          expect([parts[0]!.fileOffset, total], name).toEqual([fileOffset, byteLength]);
          parts.slice(1).forEach((part, index) => {
            expect(part.fileOffset).toBe(parts[index]!.fileOffset + parts[index]!.byteLength);
          });
          for (const part of parts) {
            const values = (part.byteLength / type.blockBytes) * type.blockSize;
            expect([part.type, values]).toEqual([type.name, part.columns * part.rows]);
            if (dims.length > 1) expect(part.columns).toBe(dims[0]);
          }
        }
        const fused = tensors.filter(({ name }) => name.includes('.0.attn_qkv.weight'));
        const extent = ({ role, columns, rows }: TensorPlan): unknown[] => [role, columns, rows];
        expect(fused.map(extent)).toEqual([
          ['query', 64, 64],
          ['key', 64, 32],
          ['value', 64, 32],
        ]);
      }
      const up = planOf({ architecture: 'phi3' }).tensors.filter(
        ({ name }) => name === 'blk.1.ffn_up.weight',
      );
      expect(up.map(({ role, rows }) => [role, rows])).toEqual([
        ['gate', 96],
        ['up', 96],
      ]);
    },
  );

  test('say which layers see a window, and by which positions they turn', () => {
    const gemma = planOf({ architecture: 'gemma3', ropeBase: 1_000_000 }).shape;
    expect(gemma.ropes.map(({ base }) => base)).toEqual([1_000_000, 10_000]);
    const local = { window: 12, rope: 1 };
    expect(gemma.layers).toEqual([local, local, local, local, local, { window: 0, rope: 0 }, local]);
    const gemmaWith = (entries: Record<string, Entry>): (number | undefined)[] =>
      planOf({ architecture: 'gemma3', layers: 4, entries }).shape.layers.map(({ window }) => window);
    expect(gemmaWith({ 'attention.sliding_window_pattern': { u32: 2 } })).toEqual([12, 0, 12, 0]);
    expect(gemmaWith({ 'attention.sliding_window': { u32: 0 } })).toEqual([0, 0, 0, 0]);
    const phi = planOf({ architecture: 'phi3', entries: { 'attention.sliding_window': { u32: 20 } } }).shape;
    expect(phi.layers).toEqual(Array.from({ length: 2 }, () => ({ window: 20, rope: 0 })));
    const smol = planOf({ architecture: 'smollm3', layers: 8 }).shape.layers;
    expect(smol.map(({ rope }) => rope)).toEqual([0, 0, 0, -1, 0, 0, 0, -1]);
    const still = { 'rope.scaling.finetuned': { bool: false } };
    expect(planOf({ architecture: 'granite', entries: still }).shape.layers[0]).toEqual({
      window: 0,
      rope: -1,
    });
    expect(planOf({ entries: still }).shape.layers[0]).toEqual({ window: 0, rope: 0 });
  });

  test('scale what they scale', () => {
    const scalesOf = (options: Partial<TinyOptions>): unknown => planOf(options).shape.scales;
    const plain = { embedding: 1, attention: 1 / Math.sqrt(32), residual: 1, logits: 1 };
    expect(scalesOf({})).toEqual(plain);
    expect(scalesOf({ architecture: 'gemma3' })).toEqual({ ...plain, embedding: 8, attention: 1 / 8 });
    // The largest of the family, known by its layers, goes by hidden size / heads.
    expect(scalesOf({ architecture: 'gemma3', layers: 62 })).toMatchObject({ attention: 1 / Math.sqrt(32) });
    const entries = {
      embedding_scale: { f32: 12 },
      'attention.scale': { f32: 0.125 },
      residual_scale: { f32: 0.25 },
      logit_scale: { f32: 8 },
    };
    const granite = { embedding: 12, attention: 0.125, residual: 0.25, logits: 0.125 };
    expect(scalesOf({ architecture: 'granite', entries })).toEqual(granite);
    expect(scalesOf({ entries })).toEqual(plain);
    const none = { embedding_scale: { f32: 0 }, 'attention.scale': { f32: 0 }, residual_scale: { f32: 0 } };
    expect(scalesOf({ architecture: 'granite', entries: { ...none, logit_scale: { f32: 1 } } })).toEqual(
      plain,
    );
  });
});

describe('rotary positions', () => {
  const scalingOf = (options: Partial<TinyOptions>): unknown => planOf(options).shape.ropes[0]!.scaling;
  const type = (string: string): Record<string, Entry> => ({ 'rope.scaling.type': { string } });
  const factor = { 'rope.scaling.factor': { f32: 4 } };

  test('are scaled as the file says, linearly if it names no kind', () => {
    expect(scalingOf({ entries: { ...type('none'), ...factor } })).toEqual({ kind: 'none' });
    expect(scalingOf({ entries: factor })).toEqual({ kind: 'linear', factor: 4 });
    expect(scalingOf({ entries: { 'rope.scale_linear': { f32: 2 } } })).toEqual({
      kind: 'linear',
      factor: 2,
    });
    expect(scalingOf({ entries: { ...type('linear'), 'rope.scaling.factor': { f32: 0 } } })).toEqual({
      kind: 'none',
    });
  });

  test('have the defaults of yarn, and what the file changes of them', () => {
    const yarn = { kind: 'yarn', factor: 4, originalContext: 256, extrapolation: 1, attention: 1 };
    expect(scalingOf({ entries: { ...type('yarn'), ...factor } })).toEqual({
      ...yarn,
      betaFast: 32,
      betaSlow: 1,
    });
    const changes = {
      'rope.scaling.original_context_length': { u32: 64 },
      'rope.scaling.attn_factor': { f32: 1.5 },
      'rope.scaling.yarn_beta_fast': { f32: 16 },
      'rope.scaling.yarn_beta_slow': { f32: 2 },
    };
    const changed = { ...yarn, originalContext: 64, attention: 1.5, betaFast: 16, betaSlow: 2 };
    expect(scalingOf({ entries: { ...type('yarn'), ...factor, ...changes } })).toEqual(changed);
  });

  test('of long contexts have factors and an original context', () => {
    const entries = {
      'rope.scaling.original_context_length': { u32: 64 },
      'rope.scaling.attn_factor': { f32: 1.25 },
    };
    for (const kind of [{}, type('longrope')]) {
      expect(
        scalingOf({ architecture: 'phi3', longFactors: true, entries: { ...entries, ...kind } }),
      ).toEqual({ kind: 'long', originalContext: 64, attention: 1.25 });
    }
    const bare = { architecture: 'phi3', entries: type('longrope') } as const;
    expect(refusalOf(() => planOf(bare)).message).toMatch(/rope_factors_long.weight is missing/);
  });

  test('may turn a part of each head', () => {
    const { shape } = planOf({ architecture: 'phi3', ropeSize: 24 });
    expect([shape.headSize, shape.ropes[0]!.size]).toEqual([32, 24]);
    expect(refusalOf(() => planOf({ ropeSize: 40 })).message).toMatch(/rotated 40/);
  });
});
