/**
 * Whether a token that a model drafted will be the target's: logistic regression on what the drafter knows of it, fitted as
 * text is decoded (the idea of DISCO, https://arxiv.org/abs/2405.04304, with nothing trained before).
 */
import { DRAFT_AGREEMENT, DRAFT_ENTROPY, DRAFT_PROBABILITY } from './drafter.ts';

/** Bias, logit of the probability, entropy, position, the last round's acceptance, agreement. */
const INPUTS = 6;
/** Before anything was seen: even chances where the draft gives its token 0.4. */
const START = [0.4, 0.8, -0.2, 0, 0, 0.5];
const RATE = 0.05;

export class Lookahead {
  readonly #weights = Float64Array.from(START);
  readonly #inputs = new Float64Array(INPUTS);
  /** Share of its tokens that were right, in the last round. */
  #lastAcceptance = 0.7;

  /** The chance that the draft's token `position` (from 0) is right, given that those before it are. */
  probability(features: Float32Array, position: number): number {
    this.#read(features, position);
    return this.#predict();
  }

  /** A round ended: the first `accepted` of the drafts were right, and the next, if any, was wrong. */
  observe(features: readonly Float32Array[], accepted: number): void {
    const seen = Math.min(features.length, accepted + 1);
    for (let i = 0; i < seen; i++) {
      this.#read(features[i]!, i);
      const error = Number(i < accepted) - this.#predict();
      for (let k = 0; k < INPUTS; k++) this.#weights[k]! += RATE * error * this.#inputs[k]!;
    }
    if (features.length > 0) this.#lastAcceptance = accepted / features.length;
  }

  #read(features: Float32Array, position: number): void {
    const p = Math.min(0.999, Math.max(0.001, features[DRAFT_PROBABILITY]!));
    const inputs = [
      1,
      Math.log(p / (1 - p)),
      features[DRAFT_ENTROPY]!,
      position / 4,
      this.#lastAcceptance - 0.7,
      features[DRAFT_AGREEMENT]!,
    ];
    this.#inputs.set(inputs);
  }

  #predict(): number {
    let sum = 0;
    for (let k = 0; k < INPUTS; k++) sum += this.#weights[k]! * this.#inputs[k]!;
    return 1 / (1 + Math.exp(-sum));
  }
}
