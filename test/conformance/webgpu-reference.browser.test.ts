/**
 * Are the GPU's kernels right? Tiny models of every architecture, and one with all that a shape can say, in tensors of all
 * types, computed by them and by the reference forward pass. Both compute with the same activations, so that next to nothing
 * may be left; with int8 keys and values, what these round away.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { TensorRole, TensorType } from '../../src/backend/session.ts';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { gpuRoom } from '../gpu/open.ts';
import { rowsOf, someIds } from '../kernels/feeding.ts';
import { ROPE, madeModel } from '../kernels/made-model.ts';
import type { MadeModel } from '../kernels/made-model.ts';
import { compareLogits } from '../models/compare-logits.ts';
import { referenceLogits } from '../models/reference-forward.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';
import type { TinyArchitecture, TinyOptions } from '../models/tiny-gguf.ts';

const WIDE = { hidden: 256, heads: 4, headSize: 64, ffn: 256 };
const TYPES: Record<TinyArchitecture, [TensorType, Partial<TinyOptions>]> = {
  llama: ['Q4_K', { ...WIDE, types: { value: 'Q6_K', down: 'Q6_K', embedding: 'Q6_K' } }],
  qwen2: ['Q5_0', { types: { embedding: 'Q8_0' } }],
  qwen3: ['Q2_K', { ...WIDE, types: { value: 'Q3_K', down: 'Q3_K', up: 'Q5_K' } }],
  gemma3: ['Q4_0', { headSize: 32, tied: false }],
  phi3: ['Q5_1', { headSize: 32 }],
  smollm3: ['BF16', { types: { down: 'F16' } }],
  granite: ['F32', { blockBiases: true }],
};

function tiny(architecture: TinyArchitecture): MadeModel {
  const [type, options] = TYPES[architecture];
  const bytes = tinyGguf({ architecture, type, logitSpread: 1.5, ...options });
  return { plan: planModel(readGgufHeader(bytes)), bytes };
}

const BIASES: readonly TensorRole[] = [
  'query-bias',
  'key-bias',
  'value-bias',
  'attention-output-bias',
  'gate-bias',
  'up-bias',
  'down-bias',
  'head-bias',
];

const everything = (): MadeModel =>
  madeModel({
    shape: {
      layerCount: 3,
      kvHeadCount: 2,
      headCount: 4,
      vocabSize: 333,
      activation: 'gelu',
      scales: { embedding: 3, attention: 0.2, residual: 0.5, logits: 0.7 },
      ropes: [{ ...ROPE, size: 24, pairs: 'halves', scaling: { kind: 'linear', factor: 4 } }, ROPE],
      layers: [
        { window: 20, rope: 1 },
        { window: 0, rope: 0 },
        { window: 33, rope: -1 },
      ],
      tiedHead: false,
    },
    with: [...BIASES, 'query-norm', 'key-norm', 'post-attention-norm', 'post-ffn-norm'],
    types: { key: 'Q4_1', up: 'Q4_1', head: 'Q4_1' },
  });

const room = gpuRoom();
afterAll(() => room.close());
const ids = someIds(40);
/** Mean divergence in nats; with f32 keys and values 1e-12 is measured. */
const BOUNDS = { f32: 1e-9, q8: 0.001 };

const MODELS: [string, () => MadeModel, ('f32' | 'q8')[]][] = [
  ['everything at once', everything, ['f32']],
  ...Object.keys(TYPES).map((name): [string, () => MadeModel, ('f32' | 'q8')[]] => [
    name,
    () => tiny(name as TinyArchitecture),
    name === 'qwen2' ? ['f32', 'q8'] : ['f32'],
  ]),
];

describe.each(MODELS)('%s', (_, make, forms) => {
  // Where a processor imitates the GPU, most of it goes into compiling kernels.
  test('agrees with the reference', { timeout: 240_000 }, async () => {
    const model = make();
    const exact = referenceLogits(model.plan, model.bytes, ids);
    for (const kv of forms) {
      const session = await room.open(model, { kv });
      const rows = await rowsOf(session, ids, 30);
      session.dispose();
      const { mean, argmaxMisses } = compareLogits(exact, rows, kv === 'q8' ? 0.1 : 1e-4);
      expect(mean, kv).toBeLessThan(BOUNDS[kv]);
      expect(argmaxMisses, kv).toBe(0);
    }
  });
});
