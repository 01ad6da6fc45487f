import { expect, test } from 'vitest';
import { certain, createTableSession, noise } from '../../test/fakes/table-session.ts';
import type { TableOptions, TableSession } from '../../test/fakes/table-session.ts';
import { GREEDY } from '../backend/greedy.ts';
import type { KvCache, Sampling } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import type { Draft, DraftContext } from './drafter.ts';
import { createSelfDrafter } from './self-drafter.ts';
import type { ModelDrafter } from './drafter.ts';

const VOCAB = 50;
const END = 49;
const SAMPLED: Sampling = { ...GREEDY, temperature: 0.8, seed: 7 };
const PROMPT = Array.from({ length: 10 }, (_, i) => i);

const endless = (ids: readonly number[]): Float32Array => noise(ids, VOCAB).fill(-Infinity, END);
/** Another model's noise. */
const others = (ids: readonly number[]): Float32Array => endless([1, ...ids]);

interface Opened {
  session: TableSession;
  cache: KvCache;
  drafter: ModelDrafter;
}

/** A target that has read the prompt but for its last token, which the drafter has observed. */
async function open(table: Partial<TableOptions> = {}): Promise<Opened> {
  const session = createTableSession({ vocabSize: VOCAB, logits: endless, ...table });
  const cache = session.createCache();
  await session.step(PROMPT.slice(0, -1), cache, []);
  let clock = 0;
  const endTokens = new Set([END]);
  const drafter = createSelfDrafter({ session, liveCache: () => cache, endTokens, now: () => clock++ });
  drafter.observe(PROMPT);
  return { session, cache, drafter };
}

async function propose(
  drafter: ModelDrafter,
  maxLength: number,
  context: Partial<DraftContext> = {},
): Promise<Draft | null> {
  const { length } = PROMPT;
  const whole = {
    sampling: SAMPLED,
    position: length,
    free: new Int32Array(),
    goesOn: () => true,
    ...context,
  };
  return drafter.propose(whole, maxLength);
}

async function spoken(count: number, logits: (ids: readonly number[]) => Float32Array): Promise<number[]> {
  const session = createTableSession({ vocabSize: VOCAB, logits });
  const cache = session.createCache();
  const said: number[] = [];
  for (let fed = PROMPT; said.length < count;) {
    const [pick] = await session.step(fed, cache, [{ row: fed.length - 1, sampling: SAMPLED }]);
    said.push(pick!.id);
    fed = [pick!.id];
  }
  return said;
}

test('it drafts what the draft view of the target says, with the target’s noise, and leaves its cache as it was', async () => {
  const { drafter, session, cache } = await open({ draftLogits: others });
  expect(drafter).toMatchObject({ id: 'self', free: false });
  expect(drafter.pendingTokens()).toBe(1);
  const draft = await propose(drafter, 5);
  expect([...draft!.ids]).toEqual(await spoken(5, others));
  expect([...draft!.ids]).not.toEqual(await spoken(5, endless));
  expect(draft).toMatchObject({ forced: 0, estMs: 1 });
  expect(draft!.features).toHaveLength(5);
  expect(cache.length).toBe(PROMPT.length - 1);
  const whole = [PROMPT.at(-1)!, ...draft!.ids];
  const picks = await session.step(
    whole,
    cache,
    whole.map((_, row) => ({ row, sampling: SAMPLED })),
  );
  expect(picks[0]!.id).toBe((await spoken(1, endless))[0]);
});

test('where the view sees all that the target sees, every draft is right', async () => {
  const { drafter } = await open();
  expect([...(await propose(drafter, 8))!.ids]).toEqual(await spoken(8, endless));
});

test('before each token it asks whether to go on', async () => {
  const { drafter, session } = await open();
  const asked: number[] = [];
  const goesOn = (features: readonly Float32Array[]): boolean => {
    asked.push(features.length);
    return features.length < 2;
  };
  expect((await propose(drafter, 5, { goesOn }))!.ids).toHaveLength(2);
  expect(asked).toEqual([0, 1, 2]);
  const steps = session.steps.length;
  expect(await propose(drafter, 5, { goesOn: () => false })).toBeNull();
  expect(session.steps).toHaveLength(steps);
});

test('nothing is drafted behind an end token', async () => {
  const { drafter, cache } = await open({ draftLogits: (ids) => certain(ids.length < 12 ? 5 : END, VOCAB) });
  expect([...(await propose(drafter, 8))!.ids]).toEqual([5, 5, END]);
  expect(cache.length).toBe(PROMPT.length - 1);
});

test('drafts end where the context does', async () => {
  const { drafter } = await open({ contextLength: 12 });
  expect((await propose(drafter, 8))!.ids).toHaveLength(3);
  expect(await propose((await open({ contextLength: 9 })).drafter, 8)).toBeNull();
});

test('a cache that is not of what was observed gives no draft', async () => {
  const { drafter, cache } = await open();
  drafter.observe([3]);
  expect([drafter.pendingTokens(), await propose(drafter, 2, { position: 11 })]).toEqual([0, null]);
  drafter.rewind(10);
  expect([...(await propose(drafter, 2))!.ids]).toEqual(await spoken(2, endless));
  cache.rewind(5);
  expect(await propose(drafter, 2)).toBeNull();
  drafter.reset();
  drafter.observe(PROMPT.slice(0, 6));
  expect((await propose(drafter, 2, { position: 6 }))!.ids).toHaveLength(2);
});

test('full memory ends the draft, another failure is thrown; the cache is as it was after both', async () => {
  const { drafter, cache } = await open({ memoryTokens: 11 });
  expect([...(await propose(drafter, 8))!.ids]).toEqual(await spoken(2, endless));
  expect(cache.length).toBe(PROMPT.length - 1);

  const failure = new SelvedgeError('worker_crashed', 'no');
  const broken = await open({
    beforeStep: (_, cached) => (cached.length > 10 ? Promise.reject(failure) : undefined),
  });
  await expect(propose(broken.drafter, 8)).rejects.toBe(failure);
  expect(broken.cache.length).toBe(PROMPT.length - 1);
});
