/**
 * The draft model's drafter over the real kernels: whatever was accepted or refused, its cache holds the bits it would
 * hold had it never drafted, and the noise it shares with the target makes equal models say equal tokens.
 */
import { afterAll, afterEach, expect, test } from 'vitest';
import { GREEDY } from '../backend/greedy.ts';
import { someIds } from '../../test/kernels/feeding.ts';
import { kernelRoom } from '../../test/kernels/remote-session.ts';
import type { RemoteSession } from '../../test/kernels/remote-session.ts';
import { seeded } from '../../test/models/random.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../test/models/tiny-gguf.ts';
import type { Sampling } from '../backend/session.ts';
import { createModelDrafter } from './model-drafter.ts';
import type { ModelDrafter } from './drafter.ts';
import type { DraftKv } from './model-drafter.ts';

const VOCAB = 320;
const TARGET: Partial<TinyOptions> = { type: 'Q4_1', layers: 3, seed: 1 };
const DRAFT: Partial<TinyOptions> = { type: 'Q4_1', layers: 1, seed: 2 };
const SAMPLED: Sampling = { ...GREEDY, temperature: 0.8, seed: 11 };

const [targetRoom, draftRoom] = [kernelRoom(), kernelRoom()];
const open: RemoteSession[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.dispose();
});
afterAll(() => {
  targetRoom.close();
  draftRoom.close();
});

interface Pair {
  target: RemoteSession;
  draft: RemoteSession;
  drafter: ModelDrafter;
  kv: DraftKv;
}

async function openPair(draftModel: Partial<TinyOptions>, threads = 1): Promise<Pair> {
  const target = await targetRoom.open(tinyGguf(TARGET));
  const draft = await draftRoom.open(tinyGguf(draftModel), { threads });
  open.push(target, draft);
  const kv: DraftKv = {
    cache: draft.createCache(),
    ids: [],
    makeRoom: () => false,
    release() {},
    discard() {},
  };
  const parts = { session: draft, acquireKv: () => kv, endTokens: new Set<number>(), vocabSize: VOCAB };
  return { target, draft, drafter: createModelDrafter({ ...parts, now: () => 0 }), kv };
}

/** Prompt and answer with drafts of random lengths, verified as they come. Returns how many were right. */
async function speak(
  { target, drafter }: Pair,
  prompt: number[],
  sampling: Sampling,
  count: number,
  draftSeed = sampling.seed,
): Promise<{ said: number[]; drafted: number; accepted: number }> {
  const random = seeded(3);
  const cache = target.createCache();
  const output = new Map<number, number>();
  const settings = sampling.seen ? { ...sampling, seen: { ...sampling.seen, output } } : sampling;
  const said: number[] = [];
  let [drafted, accepted] = [0, 0];
  let fed = prompt;
  drafter.observe(prompt);
  while (said.length < count) {
    const draft = await drafter.propose(
      {
        sampling: { ...settings, seed: draftSeed },
        position: prompt.length + said.length,
        free: new Int32Array(),
        goesOn: () => true,
      },
      1 + random.below(6),
    );
    const guesses = [...(draft?.ids ?? [])];
    drafted += guesses.length;
    for (let i = 0; ; i++) {
      const [pick] = await target.step(fed, cache, [{ row: fed.length - 1, sampling: settings }]);
      const { id } = pick!;
      output.set(id, (output.get(id) ?? 0) + 1);
      said.push(id);
      drafter.observe([id]);
      fed = [id];
      if (guesses[i] !== id) break;
      accepted += 1;
    }
  }
  return { said, drafted, accepted };
}

test.each([
  ['greedily', GREEDY],
  ['with noise', SAMPLED],
  ['with the noise of another seed', { ...SAMPLED, seed: 5, temperature: 1.3 }],
  [
    'with penalties',
    {
      ...SAMPLED,
      frequencyPenalty: 1.5,
      seen: { prompt: new Set<number>(), output: new Map<number, number>() },
    },
  ],
] as const)('a draft model that is the target drafts what it will say, %s', async (_, sampling) => {
  const pair = await openPair(TARGET, 2);
  const { drafted, accepted } = await speak(pair, someIds(120), sampling, 40);
  expect(drafted).toBeGreaterThan(20);
  expect(accepted).toBe(drafted);
});

test('after drafts that were refused its cache holds the bits of one that never drafted', async () => {
  const pair = await openPair(DRAFT);
  const { draft, drafter, kv } = pair;
  const { said, drafted, accepted } = await speak(pair, someIds(100), SAMPLED, 80);
  expect(accepted).toBeLessThan(drafted - 20);
  drafter.rewind(150);
  drafter.observe([3]);
  const context = { sampling: SAMPLED, position: 151, free: new Int32Array(), goesOn: () => true };
  await drafter.propose(context, 1);
  const fresh = draft.createCache();
  const ids = [...someIds(100), ...said.slice(0, 50), 3];
  expect(kv.ids).toEqual(ids);
  await draft.step(ids.slice(0, 128), fresh, []);
  await draft.step(ids.slice(128), fresh, []);
  // Behind the end of an open page lies what was there before; whole pages are compared, and then a block of the open one.
  expect(await kv.cache.exportBlock(0, 64)).toEqual(await fresh.exportBlock(0, 64));
  expect(await kv.cache.exportBlock(1, 64)).toEqual(await fresh.exportBlock(1, 64));
  expect(await kv.cache.exportBlock(2, 23)).toEqual(await fresh.exportBlock(2, 23));
});

test('models that are alike agree more often with the same noise than with other noise', async () => {
  const agreement = async (draftSeed: number): Promise<number> => {
    const pair = await openPair({ ...TARGET, type: 'Q8_0' });
    const { drafted, accepted } = await speak(pair, someIds(100), SAMPLED, 60, draftSeed);
    for (const session of open.splice(0)) session.dispose();
    return accepted / drafted;
  };
  expect(await agreement(SAMPLED.seed)).toBeGreaterThan(1.5 * (await agreement(99)));
});
