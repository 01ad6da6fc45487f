/**
 * The law of what is decoded, by exact enumeration in rational arithmetic: noise is one of a few atoms for each position, all
 * combinations are decoded with the real loop, and the probability of each text must be the product of the target's
 * probabilities, as fractions. Then the same with the mistakes that such a loop can make, each of which must be found.
 */
import { GREEDY } from '../backend/greedy.ts';
import { describe, expect, it } from 'vitest';
import type { Pick, PickRequest, Sampling, Session } from '../backend/session.ts';
import { createTableSession } from '../../test/fakes/table-session.ts';
import type { DecodeJob, Guesser } from './decode-loop.ts';
import { decode } from './decode-loop.ts';

const VOCAB = 4;
const LENGTH = 3;
/** Equally likely noises of a position: probabilities are multiples of 1 / ATOMS. */
const ATOMS = 6;
const PROMPT = [0];

const SAMPLING: Sampling = { ...GREEDY, temperature: 1 };

/**
 * In ATOMS-ths: the target's law after `ids` (zeros included), then with a penalty that takes one share from each token that
 * was said and gives it to the first that was not.
 */
function lawOf(ids: readonly number[], said: ReadonlyMap<number, number>): number[] {
  const laws = [
    [1, 2, 3, 0],
    [0, 4, 1, 1],
    [3, 0, 0, 3],
    [2, 2, 1, 1],
  ];
  const law = [...laws[(ids.length + 3 * ids.at(-1)!) % laws.length]!];
  for (const [id, count] of said) {
    const heir = [0, 1, 2, 3].find((other) => !said.has(other));
    if (heir === undefined || count === 0 || law[id] === 0) continue;
    law[id]! -= 1;
    law[heir]! += 1;
  }
  return law;
}

/** The token that noise `atom` picks. */
function picked(law: readonly number[], atom: number): number {
  let sum = 0;
  return law.findIndex((share) => (sum += share) > atom);
}

/** How a step may be wrong. */
interface Mistakes {
  /** Row r's pick is that of row r - 1. */
  rowBefore?: boolean;
  /** All rows of a step use the noise of its first. */
  oneNoise?: boolean;
  /** Penalties count what was accepted before the step only. */
  penaltyBefore?: boolean;
  /** Guesses are taken without a look. */
  trusting?: boolean;
  /** What was fed in vain stays in the cache. */
  noRewind?: boolean;
}

/** A session whose picks come from `noise` by position. */
function sessionOf(noise: readonly number[], mistakes: Mistakes): Session {
  const table = createTableSession({ vocabSize: VOCAB });
  return {
    ...table,
    info: () => table.info(),
    async step(ids, cache, requests) {
      const start = cache.length;
      const before = held.get(cache) ?? [];
      await table.step(
        ids,
        cache,
        requests.map(({ row }) => ({ row, sampling: SAMPLING })),
      );
      const all = [...before.slice(0, start), ...Array.from(ids)];
      held.set(cache, all);
      return requests.map((request) => pick(all, start, request, requests));
    },
  };

  function pick(
    all: readonly number[],
    start: number,
    { row, sampling }: PickRequest,
    requests: readonly PickRequest[],
  ): Pick {
    const used = mistakes.rowBefore ? Math.max(0, row - 1) : row;
    const { seen } = mistakes.penaltyBefore ? requests[0]!.sampling : sampling;
    const position = start + (mistakes.oneNoise ? 0 : used) + 1;
    const law = lawOf(all.slice(0, start + used + 1), seen?.output ?? new Map());
    const id =
      mistakes.trusting && row + 1 < all.length - start
        ? all[start + row + 1]!
        : picked(law, noise[position - 1]!);
    return { id, logprob: NaN, margin: NaN, entropy: NaN };
  }
}

const held = new WeakMap<object, number[]>();

/** A guesser that knows the noise, as a coupled drafter does, but not the target: it picks by a law of its own. */
function coupled(noise: readonly number[], shift: number): Guesser {
  let position = 0;
  return {
    begin: (prompt) => {
      position = prompt.length;
    },
    beginChoice: () => {
      position += 1;
    },
    draft: async (limit) =>
      Array.from({ length: limit }, (_, i) =>
        picked([2, 2, 1, 1], ((noise[position + i - 1] ?? 0) + shift) % ATOMS),
      ),
    drop: () => undefined,
    settle: (committed) => {
      position += committed.length;
    },
  };
}

/** Decodes with every combination of noises. Counts of texts: each combination is as likely as any other. */
async function enumerate(
  guesserOf: ((noise: readonly number[]) => Guesser) | undefined,
  mistakes: Mistakes = {},
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let code = 0; code < ATOMS ** LENGTH; code++) {
    const noise = Array.from({ length: LENGTH + 2 }, (_, i) => Math.floor(code / ATOMS ** i) % ATOMS);
    const text = await decodeOnce(sessionOf(noise, mistakes), guesserOf?.(noise), mistakes);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

async function decodeOnce(
  session: Session,
  guesser: Guesser | undefined,
  mistakes: Mistakes,
): Promise<string> {
  const cache = session.createCache();
  if (mistakes.noRewind) cache.rewind = () => undefined;
  const output = new Map<number, number>();
  const text: number[] = [];
  const job: DecodeJob = {
    session,
    conversation: { cache, ids: [], promptLength: 0, secretFrom: Infinity },
    prompt: PROMPT,
    choices: [{ output, sampling: { ...SAMPLING, seen: { prompt: new Set(PROMPT), output } } }],
    maxTokens: LENGTH,
    pause: async () => undefined,
    makeRoom: () => false,
    guesser,
  };
  await decode(job, {
    prefillEnd: () => undefined,
    token: (_choice, { id }) => {
      text.push(id);
      return false;
    },
    choiceEnd: () => undefined,
    stepEnd: () => undefined,
  });
  return text.join('');
}

/** The target's law of texts as numerators over ATOMS ** LENGTH: integers, so nothing is rounded. */
function exactLaw(): Map<string, number> {
  const law = new Map<string, number>();
  const go = (text: number[], weight: number): void => {
    if (text.length === LENGTH) {
      law.set(text.join(''), weight);
      return;
    }
    const said = new Map<number, number>();
    for (const id of text) said.set(id, (said.get(id) ?? 0) + 1);
    lawOf([...PROMPT, ...text], said).forEach((share, id) => {
      if (share > 0) go([...text, id], weight * share);
    });
  };
  go([], 1);
  return law;
}

describe('the law of texts', () => {
  it("is the target's without guesses", async () => {
    expect(await enumerate(undefined)).toEqual(exactLaw());
  });

  it.each([0, 1, 3])(
    "is the target's with a drafter that shares its noise, %i atoms apart",
    async (shift) => {
      expect(await enumerate((noise) => coupled(noise, shift))).toEqual(exactLaw());
    },
  );

  it.each<[string, Mistakes]>([
    ['the pick of the row before', { rowBefore: true }],
    ['one noise for all rows', { oneNoise: true }],
    ['penalties that miss the guesses before a row', { penaltyBefore: true }],
    ['guesses that are not checked', { trusting: true }],
    ['a cache that keeps what was refused', { noRewind: true }],
  ])('is another with %s', async (_name, mistakes) => {
    const attempt = enumerate((noise) => coupled(noise, 1), mistakes).catch(() => 'failed');
    expect(await attempt).not.toEqual(exactLaw());
  });
});
