/** A draft out of an automaton: what followed most often, token after token. */
import { MATCH_LENGTH, MATCH_SHARE } from './drafter.ts';
import type { Draft } from './drafter.ts';
import { ROOT } from './suffix-automaton.ts';
import type { SuffixAutomaton } from './suffix-automaton.ts';

const FEATURES = 2;
/** A draft is at most so many times as long as its match: what repeated for a token or two goes on for a few. */
const LENGTHS_OF_MATCH = 2;

/**
 * Goes on from `state`, which is where the last `matchLength` tokens of the sequence lead. At the end of a text it goes on
 * from a shorter end of what it has so far, no shorter than the match: so it repeats what is periodic and makes nothing up.
 * Null where nothing is known to follow.
 */
export function continuation(
  automaton: SuffixAutomaton,
  state: number,
  { matchLength, maxLength }: { matchLength: number; maxLength: number },
): Draft | null {
  const start = thatGoesOn(automaton, state);
  const match = start === state ? matchLength : automaton.length(start);
  const most = Math.min(maxLength, LENGTHS_OF_MATCH * match);
  const ids: number[] = [];
  const features: Float32Array[] = [];
  let at = start;
  while (at !== ROOT && ids.length < most) {
    const known = new Float32Array(FEATURES);
    known[MATCH_LENGTH] = match;
    known[MATCH_SHARE] = automaton.share(at);
    features.push(known);
    ids.push(automaton.likeliest(at));
    const next = automaton.afterLikeliest(at);
    at = thatGoesOn(automaton, next);
    if (at !== next && automaton.length(at) < match) break;
  }
  // Arrays of their own, not parts of larger ones: those cost a buffer outside the heap each, at every step.
  return ids.length === 0 ? null : { ids: Int32Array.from(ids), features, forced: 0, estMs: 0 };
}

/** The longest end of what leads to `state` behind which a token is known. */
function thatGoesOn(automaton: SuffixAutomaton, state: number): number {
  let at = state;
  while (at !== ROOT && !automaton.goesOn(at)) at = automaton.link(at);
  return at;
}
