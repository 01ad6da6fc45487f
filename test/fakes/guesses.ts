/** Texts that repeat themselves, and what free drafters say about them in the shape of `brute-continuation.ts`. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { MATCH_LENGTH, MATCH_SHARE } from '../../src/speculation/drafter.ts';
import type { Draft, DraftContext, Drafter } from '../../src/speculation/drafter.ts';
import type { Guess } from './brute-continuation.ts';

export const letters = (most: number, maxLength: number): fc.Arbitrary<number[]> =>
  fc.integer({ min: 1, max: most }).chain((max) => fc.array(fc.nat({ max: max - 1 }), { maxLength }));

/** Pieces that come again and again, as in periodic or copied text. */
export const patchwork = fc
  .array(letters(3, 7), { minLength: 1, maxLength: 3 })
  .chain((pieces) =>
    fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.flat().slice(0, 60)),
  );

const context = {} as DraftContext;
export const propose = (drafter: Drafter, maxLength: number): Draft | null =>
  drafter.propose(context, maxLength) as Draft | null;

export function guessOf(draft: Draft | null): Guess | null {
  if (!draft) return null;
  const lengths = new Set(draft.features.map((known) => known[MATCH_LENGTH]!));
  expect(lengths.size).toBe(1);
  const [matchLength] = lengths;
  return {
    ids: [...draft.ids],
    matchLength: matchLength!,
    shares: draft.features.map((f) => f[MATCH_SHARE]!),
  };
}

export function expectGuess(draft: Draft | null, expected: Guess | null): void {
  const shares = expected?.shares.map((share) => Math.fround(share)) ?? [];
  expect(guessOf(draft)).toEqual(expected && { ...expected, shares });
}
