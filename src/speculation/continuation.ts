/** A draft out of an automaton: what followed most often, token after token. */
import { MATCH_LENGTH, MATCH_SHARE } from './drafter.ts';
import type { Draft } from './drafter.ts';
import { ROOT } from './suffix-automaton.ts';
import type { SuffixAutomaton } from './suffix-automaton.ts';

const FEATURES = 2;

/**
 * Goes on from `state`, which is where the last `matchLength` tokens of the sequence lead. At the end of a text it goes on
 * from a shorter end of what it has so far, and so repeats what is periodic. Null where nothing is known to follow.
 */
export function continuation(
  automaton: SuffixAutomaton,
  state: number,
  { matchLength, maxLength }: { matchLength: number; maxLength: number },
): Draft | null {
  const ids = new Int32Array(maxLength);
  const known = new Float32Array(maxLength * FEATURES);
  const features: Float32Array[] = [];
  let at = state;
  while (features.length < maxLength) {
    while (at !== ROOT && !automaton.goesOn(at)) at = automaton.link(at);
    if (at === ROOT) break;
    const start = features.length * FEATURES;
    known[start + MATCH_LENGTH] = matchLength;
    known[start + MATCH_SHARE] = automaton.share(at);
    ids[features.length] = automaton.likeliest(at);
    features.push(known.subarray(start, start + FEATURES));
    at = automaton.afterLikeliest(at);
  }
  const length = features.length;
  return length === 0 ? null : { ids: ids.subarray(0, length), features, forced: 0, estMs: 0 };
}
