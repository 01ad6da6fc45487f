/**
 * What may be left when all findings are masked: the share of words that are not known to be common ones. A detector
 * overlooks what it has never seen; what it has never seen is not a common word either.
 */
import type { WordSet } from './detect-bloom.ts';
import { caseOf, tokensOf } from './detect-tokens.ts';

/** Endings of this length at most are taken off a word before it is looked up. */
const LONGEST_ENDING = 3;
const SHORTEST_STEM = 3;
/** What an unknown word counts: names are written with a capital, or in a script that has none. */
const CAPITALISED = 1;
const SMALL = 0.4;
/** So that two or three words are not judged by one of them alone. */
const PRIOR_WORDS = 4;

/** 0 to 1. */
export function residualRisk(
  text: string,
  masked: readonly { start: number; end: number }[],
  common: WordSet,
): number {
  let words = PRIOR_WORDS;
  let unknown = 0;
  let next = 0;
  for (const token of tokensOf(text)) {
    while (next < masked.length && masked[next]!.end <= token.start) next++;
    const written = caseOf(token);
    if (written === 'p' || written === 'd' || (masked[next] !== undefined && masked[next]!.start < token.end))
      continue;
    words++;
    if (!isKnown(token.lower, common)) unknown += written === 'x' ? SMALL : CAPITALISED;
  }
  return unknown / words;
}

/** Whether a word is common as it is, without an ending, or as two words in one. */
export function isKnown(word: string, common: WordSet): boolean {
  for (let end = word.length; end >= Math.max(SHORTEST_STEM, word.length - LONGEST_ENDING); end--) {
    if (common.has(word.slice(0, end))) return true;
  }
  if (common.has(word) || word.length === 1) return true;
  for (let cut = SHORTEST_STEM + 1; cut <= word.length - SHORTEST_STEM - 1; cut++) {
    if (common.has(word.slice(0, cut)) && common.has(word.slice(cut))) return true;
  }
  return false;
}
