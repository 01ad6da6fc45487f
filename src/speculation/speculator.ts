/**
 * Who decides, before each step, what to guess. It asks the free drafters, weighs their guesses and what a model that drafts
 * might give against the measured cost of wider steps, takes the best if it beats a plain step by a margin and the ledger
 * can bear its failure, and learns from what came. It changes how long tokens take, never which.
 *
 * A round: `draft` before the step, `settle` right after it with the tokens that the target chose: the accepted drafts and
 * one more.
 */
import type { Sampling } from '../backend/session.ts';
import { CostCurve, MAX_WIDTH } from './cost-curve.ts';
import type { Draft, DraftContext, Drafter, ModelDrafter } from './drafter.ts';
import { FreeDrafts } from './free-drafts.ts';
import { Ledger } from './ledger.ts';
import { ModelDrafts } from './model-drafts.ts';
import type { ModelBid } from './model-drafts.ts';

/** A draft must promise this many times the speed of plain steps. */
const MARGIN = 1.03;
/** A request's first tokens are decoded plainly, so that what a plain step takes is known; sure guesses excepted. */
const PLAIN_START = 4;
/** And one of so many. */
const PLAIN_EVERY = 64;

/** How much a new measurement of what goes by beside a step counts. */
const BESIDE_RATE = 0.1;
/** Tokens that an answer may still have, as far as anybody knows. */
const USUAL_ANSWER = 128;
/** Tokens that a model reads ahead at once: what a request that comes meanwhile waits for. */
const READ_AHEAD = 8;

const NOTHING: Int32Array = new Int32Array(0);

/** Of a request: tokens guessed, those that were right, and the milliseconds won against plain decoding. */
export interface SpeculationCounts {
  drafted: number;
  accepted: number;
  byDrafter: Record<string, { drafted: number; accepted: number }>;
  gainedMs: number;
}

export interface SpeculatorOptions {
  drafters: readonly (Drafter | ModelDrafter)[];
  /** Most tokens of a draft. */
  maxLookahead: number;
  /** Milliseconds, with fractions. */
  now: () => number;
}

interface Round {
  start: number;
  /** When the draft was there: what follows is the target's step. */
  stepStart: number;
  used: FreeDrafts | ModelDrafts | undefined;
  draft: Draft | undefined;
  hasModelRun: boolean;
  /** Of the time before the step, what went into reading that pays off later, if at all. */
  investedMs: number;
  /** Most tokens that the answer still has. */
  remaining: number;
}

export class Speculator {
  readonly curve = new CostCurve();
  readonly ledger = new Ledger();
  /** The drafter whose guess the last step verified. */
  lastDrafter: string | null = null;
  readonly #free: readonly FreeDrafts[];
  readonly #models: readonly ModelDrafts[];
  readonly #maxLookahead: number;
  readonly #now: () => number;
  readonly #all: readonly (FreeDrafts | ModelDrafts)[];
  #sampling: Sampling | undefined;
  #promptLength = 0;
  #position = 0;
  /** Tokens of this request, and of all. */
  #tokens = 0;
  #life = 0;
  #sincePlain = 0;
  /** Milliseconds that go by beside a step without a model that drafts. */
  #beside = 0;
  #round: Round | undefined;
  #counts = noCounts();

  constructor({ drafters, maxLookahead, now }: SpeculatorOptions) {
    this.#free = drafters.filter(({ free }) => free).map((drafter) => new FreeDrafts(drafter));
    this.#models = drafters.filter(isModel).map((drafter) => new ModelDrafts(drafter));
    this.#all = [...this.#free, ...this.#models];
    this.#maxLookahead = Math.min(maxLookahead, MAX_WIDTH - 1);
    this.#now = now;
  }

