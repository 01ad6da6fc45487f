import fc from 'fast-check';
import { expect, test } from 'vitest';
import { guessFrom } from '../../test/fakes/brute-continuation.ts';
import { expectGuess, letters, patchwork, propose } from '../../test/fakes/guesses.ts';
import { createPastOutputs } from './past-outputs.ts';
import type { PastOutputs } from './past-outputs.ts';
import { LONGEST_MATCH } from './suffix-matcher.ts';

function learntFrom(texts: readonly (readonly number[])[], mostTokens?: number): PastOutputs {
  const past = createPastOutputs(mostTokens);
  for (const text of texts) past.add(text);
  while (past.learn(100));
  return past;
}

const texts = fc.array(fc.oneof(letters(3, 12), patchwork), { maxLength: 5 });

test('says what looking at every place of every answer says, after every token', () => {
  fc.assert(
    fc.property(texts, letters(3, 30), fc.integer({ min: 1, max: 9 }), (answers, sequence, maxLength) => {
      const { drafter } = learntFrom(answers);
      sequence.forEach((id, i) => {
        drafter.observe([id]);
        const expected = guessFrom(answers, sequence.slice(0, i + 1), { most: LONGEST_MATCH, maxLength });
        expectGuess(propose(drafter, maxLength), expected);
      });
    }),
    { numRuns: 200 },
  );
});

test('only the last tokens count, however long the match is and however it came about', () => {
  const long = Array.from({ length: 300 }, (_, i) => (i % 150 === 149 ? 9 : i % 3));
  const at = fc.integer({ min: 1, max: long.length });
  fc.assert(
    fc.property(at, fc.array(at, { maxLength: 3 }), (end, turns) => {
      const { drafter } = learntFrom([long]);
      const sequence = long.slice(0, end);
      for (const length of turns) {
        drafter.observe(long.slice(0, length));
        propose(drafter, 3);
        drafter.rewind(0);
      }
      for (const id of sequence) {
        drafter.observe([id]);
        propose(drafter, 3);
      }
      const expected = guessFrom([long], sequence, { most: LONGEST_MATCH, maxLength: 6 });
      expectGuess(propose(drafter, 6), expected);
    }),
    { numRuns: 60 },
  );
});

test('after a rewind it is as if it had never gone ahead', () => {
  fc.assert(
    fc.property(texts, patchwork, fc.nat(60), patchwork, (answers, ahead, length, then) => {
      const { drafter } = learntFrom(answers);
      drafter.observe(ahead);
      propose(drafter, 5);
      drafter.rewind(length);
      drafter.observe(then);
      const fresh = learntFrom(answers).drafter;
      fresh.observe([...ahead.slice(0, length), ...then]);
      expect(propose(drafter, 5)).toEqual(propose(fresh, 5));
      drafter.reset();
      expect(propose(drafter, 5)).toBeNull();
    }),
    { numRuns: 150 },
  );
});

test('what is learnt in the middle of a sequence is matched with all of it', () => {
  const past = createPastOutputs();
  past.drafter.observe([1, 2, 3]);
  expect(propose(past.drafter, 2)).toBeNull();
  past.add([1, 2, 3, 4, 5]);
  while (past.learn(1)) expect(propose(past.drafter, 2)?.ids.length ?? 0).toBeLessThanOrEqual(2);
  expectGuess(propose(past.drafter, 2), { ids: [4, 5], matchLength: 3, shares: [1, 1] });
});

test('learns no more at a time than it is told to', () => {
  const past = createPastOutputs();
  past.add(Array.from({ length: 50 }, (_, i) => i));
  let slices = 1;
  while (past.learn(10)) slices += 1;
  // The end of the answer is a piece too.
  expect(slices).toBe(6);
});

test('when it is full the older half goes, and until that is done it guesses as before', () => {
  const answer = (n: number): number[] => Array.from({ length: 10 }, (_, i) => n * 10 + i);
  const past = learntFrom([0, 1, 2, 3].map(answer), 45);
  const guesses = (n: number): boolean => {
    past.drafter.reset();
    past.drafter.observe([n * 10]);
    return propose(past.drafter, 1) !== null;
  };
  expect([0, 1, 2, 3].map(guesses)).toEqual([true, true, true, true]);
  past.add(answer(4));
  expect(past.learn(5)).toBe(true);
  expect([0, 1, 2, 3, 4].map(guesses)).toEqual([true, true, true, true, false]);
  while (past.learn(5));
  expect([0, 1, 2, 3, 4].map(guesses)).toEqual([false, false, false, true, true]);
});

test('of an answer longer than all there is room for, the end is kept', () => {
  const past = learntFrom([Array.from({ length: 100 }, (_, i) => i)], 20);
  past.drafter.observe([88]);
  expect(propose(past.drafter, 1)).toBeNull();
  past.drafter.observe([90]);
  expect(propose(past.drafter, 1)?.ids[0]).toBe(91);
});

test('forgets all when it is told to, in the middle of learning too', () => {
  const past = learntFrom([[1, 2, 3]]);
  past.add([4, 5, 6]);
  past.learn(1);
  past.clear();
  expect(past.learn(100)).toBe(false);
  past.drafter.observe([1, 2]);
  expect(propose(past.drafter, 1)).toBeNull();
  past.add([1, 2, 7]);
  past.learn(100);
  expectGuess(propose(past.drafter, 1), { ids: [7], matchLength: 2, shares: [1] });
});
