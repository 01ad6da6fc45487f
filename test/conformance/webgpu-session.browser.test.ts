/**
 * The WebGPU session does what every session must: with f32 and int8 keys and values, biases, norms of heads and of branches,
 * windows, a head of its own or the embedding's.
 */
import { afterAll } from 'vitest';
import type { SessionOptions } from '../../src/backend/session.ts';
import { gpuRoom } from '../gpu/open.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';
import type { TinyOptions } from '../models/tiny-gguf.ts';
import { describeSession } from './session.ts';

const MODELS: Record<string, [Partial<TinyOptions>, Partial<SessionOptions>]> = {
  'Q4_1 with a Q8_0 embedding, int8 keys and values': [
    { type: 'Q4_1', types: { embedding: 'Q8_0' } },
    { kv: 'q8' },
  ],
  'Gemma 3, f32 keys and values': [
    { architecture: 'gemma3', type: 'Q8_0', layers: 2, logitSpread: 0.3 },
    { kv: 'f32' },
  ],
};

const room = gpuRoom();
afterAll(() => room.close());

for (const [name, [model, options]] of Object.entries(MODELS)) {
  const bytes = tinyGguf(model);
  describeSession(`of the WebGPU kernels (${name})`, () => room.open(bytes, options));
}
