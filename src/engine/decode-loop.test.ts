import { describe, expect, it } from 'vitest';
import type { Pick, Sampling, Session } from '../backend/session.ts';
import { Speculator } from '../speculation/speculator.ts';
import { createSuffixDrafter } from '../speculation/suffix-drafter.ts';
import { bluntGuesser, drafterOf, guesses } from '../../test/fakes/guessers.ts';
import type { Guess } from '../../test/fakes/guessers.ts';
import { createTableSession, noise } from '../../test/fakes/table-session.ts';
import { seeded } from '../../test/models/random.ts';
import type { Random } from '../../test/models/random.ts';
import { decode } from './decode-loop.ts';
import type { DecodeChoice, DecodeJob, Guesser } from './decode-loop.ts';

/** Small, so that tokens repeat and drafts are right by chance too. */
const VOCAB = 12;
const END = 3;
const CASES = 400;

/** What plain and guessing decoding are compared by. */
interface Trace {
  /** Of each choice. */
  picks: Pick[][];
  finishes: string[];
  /** What the cache holds in the end. */
  held: number[];
}

interface Toy {
  prompt: number[];
  choices: () => DecodeChoice[];
  maxTokens: number;
  /** A choice also ends after so many tokens, as a stop string does. */
  stopAfter: number;
}

/** A text over a small alphabet whose continuation depends on its last three tokens alone, now and then on all: it repeats. */
function toyLogits(ids: readonly number[]): Float32Array {
  const near = ids.slice(-3);
  return near.reduce((sum, id) => sum + id, 0) % 5 === 0 ? noise(ids, VOCAB) : noise(near, VOCAB);
}

function toyOf(random: Random): Toy {
  const of = <T>(...values: readonly T[]): T => values[random.below(values.length)]!;
  const prompt = Array.from({ length: 1 + random.below(12) }, () => random.below(VOCAB));
  const sampling: Omit<Sampling, 'choice'> = {
    temperature: of(0, 0.7, 1, 1.5),
    topK: of(0, 0, 3),
    topP: of(1, 1, 0.8),
    minP: of(0, 0, 0.1),
    repetitionPenalty: of(1, 1, 1.3),
    frequencyPenalty: of(0, 0, 0.4),
    presencePenalty: of(0, 0, 0.5),
    seed: random.below(1 << 30),
    statistics: of(false, true),
    topCount: 0,
    ...(of(true, false) ? { bias: new Map([[random.below(VOCAB), of(-2, 2)]]) } : {}),
  };
  const count = of(1, 1, 2, 3);
  return {
    prompt,
    maxTokens: 1 + random.below(40),
    stopAfter: of(Infinity, Infinity, 1 + random.below(20)),
    choices: () =>
      Array.from({ length: count }, (_, choice) => {
        const output = new Map<number, number>();
        return { output, sampling: { ...sampling, choice, seen: { prompt: new Set(prompt), output } } };
      }),
  };
}

interface RunOptions {
  guesser?: Guesser;
  session?: Session;
  /** Throws after so many steps. */
  abortAfter?: number;
}

async function run(
  toy: Toy,
  { guesser, session = table(), abortAfter = Infinity }: RunOptions = {},
): Promise<Trace> {
  const conversation = { cache: session.createCache(), ids: [], promptLength: 0, secretFrom: Infinity };
  const trace: Trace = { picks: [], finishes: [], held: conversation.ids };
  let pauses = 0;
  const job: DecodeJob = {
    session,
    conversation,
    prompt: toy.prompt,
    choices: toy.choices(),
    maxTokens: toy.maxTokens,
    pause: async () => {
      pauses += 1;
      if (pauses > abortAfter) throw new DOMException('stop', 'AbortError');
    },
    makeRoom: () => false,
    guesser,
  };
  const aborted = await decode(job, {
    prefillEnd: () => undefined,
    token(choice, pick) {
      const picks = (trace.picks[choice] ??= []);
      picks.push(pick);
      return pick.id === END || picks.length >= toy.stopAfter;
    },
    choiceEnd: (_choice, finish) => trace.finishes.push(finish),
    stepEnd: () => undefined,
  }).catch((error: unknown) => error);
  if (abortAfter === Infinity) expect(aborted).toBeUndefined();
  expect(conversation.cache.length).toBe(conversation.ids.length);
  return trace;
}

function table(): Session {
  return createTableSession({ vocabSize: VOCAB, contextLength: 200, logits: toyLogits });
}

/** `truth` for drafters that know it: the tokens of the choice that runs. */
function knowing(plain: Trace): { truth: () => number[]; follow: (guesser: Guesser) => Guesser } {
  let choice = -1;
  return {
    truth: () => (plain.picks[choice] ?? []).map(({ id }) => id),
    follow: (guesser) => ({
      ...guesser,
      beginChoice(sampling, first) {
        choice = sampling.choice;
        guesser.beginChoice(sampling, first);
      },
      begin: (prompt) => guesser.begin(prompt),
      draft: (limit) => guesser.draft(limit),
      drop: () => guesser.drop(),
      settle: (committed) => guesser.settle(committed),
    }),
  };
}

