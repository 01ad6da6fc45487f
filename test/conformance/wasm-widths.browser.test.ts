/**
 * The same row gives the same bits in steps of every width and with every number of threads, along a sequence that crosses
 * several tiles of attention (256 positions) and pages of the cache (64).
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { SessionOptions } from '../../src/backend/session.ts';
import { partings, pickRow, rowsOf, sameBits, someIds } from '../kernels/feeding.ts';
import { outlierGguf } from '../kernels/outlier-gguf.ts';
import { ROPE, madeModel } from '../kernels/made-model.ts';
import type { MadeModel } from '../kernels/made-model.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';

const LENGTH = 600;
const WIDTHS = [...Array.from({ length: 16 }, (_, i) => i + 1), 31, 64, 128];

const contextLength = 1024;
const MODELS: Record<string, Uint8Array | MadeModel> = {
  'Q4_1 with outliers, Q8_0 embedding': outlierGguf({
    type: 'Q4_1',
    types: { embedding: 'Q8_0' },
    hidden: 320,
    heads: 5,
    kvHeads: 1,
    ffn: 256,
    contextLength,
  }),
  'Q6_K with outliers, Q3_K, Q2_K and F16': outlierGguf({
    type: 'Q6_K',
    types: { down: 'Q3_K', gate: 'Q2_K', key: 'F16' },
    hidden: 256,
    heads: 4,
    kvHeads: 1,
    ffn: 256,
    contextLength,
  }),
  'Q5_0 with outliers, Q5_1, Q5_K, Q4_K and Q4_0': outlierGguf({
    type: 'Q5_0',
    types: { down: 'Q5_1', gate: 'Q5_K', up: 'Q4_K', value: 'Q4_0' },
    hidden: 256,
    heads: 4,
    kvHeads: 1,
    ffn: 256,
    contextLength,
  }),
  'Q8_0 with heads of 128, Q4_1 head, values and gates': tinyGguf({
    type: 'Q8_0',
    types: { head: 'Q4_1', value: 'Q4_1', gate: 'Q4_1' },
    headSize: 128,
    heads: 2,
    kvHeads: 2,
    tied: false,
    contextLength,
  }),
  'windows, norms, biases, heads of 96 in halves, Q4_1 and Q8_0 side by side': madeModel({
    shape: {
      headSize: 96,
      headCount: 4,
      kvHeadCount: 2,
      activation: 'gelu',
      scales: { embedding: 3, attention: 0.1, residual: 0.7, logits: 1 },
      ropes: [{ ...ROPE, size: 64, pairs: 'halves' }],
      layers: [
        { window: 100, rope: 0 },
        { window: 0, rope: -1 },
        { window: 257, rope: 0 },
      ],
      layerCount: 3,
    },
    with: ['query-bias', 'key-bias', 'query-norm', 'key-norm', 'post-attention-norm', 'post-ffn-norm'],
    largeBiases: { 2: 20, 9: 10, 31: 30 },
    types: { key: 'Q4_1', gate: 'Q4_1' },
  }),
};

const ids = someIds(LENGTH);
const room = kernelRoom();
afterAll(() => room.close());

describe.each(Object.entries(MODELS))('a sequence of 600 tokens (%s)', (_, bytes) => {
  const rowsWith = async (
    options: Partial<SessionOptions>,
    width: number,
    wideDot = true,
  ): Promise<Float32Array[]> => {
    const session = await room.open(bytes, options, wideDot ? {} : { wideDot });
    try {
      return await rowsOf(session, ids, width);
    } finally {
      session.dispose();
    }
  };

  test.each([
    ['q8', 'auto'],
    ['q8', 'plain'],
    ['f32', 'auto'],
  ] as const)('has the same bits with 1, 2 and 3 threads (%s, %s)', async (kv, simd) => {
    const alone = await rowsWith({ threads: 1, kv, simd }, 1);
    expect(partings(alone, await rowsWith({ threads: 1, kv, simd }, 128))).toEqual([]);
    expect(partings(alone, await rowsWith({ threads: 2, kv, simd }, 1))).toEqual([]);
    expect(partings(alone, await rowsWith({ threads: 2, kv, simd }, 64))).toEqual([]);
    expect(partings(alone, await rowsWith({ threads: 3, kv, simd }, 100))).toEqual([]);
  });

  test('has the same bits whether or not the dot takes a whole byte', async () => {
    const wide = await rowsWith({}, 128);
    expect(partings(wide, await rowsWith({}, 128, false))).toEqual([]);
    expect(partings(wide, await rowsWith({ threads: 2 }, 1, false))).toEqual([]);
  });

  test('has the same bits in steps of every width, begun before and after the bounds of tiles', async () => {
    const session = await room.open(bytes, { threads: 2 });
    const whole = session.createCache();
    const expected = await rowsOf(session, ids, 1, whole);
    for (const width of WIDTHS) {
      for (const start of [63, 250, 256, 505]) {
        const cache = whole.fork(start);
        await session.step(
          ids.slice(start, start + width),
          cache,
          Array.from({ length: Math.min(width, LENGTH - start) }, (__, row) => pickRow(row)),
        );
        for (let row = 0; row < Math.min(width, LENGTH - start); row++) {
          const same = sameBits(session.logits(row), expected[start + row]!);
          expect(same, `row ${row} of ${width} from ${start}`).toBe(true);
        }
        cache.dispose();
      }
    }
    session.dispose();
  });
});
