/**
 * One drafter that runs a model, with what is known of it: what a token of it takes, how often it is right, and so whether to
 * ask it at all and how far to let it go. Unlike free ones it has to be tried to know.
 */
import type { Bid } from './free-drafts.ts';
import type { CostCurve } from './cost-curve.ts';
import type { Draft, DraftContext, ModelDrafter } from './drafter.ts';
import { Lookahead } from './lookahead.ts';
import { Pace } from './pace.ts';

const RATE = 0.1;
/** Before it was tried, in plain steps of the target: what a draft token takes, and a token of catching up. */
const PRIOR_COST = 0.35;
const PRIOR_CATCH_UP = 0.1;
/** Of its tokens, those that are right; as many counts as it weighs. */
const PRIOR_ACCEPTANCE = 0.75;
const PRIOR_COUNTS = 8;
const FADING = 0.99;
/** Without being worth it, it is tried again after so many tokens. */
const TRY_AGAIN = 128;

export class ModelDrafts {
  readonly drafter: ModelDrafter;
  readonly pace = new Pace();
  readonly #lookahead = new Lookahead();
  /** Milliseconds; 0 before they were measured. */
  #cost = 0;
  #catchUp = 0;
  #hits = PRIOR_ACCEPTANCE * PRIOR_COUNTS;
  #trials = PRIOR_COUNTS;
  #lastTry = -TRY_AGAIN;

  constructor(drafter: ModelDrafter) {
    this.drafter = drafter;
  }

  /** The length that pays best if its tokens are as good as those before. A drafter that was not tried for long bids high. */
  bid(curve: CostCurve, maxLength: number, now: number): Bid {
    const acceptance = this.#hits / this.#trials;
    const cost = this.#costOf(curve);
    let best: Bid = { length: 1, rate: 0 };
    for (let length = 1, survival = 1, tokens = 1; length <= maxLength; length++) {
      survival *= acceptance;
      tokens += survival;
      const rate = tokens / (length * cost + curve.estimate(length + 1));
      if (rate > best.rate) best = { length, rate };
    }
    if (now - this.#lastTry < TRY_AGAIN) return best;
    return { length: best.length, rate: Math.max(best.rate, 1.05 / curve.single) };
  }

  /** What a round takes at most, in milliseconds, beyond a plain step. */
  risk(curve: CostCurve, length: number): number {
    const catchUp = this.drafter.pendingTokens() * (this.#catchUp || PRIOR_CATCH_UP * curve.single);
    return catchUp + length * this.#costOf(curve) + curve.estimate(length + 1) - curve.single;
  }

  /**
   * Its draft, as long as each further token is worth its time, then cut to the length that pays best: a token is worth
   * 1 / `rate` milliseconds. Null when none of it pays.
   */
  async ask(
    context: Omit<DraftContext, 'goesOn'>,
    maxLength: number,
    options: { curve: CostCurve; rate: number; at: number },
  ): Promise<Draft | null> {
    const { curve, rate } = options;
    this.#lastTry = options.at;
    const pending = this.drafter.pendingTokens();
    const draft = await this.drafter.propose(
      { ...context, goesOn: (features) => this.#goesOn(features, maxLength, curve, rate) },
      maxLength,
    );
    if (!draft || draft.ids.length === 0) return null;
    this.#observeCost(draft, pending, curve);
    const length = this.#worthiest(draft.features, curve, rate);
    if (length === 0) return null;
    return { ...draft, ids: draft.ids.slice(0, length), features: draft.features.slice(0, length) };
  }

  /** The first `accepted` of the draft's verified tokens were right. */
  observe(draft: Draft, accepted: number): void {
    this.#lookahead.observe(draft.features, accepted);
    for (let i = 0; i < Math.min(draft.ids.length, accepted + 1); i++) {
      this.#hits = this.#hits * FADING + Number(i < accepted);
      this.#trials = this.#trials * FADING + 1;
    }
  }

  #costOf(curve: CostCurve): number {
    return this.#cost || PRIOR_COST * curve.single;
  }

  /** Whether some longer draft is worth more than this one, were the tokens to come as good as the mean. */
  #goesOn(features: readonly Float32Array[], maxLength: number, curve: CostCurve, rate: number): boolean {
    const drafted = features.length;
    let survival = this.#survival(features);
    let value = -curve.estimate(drafted + 1) * rate;
    const stop = value;
    const cost = this.#costOf(curve);
    let tokens = 0;
    for (let length = drafted + 1; length <= maxLength; length++) {
      survival *= this.#hits / this.#trials;
      tokens += survival;
      value = tokens - ((length - drafted) * cost + curve.estimate(length + 1)) * rate;
      if (value > stop) return true;
    }
    return false;
  }

  #survival(features: readonly Float32Array[]): number {
    return features.reduce((product, token, i) => product * this.#lookahead.probability(token, i), 1);
  }

  /** Drafted is drafted: the length whose verification is worth most; 0 when a plain step is. */
  #worthiest(features: readonly Float32Array[], curve: CostCurve, rate: number): number {
    let best = 0;
    let bestValue = 1 - curve.single * rate;
    let survival = 1;
    let tokens = 1;
    features.forEach((token, i) => {
      survival *= this.#lookahead.probability(token, i);
      tokens += survival;
      const value = tokens - curve.estimate(i + 2) * rate;
      if (value <= bestValue) return;
      best = i + 1;
      bestValue = value;
    });
    return best;
  }

  /** Two pending tokens are usual: the last one, and the one before it after a draft that was right to its end. */
  #observeCost(draft: Draft, pending: number, curve: CostCurve): void {
    const drafted = draft.ids.length;
    if (pending <= 2) {
      this.#cost = moved(this.#cost, draft.estMs / drafted);
    } else {
      this.#catchUp = moved(
        this.#catchUp,
        Math.max(0, draft.estMs - drafted * this.#costOf(curve)) / pending,
      );
    }
  }
}

/** Towards what was measured; all the way the first time. */
function moved(known: number, measured: number): number {
  return known === 0 ? measured : known + RATE * (measured - known);
}
