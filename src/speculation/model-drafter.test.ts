import { GREEDY } from '../backend/greedy.ts';
import { expect, test } from 'vitest';
import { certain, createTableSession, noise } from '../../test/fakes/table-session.ts';
import type { TableOptions, TableSession } from '../../test/fakes/table-session.ts';
import { seeded } from '../../test/models/random.ts';
import type { Sampling } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import { DRAFT_AGREEMENT, DRAFT_ENTROPY, DRAFT_PROBABILITY } from './drafter.ts';
import type { DraftContext } from './drafter.ts';
import { createModelDrafter } from './model-drafter.ts';
import type { ModelDrafter } from './drafter.ts';
import type { DraftKv, ModelDrafterParts } from './model-drafter.ts';

const VOCAB = 50;
const END = 49;

const SAMPLING: Sampling = { ...GREEDY, temperature: 0.8, seed: 7 };

const range = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

/** Endless noise: the last token, which ends, never comes. */
const endless = (ids: readonly number[]): Float32Array => noise(ids, VOCAB).fill(-Infinity, END);

interface Opened {
  session: TableSession;
  drafter: ModelDrafter;
  /** What became of the caches that the drafter was given. */
  caches: { acquired: number[]; released: number; discarded: number };
}

function open(table: Partial<TableOptions> = {}, parts: Partial<ModelDrafterParts> = {}): Opened {
  const session = createTableSession({ vocabSize: VOCAB, logits: endless, ...table });
  const caches: Opened['caches'] = { acquired: [], released: 0, discarded: 0 };
  let clock = 0;
  const drafter = createModelDrafter({
    session,
    acquireKv(sequence): DraftKv {
      caches.acquired.push(sequence.length);
      const cache = session.createCache();
      return {
        cache,
        ids: [],
        makeRoom: () => false,
        release: () => (caches.released += 1),
        discard() {
          caches.discarded += 1;
          cache.dispose();
        },
      };
    },
    endTokens: new Set([END]),
    vocabSize: VOCAB,
    now: () => clock++,
    ...parts,
  });
  return { session, drafter, caches };
}

async function draftAfter(
  drafter: ModelDrafter,
  position: number,
  maxLength: number,
  context: Partial<DraftContext> = {},
): Promise<number[]> {
  const draft = await drafter.propose(
    { sampling: SAMPLING, position, free: new Int32Array(), goesOn: () => true, ...context },
    maxLength,
  );
  return [...(draft?.ids ?? [])];
}

/** What a model with these logits says after `prompt`, token by token; penalties see all of it. */
async function spoken(
  prompt: readonly number[],
  count: number,
  sampling: Sampling = SAMPLING,
  logits = endless,
): Promise<number[]> {
  const session = createTableSession({ vocabSize: VOCAB, logits });
  const cache = session.createCache();
  const output = new Map<number, number>();
  const settings = sampling.seen ? { ...sampling, seen: { ...sampling.seen, output } } : sampling;
  const said: number[] = [];
  let fed = [...prompt];
  while (said.length < count) {
    const [pick] = await session.step(fed, cache, [{ row: fed.length - 1, sampling: settings }]);
    said.push(pick!.id);
    output.set(pick!.id, (output.get(pick!.id) ?? 0) + 1);
    fed = [pick!.id];
  }
  return said;
}

test.each([
  { temperature: 0 },
  { temperature: 0.8 },
  { temperature: 1.5, seed: 3, choice: 2 },
  { temperature: 1, topK: 5 },
  { temperature: 1, topP: 0.6, minP: 0.1 },
])('where it is the target itself, it drafts what the target will say: %j', async (changed) => {
  const sampling = { ...SAMPLING, ...changed };
  const said = await spoken(range(0, 10), 30, sampling);
  const { drafter } = open();
  drafter.observe(range(0, 10));
  const drafted: number[] = [];
  while (drafted.length < 30) {
    const ids = await draftAfter(drafter, 10 + drafted.length, 5, { sampling });
    drafter.observe(ids);
    drafted.push(...ids);
  }
  expect(drafted).toEqual(said);
});

test.each([{ frequencyPenalty: 2 }, { presencePenalty: 3 }, { repetitionPenalty: 1.8 }])(
  'penalties follow what is drafted: %j',
  async (penalty) => {
    const few = (ids: readonly number[]): Float32Array => endless(ids).fill(-Infinity, 6);
    const prompt = range(0, 3);
    const sampling = { ...SAMPLING, ...penalty, seen: { prompt: new Set(prompt), output: new Map() } };
    const said = await spoken(prompt, 12, sampling, few);
    expect(said).not.toEqual(await spoken(prompt, 12, SAMPLING, few));
    const { drafter } = open({ logits: few });
    drafter.observe(prompt);
    expect(await draftAfter(drafter, 3, 12, { sampling })).toEqual(said);
    expect(sampling.seen.output.size).toBe(0);
  },
);

