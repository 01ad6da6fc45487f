/**
 * One free drafter with what is known of it. Its guess is asked for at every step and scored against what came, used or not:
 * so how good it is costs nothing to find out, and nothing has to be tried.
 */
import { Acceptance } from './acceptance.ts';
import type { CostCurve } from './cost-curve.ts';
import { MATCH_LENGTH } from './drafter.ts';
import type { Draft, DraftContext, Drafter } from './drafter.ts';
import { Pace } from './pace.ts';

/** Tokens asked for behind a wrong guess. */
const FEW = 3;

/** The first `length` tokens of a draft, expected to give `rate` tokens per millisecond. */
export interface Bid {
  length: number;
  rate: number;
}

export class FreeDrafts {
  readonly drafter: Drafter;
  readonly pace = new Pace();
  readonly #acceptance = new Acceptance();
  #draft: Draft | null = null;
  /** An earlier draft, right so far in its first `#followed` tokens: what lies deeper is scored as it comes. */
  #older: Draft | null = null;
  #followed = 0;
  /** The first token of its last draft, if it was scored. */
  #wasRight = true;

  constructor(drafter: Drafter) {
    this.drafter = drafter;
  }

  /** Its guess for this step. */
  get draft(): Draft | null {
    return this.#draft;
  }

  /** Behind a guess that was wrong a few tokens are enough to see whether the next is right. */
  async ask(context: DraftContext, maxLength: number): Promise<void> {
    const draft = this.drafter.propose(context, this.#wasRight ? maxLength : Math.min(maxLength, FEW));
    this.#draft = draft instanceof Promise ? await draft : draft;
  }

  forget(): void {
    this.#draft = null;
    this.#older = null;
  }

  /** Whether it is as good as sure: certain tokens, or a long match. */
  get isSure(): boolean {
    const draft = this.#draft;
    return draft !== null && (draft.forced > 0 || (draft.features[0]?.[MATCH_LENGTH] ?? 0) >= 8);
  }

  /**
   * How much of its draft to use: the length with the best expected rate, `most` or less. Tokens that are certain risk nothing;
   * others may be guessed up to a length of `affordable`. Undefined without a draft.
   */
  bid(curve: CostCurve, affordable: number, most: number): Bid | undefined {
    const draft = this.#draft;
    if (!draft) return undefined;
    let best: Bid | undefined;
    let survival = 1;
    let tokens = 1;
    const end = Math.min(draft.ids.length, most, Math.max(affordable, draft.forced));
    for (let length = 1; length <= end; length++) {
      const at = length - 1;
      if (at >= draft.forced) survival *= this.#acceptance.probability(draft.features[at], at);
      tokens += survival;
      const rate = tokens / curve.estimate(length + 1);
      if (!best || rate > best.rate) best = { length, rate };
    }
    return best;
  }

  /** `committed` came: the draft of this step, and what is left of an older one, are scored. */
  score(committed: ArrayLike<number>): void {
    if (this.#older) {
      this.#followed = this.#follow(this.#older, this.#followed, committed);
      if (this.#followed < 0) this.#older = null;
    }
    if (this.#draft) {
      this.#wasRight = this.#draft.ids[0] === committed[0];
      const followed = this.#follow(this.#draft, 0, committed);
      if (!this.#older && followed >= 0) {
        this.#older = this.#draft;
        this.#followed = followed;
      }
    }
    this.#draft = null;
  }

  /** Scores tokens from `start` on; returns where it stands, or -1 when the draft went wrong or is at its end. */
  #follow(draft: Draft, start: number, committed: ArrayLike<number>): number {
    let at = start;
    for (let i = 0; i < committed.length; i++, at++) {
      if (at >= draft.ids.length) return -1;
      const right = draft.ids[at] === committed[i];
      this.#acceptance.observe(draft.features[at], at, right);
      if (!right) return -1;
    }
    return at < draft.ids.length ? at : -1;
  }
}