const NAMES = Object.keys(guesses({ vocabSize: VOCAB, random: seeded(0), truth: () => [] }));

describe('decoding with guesses', () => {
  it.each(NAMES)('gives the tokens of plain decoding, whatever is guessed: %s', async (name) => {
    const random = seeded(7);
    for (let i = 0; i < CASES; i++) {
      const toy = toyOf(random);
      const plain = await run(toy);
      const { truth, follow } = knowing(plain);
      const guess = guesses({ vocabSize: VOCAB, random, truth, endToken: END })[name]!;
      expect(await run(toy, { guesser: follow(bluntGuesser(guess, random)) }), `case ${i}`).toEqual(plain);
    }
  });

  it.each(NAMES)('and so with a speculator that weighs them: %s', async (name) => {
    const random = seeded(11);
    let accepted = 0;
    for (let i = 0; i < CASES; i++) {
      const toy = toyOf(random);
      const plain = await run(toy);
      const { truth, follow } = knowing(plain);
      const guess = guesses({ vocabSize: VOCAB, random, truth, endToken: END })[name]!;
      const { speculator, session } = timed(
        [drafterOf(name, guess, () => toy.prompt.length), createSuffixDrafter()],
        {
          msOf: () => 0.5 + random.next() * 4,
        },
      );
      expect(await run(toy, { guesser: follow(speculator), session }), `case ${i}`).toEqual(plain);
      accepted += speculator.counts().accepted;
    }
    expect(accepted).toBeGreaterThan(0);
  });

  it('leaves the cache as plain decoding does, also where it is interrupted', async () => {
    const random = seeded(13);
    for (let i = 0; i < CASES; i++) {
      const toy = toyOf(random);
      const plain = await run(toy);
      const { truth, follow } = knowing(plain);
      const guess = guesses({ vocabSize: VOCAB, random, truth })['right, then wrong']!;
      const guesser = follow(bluntGuesser(guess, random));
      const { picks, held } = await run(toy, { guesser, abortAfter: 1 + random.below(8) });
      picks.forEach((some, choice) => expect(some).toEqual(plain.picks[choice]?.slice(0, some.length)));
      const answer = (picks.at(-1) ?? []).map(({ id }) => id);
      expect([...toy.prompt, ...answer].slice(0, held.length)).toEqual(held);
    }
  });

  it('does without a guess for which there is no memory', async () => {
    const toy: Toy = { ...toyOf(seeded(3)), prompt: [1, 2, 4, 5], maxTokens: 12, stopAfter: Infinity };
    const logits = (ids: readonly number[]): Float32Array => noise(ids, VOCAB).fill(-Infinity, END, END + 1);
    const plain = await run(toy, { session: createTableSession({ vocabSize: VOCAB, logits }) });
    const session = createTableSession({ vocabSize: VOCAB, logits, memoryTokens: 4 + 12 });
    const random = seeded(5);
    const wrong: Guess = (_given, limit) => Array.from({ length: limit }, () => END);
    const guesser = { ...bluntGuesser(wrong, random), draft: async () => wrong(0, 15), dropped: 0 };
    expect(await run(toy, { session, guesser })).toEqual(plain);
    expect(guesser.dropped).toBeGreaterThan(0);
  });

  it('takes one step for a guess that is right, however long', async () => {
    const toy: Toy = { ...toyOf(seeded(2)), prompt: [1, 2], maxTokens: 9, stopAfter: Infinity };
    const logits = (ids: readonly number[]): Float32Array => noise(ids, VOCAB).fill(-Infinity, END, END + 1);
    const plain = await run(toy, { session: createTableSession({ vocabSize: VOCAB, logits }) });
    const session = createTableSession({ vocabSize: VOCAB, logits });
    const { truth, follow } = knowing(plain);
    const guesser = bluntGuesser((given) => truth().slice(given, given + 7), seeded(1));
    await run({ ...toy, choices: () => toy.choices().slice(0, 1) }, { session, guesser: follow(guesser) });
    expect(session.steps.map(({ length }) => length)).toEqual([2, 8]);
  });
});

/** A speculator and a session whose steps take a time of their own. */
function timed(
  drafters: ReturnType<typeof drafterOf>[],
  { msOf }: { msOf: (width: number) => number },
): { speculator: Speculator; session: Session } {
  let ms = 0;
  const session = createTableSession({
    vocabSize: VOCAB,
    contextLength: 200,
    logits: toyLogits,
    beforeStep(ids) {
      ms += msOf(ids.length);
    },
  });
  return { session, speculator: new Speculator({ drafters, maxLookahead: 15, now: () => ms }) };
}
