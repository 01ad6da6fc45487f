/**
 * How a model drafts: token by token, each with what is known of it, until the draft is long enough, ends the text or is not
 * worth one token more. Which model picks them, and on which cache, is the caller's.
 */
import type { Pick, Sampling } from '../backend/session.ts';
import { DRAFT_AGREEMENT, DRAFT_ENTROPY, DRAFT_PROBABILITY } from './drafter.ts';
import type { Draft, DraftContext } from './drafter.ts';

export interface DraftingParts {
  /** Tokens of the draft. */
  most: number;
  /** Nothing follows them. */
  endTokens: ReadonlySet<number>;
  /** Feeds `ids` and picks what follows the last. Undefined ends the draft. */
  pick(ids: readonly number[], sampling: Sampling): Promise<Pick | undefined>;
}

/** `fed`: what goes in before the first token is picked. Null when there is none. */
export async function draftTokens(
  fed: readonly number[],
  context: DraftContext,
  { most, endTokens, pick: pickBehind }: DraftingParts,
): Promise<Omit<Draft, 'estMs'> | null> {
  const { sampling, count } = followingSampling(context.sampling);
  const ids: number[] = [];
  const features: Float32Array[] = [];
  /** Whether the free guess was the same until here: what it says further on is about this text. */
  let follows = true;
  let next = fed;
  while (next.length > 0) {
    const pick = await pickBehind(next, sampling);
    if (!pick) break;
    const guess: number | undefined = follows ? context.free[ids.length] : undefined;
    follows = guess === pick.id;
    ids.push(pick.id);
    features.push(featuresOf(pick, guess));
    count(pick.id);
    const isLast = ids.length === most || endTokens.has(pick.id) || !context.goesOn(features);
    next = isLast ? [] : [pick.id];
  }
  return ids.length === 0 ? null : { ids: Int32Array.from(ids), features, forced: 0 };
}

/** The target's sampling, with statistics, and with penalties that count what is drafted. */
function followingSampling({ seen, ...sampling }: Sampling): { sampling: Sampling; count(id: number): void } {
  const base: Sampling = { ...sampling, statistics: true, topCount: 0 };
  if (!seen) return { sampling: base, count() {} };
  const output = new Map(seen.output);
  return {
    sampling: { ...base, seen: { prompt: seen.prompt, output } },
    count: (id) => output.set(id, (output.get(id) ?? 0) + 1),
  };
}

function featuresOf({ id, logprob, entropy }: Pick, guess: number | undefined): Float32Array {
  const features = new Float32Array(3);
  features[DRAFT_PROBABILITY] = Math.exp(logprob);
  features[DRAFT_ENTROPY] = entropy;
  features[DRAFT_AGREEMENT] = guess === undefined ? 0 : guess === id ? 1 : -1;
  return features;
}
