import { expect, test } from 'vitest';
import { CommonTokens } from './common-tokens.ts';

const VOCAB = 150_000;

/** After `texts` of so many common and so many uncommon tokens, evenly mixed, again and again. */
function after(common: number, uncommon: number, rounds: number, tokens = new CommonTokens(VOCAB)): number {
  for (let i = 0; i < rounds; i++) {
    for (let j = 0; j < common; j++) tokens.observe(17);
    for (let j = 0; j < uncommon; j++) tokens.observe(VOCAB - 1);
  }
  return tokens.count();
}

test('where nearly all tokens are common, only these are asked about', () => {
  expect(after(0, 0, 0)).toBe(65_536);
  expect(after(49, 1, 100)).toBe(65_536);
  // The marks of a short chat.
  expect(after(6, 1, 5)).toBe(65_536);
});

test('where many are not, all are, until they have gone', () => {
  const tokens = new CommonTokens(VOCAB);
  expect(after(1, 2, 20, tokens)).toBe(VOCAB);
  expect(after(50, 0, 1, tokens)).toBe(VOCAB);
  expect(after(500, 0, 1, tokens)).toBe(65_536);
  after(1, 2, 20, tokens);
  tokens.reset();
  expect(tokens.count()).toBe(65_536);
});

test('a vocabulary that is not much larger is asked about whole', () => {
  for (const size of [300, 49_152, 65_536, 80_000]) expect(new CommonTokens(size).count()).toBe(size);
});
