/**
 * What the raw logits say about a token that was picked: its log probability, how far the best is ahead, the
 * entropy, the most likely tokens. Nothing of how it was picked shows here: temperature, penalties and
 * truncation are choices of the caller's, not of the model's.
 */
import type { Candidates } from './candidates.ts';
import { expOfNegative, naturalLog } from './exact-math.ts';
import type { Pick } from './session.ts';

/** Fills the statistics of `pick` from `logits`. NaN counts as impossible. `candidates` is overwritten. */
export function addStatistics(
  pick: Pick,
  logits: Float32Array,
  topCount: number,
  candidates: Candidates,
): void {
  candidates.selectBest(logits, Math.max(2, topCount));
  candidates.sort();
  const best = candidates.logits[0]!;
  let mass = 0;
  let moment = 0;
  for (let id = 0; id < logits.length; id++) {
    const distance = distanceBelow(best, logits[id]!);
    const share = expOfNegative(distance);
    if (share === 0) continue;
    mass += share;
    moment += share * distance;
  }
  const logMass = naturalLog(mass);
  pick.logprob = distanceBelow(best, logits[pick.id]!) - logMass;
  pick.margin = candidates.count > 1 ? -distanceBelow(best, candidates.logits[1]!) : Infinity;
  pick.entropy = logMass - moment / mass;
  if (topCount > 0) pick.top = listTop(candidates, topCount, logMass);
}

/** `logit` minus `best`, with infinity minus infinity being 0. */
export function distanceBelow(best: number, logit: number): number {
  return logit === best ? 0 : logit - best;
}

function listTop(
  candidates: Candidates,
  topCount: number,
  logMass: number,
): { id: number; logprob: number }[] {
  const best = candidates.logits[0]!;
  return Array.from({ length: Math.min(topCount, candidates.count) }, (_, i) => ({
    id: candidates.ids[i]!,
    logprob: distanceBelow(best, candidates.logits[i]!) - logMass,
  }));
}
