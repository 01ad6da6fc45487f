/** The plan against what a session then takes: never less, and not so much more that models are refused for nothing. */
import { afterAll, afterEach, expect, test } from 'vitest';
import { someIds } from '../../../test/kernels/feeding.ts';
import { kernelRoom } from '../../../test/kernels/remote-session.ts';
import type { RemoteSession } from '../../../test/kernels/remote-session.ts';
import { tinyGguf } from '../../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../../test/models/tiny-gguf.ts';
import { planModel } from '../../model/architectures.ts';
import { readGgufHeader } from '../../model/gguf.ts';
import { PLAN_BYTES } from './arena.ts';
import { planMemory } from './memory-plan.ts';

const room = kernelRoom();
let session: RemoteSession | undefined;
afterEach(() => session?.dispose());
afterAll(() => room.close());

const large = { hidden: 512, heads: 8, ffn: 1024, vocab: 4000 } as const;

test.each<[name: string, model: Partial<TinyOptions>, kv: 'q8' | 'f32']>([
  ['Q4_1', { ...large, type: 'Q4_1' }, 'q8'],
  ['Q8_0, a head of its own', { ...large, type: 'Q8_0', tied: false }, 'q8'],
  ['Q4_K', { ...large, type: 'Q4_K' }, 'f32'],
  ['Q6_K', { ...large, type: 'Q6_K' }, 'q8'],
  ['F16', { ...large, type: 'F16' }, 'q8'],
  ['gemma3', { ...large, architecture: 'gemma3', type: 'Q5_0' }, 'q8'],
  ['qwen2', { ...large, architecture: 'qwen2', type: 'Q4_0' }, 'f32'],
])('%s takes what was planned', async (_, model, kv) => {
  const contextLength = 200;
  const bytes = tinyGguf(model);
  const planned = planMemory(planModel(readGgufHeader(bytes)), { kv, contextLength, threads: 2 });
  session = await room.open(bytes, { kv, contextLength, threads: 2 });
  const cache = session.createCache();
  for (const count of [128, 72]) await session.step(someIds(count), cache, []);
  const { memory } = session.info();
  expect(memory.weightBytes).toBeLessThanOrEqual(planned.weightBytes + PLAN_BYTES);
  expect(memory.weightBytes).toBeGreaterThan(0.99 * planned.weightBytes);
  expect(memory.kvBytes).toBe(planned.kvBytes);
  expect(memory.scratchBytes).toBeLessThan(planned.scratchBytes);
  // Scratch is tens of megabytes at most; so twice too much is still little.
  expect(memory.scratchBytes).toBeGreaterThan(planned.scratchBytes / 4);
});
