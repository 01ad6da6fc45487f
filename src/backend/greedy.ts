/** Sampling that draws nothing and changes nothing: the likeliest token. */
import type { Sampling } from './session.ts';

export const GREEDY: Sampling = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 1,
  choice: 0,
  statistics: false,
  topCount: 0,
};

/** Whether a pick is the likeliest token of the logits as they are, and nothing else of them is wanted. */
export function isPlainGreedy(sampling: Sampling): boolean {
  return (
    sampling.temperature === 0 &&
    !sampling.statistics &&
    !sampling.bias?.size &&
    sampling.repetitionPenalty === 1 &&
    sampling.frequencyPenalty === 0 &&
    sampling.presencePenalty === 0
  );
}