test('it reads the prompt once, in blocks, and picks from the last row', async () => {
  const { drafter, session } = open({ maxBatch: 16 });
  drafter.observe(range(0, 40));
  expect(drafter.pendingTokens()).toBe(40);
  expect(session.steps).toEqual([]);
  const ids = await draftAfter(drafter, 40, 2);
  expect(ids).toEqual(await spoken(range(0, 40), 2));
  expect(session.steps.map(({ length }) => length)).toEqual([16, 16, 8, 1]);
});

test('catching up goes block by block, and leaves what goes with the first drafted token', async () => {
  const { drafter, session } = open({ maxBatch: 16 });
  drafter.observe(range(0, 33));
  expect([await drafter.catchUp(), drafter.pendingTokens()]).toEqual([true, 17]);
  expect([await drafter.catchUp(), drafter.pendingTokens()]).toEqual([true, 1]);
  expect([await drafter.catchUp(), drafter.pendingTokens()]).toEqual([false, 1]);
  expect(await draftAfter(drafter, 33, 1)).toEqual(await spoken(range(0, 33), 1));
  expect(session.steps.map(({ length }) => length)).toEqual([16, 16, 1]);
});

test('after a draft was accepted whole it feeds two tokens, after a refusal the one that came instead', async () => {
  const { drafter, session } = open();
  drafter.observe(range(0, 10));
  const first = await draftAfter(drafter, 10, 3);
  expect(session.steps).toEqual([range(0, 10), [first[0]], [first[1]]]);

  drafter.observe([...first, 40]);
  expect(drafter.pendingTokens()).toBe(2);
  const second = await draftAfter(drafter, 14, 3);
  expect(session.steps[3]).toEqual([first[2], 40]);

  const other = (second[1]! + 1) % END;
  drafter.observe([second[0]!, other]);
  expect(drafter.pendingTokens()).toBe(1);
  await draftAfter(drafter, 16, 1);
  expect(session.steps.slice(6)).toEqual([[other]]);
});

test('whatever was accepted, refused, rewound or drafted by others, it drafts as if it had read it all afresh', async () => {
  const random = seeded(5);
  const { below } = random;
  const { drafter, session } = open({ contextLength: 400, maxBatch: 16 });
  let sequence = range(0, 30);
  drafter.observe(sequence);
  for (let round = 0; round < 200; round++) {
    const drafted = random.next() < 0.7 ? await draftAfter(drafter, sequence.length, 1 + below(6)) : [];
    if (drafted.length > 0) {
      expect(drafted).toEqual(await spoken(sequence, drafted.length));
    }
    const committed = [...drafted.slice(0, below(drafted.length + 1)), below(END)];
    drafter.observe(committed);
    sequence = [...sequence, ...committed];
    if (random.next() > 0.1 && sequence.length < 150) continue;
    sequence = sequence.slice(0, Math.max(1, sequence.length - below(120)));
    drafter.rewind(sequence.length);
  }
  expect(session.liveCaches).toBe(1);
});

test('asked again without a new token, it computes the last one again and drafts the same', async () => {
  const { drafter, session } = open();
  drafter.observe(range(0, 10));
  const ids = await draftAfter(drafter, 10, 3);
  expect(await draftAfter(drafter, 10, 3)).toEqual(ids);
  expect(session.steps[3]).toEqual([9]);
});

test('before each token it asks whether to go on, with what it knows of those it has', async () => {
  const { drafter, session } = open();
  drafter.observe(range(0, 10));
  const asked: number[] = [];
  const goesOn = (features: readonly Float32Array[]): boolean => {
    asked.push(features.length);
    return features.length < 2;
  };
  expect(await draftAfter(drafter, 10, 5, { goesOn })).toHaveLength(2);
  expect(asked).toEqual([0, 1, 2]);
  const steps = session.steps.length;
  expect(await draftAfter(drafter, 10, 5, { goesOn: () => false })).toEqual([]);
  expect(session.steps).toHaveLength(steps);
});

test('features are the probability, the entropy and whether the free guess agrees as long as it has', async () => {
  const { drafter } = open();
  drafter.observe(range(0, 10));
  const said = await spoken(range(0, 10), 4);
  const free = Int32Array.of(said[0]!, said[1]! + 1, said[2]!);
  const draft = await drafter.propose({ sampling: SAMPLING, position: 10, free, goesOn: () => true }, 4);
  expect(draft!.features.map((features) => features[DRAFT_AGREEMENT])).toEqual([1, -1, 0, 0]);
  draft!.features.forEach((features, i) => {
    const logits = endless([...range(0, 10), ...said.slice(0, i)]);
    const mass = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const shares = [...logits].map((logit) => Math.exp(logit) / mass);
    expect(features[DRAFT_PROBABILITY]).toBeCloseTo(shares[said[i]!]!, 5);
    const entropy = shares.reduce((sum, share) => (share > 0 ? sum - share * Math.log(share) : sum), 0);
    expect(features[DRAFT_ENTROPY]).toBeCloseTo(entropy, 4);
  });
  expect(draft!).toMatchObject({ forced: 0, estMs: 1 });
});

