/** What a GPU holds does not grow: buffers are counted where they are made and freed. */
import { afterAll, expect, test } from 'vitest';
import { gpuRoom } from '../../../test/gpu/open.ts';
import { pickRow, someIds } from '../../../test/kernels/feeding.ts';
import { tinyGguf } from '../../../test/models/tiny-gguf.ts';
import type { Session } from '../session.ts';

const CYCLES = 20;
const GENERATIONS = 200;
/** The kernels are compiled once, but in software. */
const SLOW = { timeout: 300_000 };

const bytes = tinyGguf({ type: 'Q8_0', layers: 1 });
const room = gpuRoom();
afterAll(() => room.close());

/** A prompt, an answer with a step ahead that is taken back, and a fork. */
async function generate(session: Session, salt: number): Promise<void> {
  const cache = session.createCache();
  await session.step(someIds(20, salt), cache, [pickRow(19)]);
  await session.step(someIds(4, salt), cache, [0, 1, 2, 3].map(pickRow));
  cache.rewind(21);
  const fork = cache.fork(20);
  await session.step([1], fork, [pickRow(0)]);
  fork.dispose();
  cache.dispose();
}

test('buffers are as many after 200 generations as after one', SLOW, async () => {
  const { counters } = await room.gpu();
  const session = await room.open(bytes, { contextLength: 64 });
  await generate(session, 0);
  const { buffers, bytes: held, pipelines } = counters;
  for (let i = 1; i < GENERATIONS; i++) await generate(session, i);
  expect(counters).toMatchObject({ buffers, bytes: held, pipelines });
  expect(session.info().memory.totalBytes).toBeLessThanOrEqual(held);
  session.dispose();
  expect(counters).toMatchObject({ buffers: 0, bytes: 0 });
});

test('nothing is left of a model that was loaded and disposed of, 20 times over', SLOW, async () => {
  const { counters } = await room.gpu();
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const session = await room.open(bytes, { contextLength: 64 });
    await generate(session, cycle);
    expect(counters.buffers).toBeGreaterThan(0);
    session.dispose();
    expect(counters).toMatchObject({ buffers: 0, bytes: 0 });
  }
});
