/**
 * The `Drafter` seam: who guesses what comes next. A guess is only ever a guess: the target computes the tokens it would
 * have computed anyway and keeps the guesses that equal them, so a drafter can be wrong, but never change a token.
 *
 * A drafter follows one sequence. It observes every committed token of it, the prompt's first, in order; drafts are never
 * observed. What `propose` returns is a guess at the tokens behind the last one observed. Types only.
 */
import type { Sampling } from '../backend/session.ts';

export interface Drafter {
  readonly id: string;
  /** No model runs for its drafts: they are scored after every step, whether or not they were used. */
  readonly free: boolean;
  /** At most `maxLength` (at least 1) tokens; null when it has no guess. */
  propose(context: DraftContext, maxLength: number): Draft | null | Promise<Draft | null>;
  /** `committed` are the next tokens of the sequence. */
  observe(committed: ArrayLike<number>): void;
  /** Forgets what was observed after the first `length` tokens. */
  rewind(length: number): void;
  /** A new sequence begins, with nothing observed. */
  reset(): void;
}

/** A drafter that runs a model, whose own keys and values may have to catch up with what was observed. */
export interface ModelDrafter extends Drafter {
  readonly free: false;
  /** Tokens that it has to read before it can draft, the last one always among them; 0 where it cannot. */
  pendingTokens(): number;
  /** Reads a block of them. False when there is none but what goes with the first drafted token: up to `most`, or a block. */
  catchUp(most?: number): Promise<boolean>;
}

export interface Draft {
  ids: Int32Array;
  /** What the drafter knows about each of its tokens; of one length and meaning for all drafts of a drafter. */
  features: readonly Float32Array[];
  /** How many of the first `ids` are certain. */
  forced: number;
  /** What making it took, in milliseconds, catching up included; 0 of free drafters. */
  estMs: number;
}

/** The first features of drafts that continue an earlier occurrence of the text. */
export const MATCH_LENGTH = 0;
/** Of the earlier occurrences, the share that goes on with this token. */
export const MATCH_SHARE = 1;

/** The features of a model's drafts. */
export const DRAFT_PROBABILITY = 0;
/** In nats. */
export const DRAFT_ENTROPY = 1;
/** 1 where a free drafter has the same guess, -1 where it has another, 0 where it has none. */
export const DRAFT_AGREEMENT = 2;

export interface DraftContext {
  /** How the target picks: a model that drafts picks with the same noise. */
  sampling: Sampling;
  /** Of the first token to be drafted, in its sequence: as many tokens were observed. */
  position: number;
  /** The best guess of the free drafters. */
  free: Int32Array;
  /**
   * Asked by drafters that are not free, before each token: whether one more is worth its time, given the features of those
   * drafted so far.
   */
  goesOn(features: readonly Float32Array[]): boolean;
}
