/**
 * Steps that are begun before they are asked for change no pick: not where they are used, and not where something else is asked
 * for than was foreseen. A session that keeps its logits begins nothing, and is what the others are compared with.
 */
import { afterAll, expect, test } from 'vitest';
import { gpuRoom } from '../../../test/gpu/open.ts';
import { pickRow, someIds } from '../../../test/kernels/feeding.ts';
import { tinyGguf } from '../../../test/models/tiny-gguf.ts';
import { GREEDY } from '../greedy.ts';
import type { KvCache, Sampling, Session } from '../session.ts';

const room = gpuRoom();
afterAll(() => room.close());

const MODEL = tinyGguf({ type: 'Q8_0', logitSpread: 1 });
const PROMPT = someIds(10);

/** Picks of `count` steps, each fed the pick before it. */
async function decode(
  session: Session,
  cache: KvCache,
  first: number,
  count: number,
  sampling: Sampling,
): Promise<number[]> {
  const picks: number[] = [];
  for (let id = first; picks.length < count;) {
    const [pick] = await session.step([id], cache, [{ row: 0, sampling }]);
    id = pick!.id;
    picks.push(id);
  }
  return picks;
}

/** Decoding with everything that comes between. */
async function conversation(session: Session, sampling: Sampling): Promise<number[][]> {
  const cache = session.createCache();
  const [begun] = await session.step(PROMPT, cache, [{ row: 9, sampling }]);
  const parts = [await decode(session, cache, begun!.id, 8, sampling)];
  const last = (): number => parts.at(-1)!.at(-1)!;
  // Another token than the one that was picked.
  parts.push(await decode(session, cache, (last() + 1) % 256, 6, sampling));
  // Another sampling.
  parts.push(await decode(session, cache, last(), 5, { ...sampling, choice: 3 }));
  // A draft of three.
  const picks = await session.step([last(), 5, 6], cache, [pickRow(0), pickRow(2)]);
  parts.push(picks.map(({ id }) => id));
  parts.push(await decode(session, cache, last(), 5, sampling));
  // Taken back.
  cache.rewind(cache.length - 3);
  parts.push(await decode(session, cache, last(), 5, sampling));
  // Other tokens at the same length, and the same token next.
  const other = session.createCache();
  await session.step(someIds(cache.length, 7), other, []);
  const snapshot = await other.snapshot();
  cache.rewind(cache.length - 4);
  parts.push(await decode(session, cache, last(), 4, sampling));
  cache.restore(snapshot);
  parts.push(await decode(session, cache, last(), 4, sampling));
  // Two conversations in turns, and one that is disposed of with a step begun.
  for (let turn = 0; turn < 4; turn++) {
    parts.push(await decode(session, turn % 2 ? cache : other, last(), 1 + turn, sampling));
  }
  other.dispose();
  parts.push(await decode(session, cache, last(), 3, sampling));
  cache.dispose();
  return parts;
}

test.each<[string, Sampling]>([
  ['greedy', GREEDY],
  ['seeded', { ...GREEDY, temperature: 1.2, seed: 5 }],
  ['with statistics', { ...GREEDY, temperature: 0.8, statistics: true }],
  ['that the host must settle', { ...GREEDY, temperature: 1.2, topK: 3, statistics: true, topCount: 2 }],
  [
    'with a penalty',
    { ...GREEDY, frequencyPenalty: 0.5, seen: { prompt: new Set(), output: new Map([[7, 2]]) } },
  ],
])('picks %s are the same', async (_, sampling) => {
  const ahead = await room.open(MODEL, { kv: 'f32', contextLength: 128, keepLogits: false });
  const found = await conversation(ahead, sampling);
  ahead.dispose();
  const kept = await room.open(MODEL, { kv: 'f32', contextLength: 128 });
  expect(found).toEqual(await conversation(kept, sampling));
  kept.dispose();
});

test('one token after the other, the next step is submitted before the last is read', async () => {
  const session = await room.open(MODEL, { kv: 'f32', contextLength: 128, keepLogits: false });
  const gpu = await room.gpu();
  const events: string[] = [];
  const [read, submit] = [gpu.read.bind(gpu), gpu.submit.bind(gpu)];
  gpu.read = (...call) => {
    events.push('read');
    return read(...call);
  };
  gpu.submit = (encoder) => {
    events.push('submit');
    submit(encoder);
  };
  const cache = session.createCache();
  const picks = await decode(session, cache, 1, 6, GREEDY);
  expect(events.join(' ')).toBe(
    'submit read submit read submit submit read submit read submit read submit read',
  );
  // At the end of the context there is nothing to begin.
  await decode(session, cache, picks.at(-1)!, 122, GREEDY);
  expect(cache.length).toBe(128);
  await expect(decode(session, cache, 1, 1, GREEDY)).rejects.toMatchObject({
    code: 'context_length_exceeded',
  });
  gpu.read = read;
  gpu.submit = submit;
  session.dispose();
});
