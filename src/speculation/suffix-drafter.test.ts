import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { guessFrom, guessRepeat } from '../../test/fakes/brute-continuation.ts';
import { expectGuess, guessOf, letters, patchwork, propose } from '../../test/fakes/guesses.ts';
import { seeded } from '../../test/models/random.ts';
import { continuation } from './continuation.ts';
import { EdgeTable, NO_EDGE } from './edge-table.ts';
import { ROOT, SuffixAutomaton } from './suffix-automaton.ts';
import { createSuffixDrafter } from './suffix-drafter.ts';

describe('the suffix drafter', () => {
  test('says what looking at every place of the text says, after every token', () => {
    fc.assert(
      fc.property(fc.oneof(letters(4, 60), patchwork), fc.integer({ min: 1, max: 9 }), (text, maxLength) => {
        const drafter = createSuffixDrafter();
        text.forEach((id, i) => {
          drafter.observe([id]);
          expectGuess(propose(drafter, maxLength), guessRepeat(text.slice(0, i + 1), maxLength));
        });
      }),
      { numRuns: 300 },
    );
  });

  test('repeats what is periodic for as long as it may', () => {
    const drafter = createSuffixDrafter();
    drafter.observe([7, 1, 2, 3, 1, 2, 3, 1]);
    expect(guessOf(propose(drafter, 8))).toMatchObject({ ids: [2, 3, 1, 2, 3, 1, 2, 3], matchLength: 4 });
  });

  test('prefers what followed most often, and the latest of equals', () => {
    const drafter = createSuffixDrafter();
    drafter.observe([1, 5, 1, 6, 1, 5, 2, 1]);
    expect(guessOf(propose(drafter, 1))).toEqual({ ids: [5], matchLength: 1, shares: [Math.fround(2 / 3)] });
    drafter.observe([6, 3, 1]);
    expect(guessOf(propose(drafter, 1))).toEqual({ ids: [6], matchLength: 1, shares: [0.5] });
  });

  test('has no guess where nothing came before', () => {
    const drafter = createSuffixDrafter();
    expect(propose(drafter, 4)).toBeNull();
    drafter.observe([1, 2, 3]);
    expect(propose(drafter, 4)).toBeNull();
  });

  test('after a rewind it is as if it had never gone ahead', () => {
    const step = fc.oneof(
      patchwork.map((ids) => ({ ids })),
      fc.nat({ max: 40 }).map((length) => ({ length })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const drafter = createSuffixDrafter();
        let text: number[] = [];
        for (const one of steps) {
          if ('ids' in one) {
            drafter.observe(one.ids);
            text.push(...one.ids);
          } else {
            drafter.rewind(one.length);
            text = text.slice(0, one.length);
          }
          const fresh = createSuffixDrafter();
          fresh.observe(text);
          expect(propose(drafter, 5)).toEqual(propose(fresh, 5));
        }
        drafter.reset();
        expect(propose(drafter, 5)).toBeNull();
      }),
      { numRuns: 100 },
    );
  });
});

describe('the automaton', () => {
  test('keeps texts apart: no match and no draft crosses from one into the next', () => {
    fc.assert(
      fc.property(fc.array(letters(3, 12), { maxLength: 5 }), letters(3, 12), (texts, sequence) => {
        const automaton = new SuffixAutomaton();
        for (const text of texts) {
          for (const id of text) automaton.append(id);
          automaton.separate();
        }
        let state: number | undefined = ROOT;
        let match = 0;
        for (let length = 1; length <= sequence.length; length++) {
          state = ROOT;
          for (const id of sequence.slice(-length))
            state = state === undefined ? state : automaton.next(state, id);
          if (state === undefined) break;
          match = length;
        }
        const end = sequence.slice(sequence.length - match);
        const at = end.reduce((from, id) => automaton.next(from, id) ?? ROOT, ROOT);
        const options = { matchLength: match, maxLength: 6 };
        const expected = guessFrom(texts, sequence, { most: sequence.length, maxLength: 6 });
        expectGuess(continuation(automaton, at, options), expected);
      }),
      { numRuns: 300 },
    );
  });

  test.each(['random', 'one letter', 'two letters', 'periodic'])(
    'is linear in the text, and so is the work on it: %s',
    (kind) => {
      const random = seeded(5);
      const count = 20_000;
      const automaton = new SuffixAutomaton();
      for (let i = 0; i < count; i++) {
        const id = {
          random: random.below(50_000),
          'one letter': 1,
          'two letters': random.below(2),
          periodic: i % 97,
        };
        automaton.append(id[kind as keyof typeof id]);
      }
      expect(automaton.stateCount).toBeLessThanOrEqual(2 * count);
      expect(automaton.edgeCount).toBeLessThanOrEqual(3 * count);
    },
  );

  test('is as new once it is cleared', () => {
    const used = new SuffixAutomaton();
    const fresh = new SuffixAutomaton();
    for (let i = 0; i < 5000; i++) used.append(i % 7);
    used.separate();
    used.clear();
    const text = [1, 2, 3, 1, 2];
    for (const id of text) {
      used.append(id);
      fresh.append(id);
    }
    expect(used.repeated).toBe(fresh.repeated);
    expect([used.stateCount, used.edgeCount]).toEqual([fresh.stateCount, fresh.edgeCount]);
    const options = { matchLength: 2, maxLength: 3 };
    expect(continuation(used, used.repeated, options)).toEqual(continuation(fresh, fresh.repeated, options));
  });
});

test('every edge is found again, however the table grew', () => {
  const edges = new EdgeTable();
  const random = seeded(6);
  const added = new Map<number, { state: number; token: number; target: number }>();
  for (let i = 0; i < 5000; i++) {
    const one = { state: i % 900, token: i - 2500, target: random.below(900) };
    added.set(edges.add(one.state, one.token, one.target, NO_EDGE), one);
    if (i === 3000) edges.reserve(2000);
  }
  for (const [edge, { state, token, target }] of added) {
    expect([edges.find(state, token), edges.token(edge), edges.target(edge)]).toEqual([edge, token, target]);
    expect(edges.find(state, token + 5000)).toBe(NO_EDGE);
  }
});