test('nothing is drafted behind an end token', async () => {
  const { drafter } = open({ logits: (ids) => certain(ids.length < 12 ? 5 : END, VOCAB) });
  drafter.observe(range(0, 10));
  expect(await draftAfter(drafter, 10, 8)).toEqual([5, 5, END]);
});

test('drafts end where the context does', async () => {
  const { drafter, session } = open({ contextLength: 12 });
  drafter.observe(range(0, 10));
  expect(await draftAfter(drafter, 10, 8)).toHaveLength(3);
  expect(session.steps.flat()).toHaveLength(12);
  drafter.observe([1, 2, 3]);
  expect([drafter.pendingTokens(), await draftAfter(drafter, 13, 8)]).toEqual([0, []]);
});

test('a token that only one of the models has is neither drafted nor read', async () => {
  const { drafter, session } = open({}, { vocabSize: 30 });
  drafter.observe(range(0, 10));
  const ids = await draftAfter(drafter, 10, 40);
  expect(ids).toHaveLength(40);
  expect(Math.max(...ids)).toBeLessThan(30);
  drafter.observe([45, 3]);
  const steps = session.steps.length;
  expect([drafter.pendingTokens(), await draftAfter(drafter, 12, 8)]).toEqual([0, []]);
  expect(session.steps).toHaveLength(steps);
  drafter.rewind(10);
  drafter.observe([4]);
  expect(await draftAfter(drafter, 11, 8)).toHaveLength(8);
});

test('of a large vocabulary it drafts common tokens, and the others where the text has them', async () => {
  const vocabSize = 100_000;
  const [common, rare] = [60_000, 90_000];
  const logits = (): Float32Array => {
    const row = new Float32Array(vocabSize);
    row[common] = 50;
    row[rare] = 80;
    return row;
  };
  const { drafter } = open({ vocabSize, logits }, { vocabSize });
  drafter.observe(range(0, 10));
  expect(await draftAfter(drafter, 10, 2)).toEqual([common, common]);
  drafter.observe(Array.from({ length: 20 }, () => rare));
  expect(await draftAfter(drafter, 30, 2)).toEqual([rare, rare]);
  drafter.reset();
  drafter.observe(range(0, 10));
  expect(await draftAfter(drafter, 10, 2)).toEqual([common, common]);
});

test('a sequence that memory does not hold is not drafted; the next may be', async () => {
  const { drafter, session, caches } = open({ memoryTokens: 20, maxBatch: 16 });
  drafter.observe(range(0, 30));
  expect(await draftAfter(drafter, 30, 5)).toEqual([]);
  expect([await draftAfter(drafter, 30, 5), drafter.pendingTokens()]).toEqual([[], 0]);
  expect(caches).toEqual({ acquired: [30], released: 0, discarded: 1 });
  expect(session.steps).toHaveLength(1);
  drafter.reset();
  drafter.observe(range(0, 10));
  expect(await draftAfter(drafter, 10, 5)).toEqual(await spoken(range(0, 10), 5));
});

test('what was drafted before memory was full is still a draft', async () => {
  const { drafter } = open({ memoryTokens: 20 });
  drafter.observe(range(0, 19));
  expect(await draftAfter(drafter, 19, 5)).toEqual(await spoken(range(0, 19), 2));
  expect(await draftAfter(drafter, 19, 5)).toEqual([]);
});

test('other sequences make room before it gives up', async () => {
  const session = createTableSession({ vocabSize: VOCAB, logits: endless, memoryTokens: 20 });
  const other = session.createCache();
  await session.step(range(0, 15), other, []);
  const { drafter } = open(
    {},
    {
      session,
      acquireKv: () => ({
        cache: session.createCache(),
        ids: [],
        makeRoom() {
          const hasRoom = other.length > 0;
          other.dispose();
          return hasRoom;
        },
        release() {},
        discard() {},
      }),
    },
  );
  drafter.observe(range(0, 10));
  expect(await draftAfter(drafter, 10, 5)).toEqual(await spoken(range(0, 10), 5));
});

test('a step that fails is thrown, and what its cache holds is not used any more', async () => {
  let broken = true;
  const failure = new SelvedgeError('worker_crashed', 'no');
  const { drafter, caches } = open({ beforeStep: () => (broken ? Promise.reject(failure) : undefined) });
  drafter.observe(range(0, 10));
  await expect(draftAfter(drafter, 10, 2)).rejects.toBe(failure);
  broken = false;
  expect(await draftAfter(drafter, 10, 2)).toEqual(await spoken(range(0, 10), 2));
  expect(caches).toEqual({ acquired: [10, 10], released: 0, discarded: 1 });
});

test('a new sequence gives the cache back', async () => {
  const { drafter, caches } = open();
  drafter.observe(range(0, 10));
  await draftAfter(drafter, 10, 2);
  drafter.reset();
  expect([drafter.pendingTokens(), await draftAfter(drafter, 0, 2)]).toEqual([0, []]);
  drafter.observe(range(20, 5));
  expect(await draftAfter(drafter, 5, 2)).toEqual(await spoken(range(20, 5), 2));
  expect(caches).toEqual({ acquired: [10, 5], released: 1, discarded: 0 });
});
