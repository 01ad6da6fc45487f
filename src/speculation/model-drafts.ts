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
/** Tokens it lacks before any draft: the last one, and the one before it after a draft that was right to its end. */
const USUAL = 2;
/** Read at a time, so that a request can be cancelled between blocks. */
const BLOCK = 128;

/** A bid that may be a trial: not worth it as far as is known. */
export interface ModelBid extends Bid {
  isTrial: boolean;
}

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

  /**
   * The length that pays best if its tokens are as good as those before, at `rate` or more. Undefined where none does, unless it
   * was not tried for long.
   */
  bid(
    curve: CostCurve,
    maxLength: number,
    { rate: asked, at }: { rate: number; at: number },
  ): ModelBid | undefined {
    const acceptance = this.#hits / this.#trials;
    const cost = this.#costOf(curve);
    let best: ModelBid = { length: 1, rate: 0, isTrial: false };
    for (let length = 1, survival = 1, tokens = 1; length <= maxLength; length++) {
      survival *= acceptance;
      tokens += survival;
      const rate = tokens / (length * cost + curve.estimate(length + 1));
      if (rate > best.rate) best = { length, rate, isTrial: false };
    }
    if (best.rate > asked) return best;
    return at - this.#lastTry < TRY_AGAIN ? undefined : { length: 1, rate: best.rate, isTrial: true };
  }

  /** What a round takes at most, in milliseconds, beyond a plain step, once the drafter has caught up. */
  risk(curve: CostCurve, length: number): number {
    return length * this.#costOf(curve) + curve.estimate(length + 1) - curve.single;
  }

  /** What it takes to catch up, in milliseconds. */
  debt(curve: CostCurve): number {
    const pending = this.drafter.pendingTokens();
    return pending <= USUAL ? 0 : pending * (this.#catchUp || PRIOR_CATCH_UP * curve.single);
  }

  /** Catches up by a block. Returns what that took; `now` tells the time. */
  async catchUp(now: () => number): Promise<number> {
    const read = Math.min(this.drafter.pendingTokens() - 1, BLOCK);
    const start = now();
    if (!(await this.drafter.catchUp(read))) return 0;
    const ms = now() - start;
    this.#catchUp = moved(this.#catchUp, ms / read);
    return ms;
  }

  /**
   * Its draft, as long as each further token is worth its time, then cut to the length that pays best: a token is worth what
   * one takes at the bid's rate. One token for a trial. Null when none of it pays.
   */
  async ask(
    context: Omit<DraftContext, 'goesOn'>,
    maxLength: number,
    { curve, at, bid }: { curve: CostCurve; at: number; bid: ModelBid },
  ): Promise<Draft | null> {
    this.#lastTry = at;
    const rate = Math.max(bid.rate, 1 / curve.single);
    const goesOn = (features: readonly Float32Array[]): boolean =>
      bid.isTrial ? features.length === 0 : this.#goesOn(features, maxLength, curve, rate);
    const draft = await this.drafter.propose({ ...context, goesOn }, maxLength);
    if (!draft || draft.ids.length === 0) return null;
    this.#cost = moved(this.#cost, draft.estMs / draft.ids.length);
    const length = bid.isTrial ? 1 : this.#worthiest(draft.features, curve, rate);
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
}

/** Towards what was measured; all the way the first time. */
function moved(known: number, measured: number): number {
  return known === 0 ? measured : known + RATE * (measured - known);
}
