/**
 * Kernel threads that lose their cores: other workers keep every core busy, so threads sleep at barriers and wake late, in
 * every phase of a step and between steps. The bits stay.
 */
import { afterEach, expect, test } from 'vitest';
import { partings, pickRow, rowsOf, someIds } from '../kernels/feeding.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import type { RemoteSession } from '../kernels/remote-session.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';

const ROUNDS = 40;

const busy: Worker[] = [];
afterEach(() => {
  for (const worker of busy.splice(0)) worker.terminate();
});

/** Workers that never rest, one for each core, and all of them at work. */
async function keepBusy(): Promise<void> {
  const script = URL.createObjectURL(new Blob(['postMessage(0); for (;;);']));
  const begun = Array.from({ length: navigator.hardwareConcurrency }, () => {
    const worker = new Worker(script);
    busy.push(worker);
    return new Promise((resolve) => (worker.onmessage = resolve));
  });
  await Promise.all(begun);
  URL.revokeObjectURL(script);
}

/** A prompt in blocks of which only the last wants logits, and a few tokens more: the steps of an answer. */
async function answer(session: RemoteSession, ids: number[]): Promise<Float32Array[]> {
  const cache = session.createCache();
  for (const start of [0, 5, 11, 40]) await session.step(ids.slice(start, start + 1), cache, []);
  await session.step(ids.slice(4, 44), cache, []);
  await session.step(
    ids.slice(44, 60),
    cache,
    Array.from({ length: 16 }, (_, row) => pickRow(row)),
  );
  const rows = Array.from({ length: 16 }, (_, row) => session.logits(row));
  rows.push(...(await rowsOf(session, ids.slice(60), 1, cache)));
  cache.dispose();
  return rows;
}

test('two threads give the same bits while every core is busy', async () => {
  const bytes = tinyGguf({ type: 'Q8_0', hidden: 128, heads: 4, kvHeads: 2 });
  const room = kernelRoom();
  const ids = someIds(70);
  const idle = await room.open(bytes, { threads: 1 });
  const expected = await answer(idle, ids);
  idle.dispose();

  const session = await room.open(bytes, { threads: 2 });
  await keepBusy();
  for (let round = 0; round < ROUNDS; round++) {
    expect(partings(expected, await answer(session, ids)), `round ${round}`).toEqual([]);
  }
  session.dispose();
  room.close();
});
