/**
 * int8 keys of models in which some pairs are large in all keys, by their biases as in Qwen or by the norm of keys as in
 * Gemma: exact nearly as those of other models, since such pairs are smoothed, or centred if they hardly turn (smooth-keys.ts,
 * centre-keys.ts).
 */
import { afterAll, expect, test } from 'vitest';
import { rowsOf, someIds } from '../kernels/feeding.ts';
import type { TensorRole } from '../../src/backend/session.ts';
import { ROPE, madeModel } from '../kernels/made-model.ts';
import type { MadeOptions } from '../kernels/made-model.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import { compareLogits } from '../models/compare-logits.ts';

const room = kernelRoom();
afterAll(() => room.close());

const BIASES: readonly TensorRole[] = ['query-bias', 'key-bias', 'value-bias'];
const NORMS: readonly TensorRole[] = ['query-norm', 'key-norm'];

/**
 * Divergence of int8 from f32 keys and values in nats, about twice what is measured. Without either remedy it is 0.003 for
 * pairs that turn, 0.02 for those that do not, and 0.002 for norms. Where queries are large too it is 0.0048, and 0.0072 with
 * queries of one digit.
 */
const CASES: [string, MadeOptions, number][] = [
  ['no large biases', { with: BIASES }, 2e-4],
  ['biases of pairs that turn', { with: BIASES, largeBiases: { 0: 20, 7: 20, 12: 30, 18: 40 } }, 1.4e-3],
  ['biases of pairs that hardly turn', { with: BIASES, largeBiases: { 24: 40, 28: 100, 31: 150 } }, 2e-4],
  ['norms', { with: NORMS, largeNorms: { 1: 10, 9: 8, 17: 15 } }, 1e-3],
  [
    'norms of queries and keys',
    { with: NORMS, largeNorms: { 1: 6, 17: 8 }, largeQueryNorms: { 1: 6, 5: 10, 17: 4 } },
    6e-3,
  ],
];

test.each(CASES)('%s', async (_, options, bound) => {
  const model = madeModel({
    ...options,
    shape: {
      hiddenSize: 128,
      headSize: 64,
      headCount: 4,
      kvHeadCount: 2,
      layerCount: 3,
      ropes: [{ ...ROPE, base: 1e6, size: 64, pairs: 'halves' }],
      scales: { embedding: 1, attention: options.largeNorms ? 1 / 24 : 1 / 8, residual: 1, logits: 1 },
      tiedHead: false,
    },
  });
  const ids = someIds(600);
  const rowsWith = async (kv: 'f32' | 'q8'): Promise<Float32Array[]> => {
    const session = await room.open(model, { kv, contextLength: 1024 });
    const rows = await rowsOf(session, ids);
    session.dispose();
    return rows;
  };
  const { mean } = compareLogits(await rowsWith('f32'), await rowsWith('q8'));
  expect(mean).toBeLessThan(bound);
});
