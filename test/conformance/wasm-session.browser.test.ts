/**
 * The WebAssembly session does what every session must: with one thread and two, both forms of keys and values, both SIMD
 * twins, both weight formats, all head sizes, a head of its own or the embedding's. Each is met in at least one model.
 */
import { afterAll } from 'vitest';
import type { SessionOptions } from '../../src/backend/session.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';
import type { TinyOptions } from '../models/tiny-gguf.ts';
import { describeSession } from './session.ts';

const MODELS: Record<string, [Partial<TinyOptions>, Partial<SessionOptions>]> = {
  'Q4_1, heads of 32, one thread': [{ type: 'Q4_1' }, { threads: 1 }],
  'Q4_1 with a Q8_0 embedding, heads of 64, two threads': [
    { type: 'Q4_1', types: { embedding: 'Q8_0' }, hidden: 192, heads: 3, kvHeads: 1, ffn: 256 },
    { threads: 2 },
  ],
  'Q8_0, a head of its own, f32 keys and values, two threads': [
    { type: 'Q8_0', tied: false, hidden: 128, heads: 4, kvHeads: 2 },
    { threads: 2, kv: 'f32' },
  ],
  'Q6_K with Q3_K, Q2_K and floats, two threads': [
    {
      type: 'Q6_K',
      types: { value: 'Q3_K', up: 'Q2_K', key: 'F16', 'attention-output': 'BF16', head: 'F32' },
      tied: false,
      hidden: 256,
      heads: 4,
      kvHeads: 2,
      ffn: 256,
    },
    { threads: 2 },
  ],
  'Q4_1, heads of 128, f32 keys and values, plain SIMD, one thread': [
    { type: 'Q4_1', headSize: 128, heads: 2, kvHeads: 2, tied: false },
    { threads: 1, kv: 'f32', simd: 'plain' },
  ],
  'Q8_0, heads of 64, plain SIMD, two threads': [
    { type: 'Q8_0', hidden: 128, heads: 2, kvHeads: 2, vocab: 333 },
    { threads: 2, simd: 'plain' },
  ],
};

for (const [name, [model, options]] of Object.entries(MODELS)) {
  const bytes = tinyGguf(model);
  const room = kernelRoom();
  afterAll(() => room.close());
  describeSession(`of the WebAssembly kernels (${name})`, () => room.open(bytes, options));
}
