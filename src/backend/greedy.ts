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