  /** Of the request so far. */
  counts(): SpeculationCounts {
    return { ...this.#counts, gainedMs: this.ledger.gained };
  }

  /** A request begins, its prompt computed. */
  begin(prompt: ArrayLike<number>): void {
    const start = this.#now();
    this.#round = undefined;
    this.#counts = noCounts();
    this.#tokens = 0;
    this.ledger.begin();
    this.curve.restart();
    for (const { drafter } of this.#all) {
      drafter.reset();
      drafter.observe(prompt);
    }
    this.#promptLength = prompt.length;
    this.#position = prompt.length;
    this.ledger.book(0, this.#now() - start, 0);
  }

  /** A choice begins with `first`: the sequence is the prompt and that token. */
  beginChoice(sampling: Sampling, first: number): void {
    const start = this.#now();
    this.#sampling = sampling;
    const isFresh = this.#position === this.#promptLength;
    for (const drafts of this.#free) drafts.forget();
    for (const { drafter } of this.#all) {
      if (!isFresh) drafter.rewind(this.#promptLength);
      drafter.observe([first]);
    }
    this.#position = this.#promptLength + 1;
    this.ledger.book(0, this.#now() - start, 0);
  }

  /** What may follow the tokens so far: at most `limit`, nothing for a plain step. */
  async draft(limit: number): Promise<Int32Array> {
    const start = this.#now();
    const round: Round = {
      start,
      stepStart: start,
      used: undefined,
      draft: undefined,
      hasModelRun: false,
      investedMs: 0,
      remaining: limit + 1,
    };
    this.#round = round;
    const most = Math.min(limit, this.#maxLookahead);
    if (most > 0) await this.#choose(round, most);
    round.stepStart = this.#now();
    return round.draft?.ids ?? NOTHING;
  }

  /**
   * Between two requests: reads a little of what a model that drafts has not read of the sequence, if its drafts are worth it.
   * While a request runs that would be at the cost of its tokens, and nearly always too much. False when there is no more.
   */
  async readAhead(): Promise<boolean> {
    const { curve } = this;
    if (!curve.known) return false;
    for (const drafts of this.#models) {
      const asked = { rate: MARGIN / curve.single, at: this.#life };
      const bid = drafts.bid(curve, this.#maxLookahead, asked);
      if (bid && !bid.isTrial && (await drafts.drafter.catchUp(READ_AHEAD))) return true;
    }
    return false;
  }

  /** The step could not be done with the draft, and is done without. */
  drop(): void {
    if (!this.#round) return;
    this.#round.draft = undefined;
    this.#round.used = undefined;
  }

  /** The step was done: the accepted drafts and one more token came. */
  settle(committed: ArrayLike<number>): void {
    const round = this.#round;
    if (!round) return;
    this.#round = undefined;
    const stepEnd = this.#now();
    const width = 1 + (round.draft?.ids.length ?? 0);
    this.curve.observe(width, stepEnd - round.stepStart);
    this.#learn(round, committed.length - 1);
    for (const { drafter } of this.#all) drafter.observe(committed);
    for (const drafts of this.#free) drafts.score(committed);
    this.#position += committed.length;
    this.#tokens += committed.length;
    this.#life += committed.length;
    this.#sincePlain = width === 1 ? 0 : this.#sincePlain + committed.length;
    this.#book(round, committed.length, width, stepEnd);
  }

  /**
   * A plain step is no gain or loss however long it took; what goes on beside it is. Whatever takes far longer than it uses to
   * was interrupted, as plain decoding would have been.
   */
  #book(round: Round, tokens: number, width: number, stepEnd: number): void {
    const { curve, ledger } = this;
    const beside = round.stepStart - round.start - round.investedMs + (this.#now() - stepEnd);
    const isAlone = !round.hasModelRun;
    if (isAlone) this.#beside += BESIDE_RATE * (Math.min(beside, 10 * this.#beside + 0.1) - this.#beside);
    const step = width === 1 ? curve.single : Math.min(stepEnd - round.stepStart, 2 * curve.estimate(width));
    const elapsed = step + (isAlone ? this.#beside : beside);
    ledger.book(tokens, elapsed, curve.single, { repays: round.used instanceof ModelDrafts });
  }

  async #choose(round: Round, most: number): Promise<void> {
    const sampling = this.#sampling;
    if (!sampling) return;
    const { curve } = this;
    const affordable = this.#affordable(most, (length) => curve.estimate(length + 1) - curve.single);
    // Asking takes time too. Where nothing could be done with an answer nobody is asked, until plain steps have earned it.
    if (curve.known && affordable === 0) return;
    const context = { sampling, position: this.#position, free: NOTHING, goesOn: () => true };
    for (const drafts of this.#free) await drafts.ask(context, MAX_WIDTH - 1);
    if (!curve.known || this.#sincePlain >= PLAIN_EVERY) return;
    const { rate, guess } = this.#chooseFree(round, affordable, most);
    if (this.#isStart) return;
    for (const drafts of this.#models)
      await this.#tryModel(drafts, round, { ...context, free: guess }, most, rate);
  }

  get #isStart(): boolean {
    return this.#tokens < PLAIN_START;
  }

  /** The best of the free drafts, if one is good enough: its rate, in tokens per millisecond, or what is asked of others. */
  #chooseFree(round: Round, affordable: number, most: number): { rate: number; guess: Int32Array } {
    const { curve } = this;
    let rate = MARGIN / curve.single;
    let guess = NOTHING;
    for (const drafts of this.#free) {
      const { draft } = drafts;
      if (!draft) continue;
      if (guess.length === 0) guess = draft.ids;
      const bid = drafts.bid(curve, affordable, most);
      if (!bid || bid.rate <= rate || drafts.pace.rests(this.#life)) continue;
      if (this.#isStart && !drafts.isSure) continue;
      rate = bid.rate;
      guess = draft.ids;
      round.used = drafts;
      round.draft = cut(draft, bid.length);
    }
    return { rate, guess };
  }

  /** Lets a model draft if that promises more than `rate`. */
  async #tryModel(
    drafts: ModelDrafts,
    round: Round,
    context: DraftContext,
    most: number,
    rate: number,
  ): Promise<void> {
    const { curve } = this;
    const at = this.#life;
    const affordable = this.#affordable(most, (length) => drafts.risk(curve, length));
    if (affordable === 0 || drafts.pace.rests(at)) return;
    const bid = drafts.bid(curve, affordable, { rate, at });
    if (!bid || !this.#isWorthItsDebt(drafts, bid, round.remaining)) return;
    round.hasModelRun = true;
    if (drafts.debt(curve) > 0) {
      round.investedMs = await drafts.catchUp(this.#now);
      this.ledger.invest(round.investedMs);
      if (drafts.debt(curve) > 0) return;
    }
    const draft = await drafts.ask(context, affordable, { curve, at, bid });
    if (!draft) {
      drafts.pace.observe(0, at);
      return;
    }
    round.used = drafts;
    round.draft = draft;
  }

  /** Whether what a drafter has to read first is less than what it may win until the answer's end. */
  #isWorthItsDebt(drafts: ModelDrafts, { rate, isTrial }: ModelBid, remaining: number): boolean {
    const { single } = this.curve;
    const debt = drafts.debt(this.curve);
    if (debt === 0) return true;
    const gain = Math.min(remaining, USUAL_ANSWER) * (single - 1 / rate);
    return !isTrial && gain > debt && this.ledger.mayInvest(debt, single);
  }

  /** The longest draft up to `most` whose failure the ledger bears; 0 when it bears none. */
  #affordable(most: number, risk: (length: number) => number): number {
    let length = most;
    while (length > 0 && !this.ledger.allows(risk(length), this.curve.single)) length -= 1;
    return length;
  }

  #learn({ used, draft }: Round, accepted: number): void {
    this.lastDrafter = used?.drafter.id ?? null;
    if (!used || !draft) return;
    const drafted = draft.ids.length;
    used.pace.observe(accepted, this.#life);
    if (used instanceof ModelDrafts) used.observe(draft, accepted);
    const { byDrafter } = this.#counts;
    const of = (byDrafter[used.drafter.id] ??= { drafted: 0, accepted: 0 });
    for (const counts of [this.#counts, of]) {
      counts.drafted += drafted;
      counts.accepted += accepted;
    }
  }
}

function isModel(drafter: Drafter | ModelDrafter): drafter is ModelDrafter {
  return !drafter.free;
}

function noCounts(): Omit<SpeculationCounts, 'gainedMs'> {
  return { drafted: 0, accepted: 0, byDrafter: {} };
}

function cut(draft: Draft, length: number): Draft {
  if (length === draft.ids.length) return draft;
  const { ids, features, forced, estMs } = draft;
  return {
    ids: ids.slice(0, length),
    features: features.slice(0, length),
    forced: Math.min(forced, length),
    estMs,
  };
}
