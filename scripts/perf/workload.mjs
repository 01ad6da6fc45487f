/**
 * The two prompts. Greedy counting goes on for ever, so no engine ends early; a number at the front of the long
 * prompt makes each one new, so that nobody can re-use the keys and values of the one before.
 */
const WORDS =
  'the river of a small town in winter is cold and people walk along it to see how light falls on water'.split(
    ' ',
  );
const FULL_WORDS = 1375;
const COUNTING = 'Counting: 1, 2, 3, 4, 5,';

export function workloads(quick) {
  return {
    decodeTokens: quick ? 32 : 128,
    longTokens: quick ? 32 : 64,
    /** About one token a word: 1,400 tokens with what stands around them. */
    longWords: FULL_WORDS,
    prefillWords: quick ? 330 : FULL_WORDS,
    pairs: quick ? 3 : 7,
    prefillPairs: quick ? 2 : 3,
    speculationRounds: quick ? 2 : 4,
  };
}

export const shortPrompt = COUNTING;

export function longPrompt(number, wordCount) {
  const words = Array.from({ length: wordCount }, (_, i) => WORDS[(i * 7 + (i >> 4)) % WORDS.length]);
  return `${number} ${words.join(' ')}. ${COUNTING}`;
}
