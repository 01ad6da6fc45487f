/** Guessers and drafters that are wrong on purpose, or right by knowing the answer. None may change a token. */
import type { Guesser } from '../../src/engine/decode-loop.ts';
import type { Draft, Drafter } from '../../src/speculation/drafter.ts';
import type { Random } from '../models/random.ts';

export interface GuessingOptions {
  vocabSize: number;
  random: Random;
  /** The tokens that plain decoding gives, of the choice that is decoded. */
  truth: () => readonly number[];
  /** Ends answers, where the toy has such a token. */
  endToken?: number;
}

/** From all tokens so far of the answer to the next ones: at most `limit`. */
export type Guess = (given: number, limit: number) => number[];

/** Each by its name: always wrong, always right, random, of ends, half right. */
export function guesses({ vocabSize, random, truth, endToken = 0 }: GuessingOptions): Record<string, Guess> {
  const right = (given: number, limit: number): number[] => truth().slice(given, given + limit);
  const wrong = (id: number | undefined): number => ((id ?? 0) + 1 + random.below(vocabSize - 1)) % vocabSize;
  return {
    right,
    wrong: (given, limit) => Array.from({ length: limit }, (_, i) => wrong(truth()[given + i])),
    random: (_given, limit) => Array.from({ length: random.below(limit + 1) }, () => random.below(vocabSize)),
    ends: (_given, limit) => Array.from({ length: limit }, () => endToken),
    'right, then wrong': (given, limit) => {
      const ids = right(given, limit);
      const from = random.below(ids.length + 1);
      return ids.map((id, i) => (i < from ? id : wrong(id)));
    },
  };
}

/** Guesses at every step, without weighing anything. */
export function bluntGuesser(guess: Guess, random: Random, widest = 15): Guesser & { dropped: number } {
  let given = 0;
  return {
    dropped: 0,
    begin: () => undefined,
    beginChoice() {
      given = 1;
    },
    async draft(limit) {
      return limit < 1 ? [] : guess(given, 1 + random.below(Math.min(limit, widest)));
    },
    drop() {
      this.dropped += 1;
    },
    settle(committed) {
      given += committed.length;
    },
  };
}

/** A free drafter that makes such guesses, for the speculator to weigh. */
export function drafterOf(id: string, guess: Guess, promptLength: () => number): Drafter {
  let length = 0;
  return {
    id,
    free: true,
    propose(_context, maxLength): Draft | null {
      const ids = guess(length - promptLength(), maxLength);
      if (ids.length === 0) return null;
      return {
        ids: Int32Array.from(ids),
        features: ids.map(() => Float32Array.of(16, 1)),
        forced: 0,
        estMs: 0,
      };
    },
    observe(committed) {
      length += committed.length;
    },
    rewind(to) {
      length = to;
    },
    reset() {
      length = 0;
    },
  };
}
