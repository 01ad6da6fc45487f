/**
 * How often the drafts of a free drafter are right, learned as text is decoded. What counts are of is (match length, share,
 * position in the draft), all in coarse steps; a cell with few counts says what coarser cells say. Counts fade, because text
 * changes.
 */
import { MATCH_LENGTH, MATCH_SHARE } from './drafter.ts';

const MATCHES = 7;
const SHARES = 4;
const POSITIONS = 5;

/** What is left of a cell's counts when it counts once more. */
const FADING = 0.99;
/** As how many counts the coarser estimate weighs. */
const COARSER = 4;
/** Of the estimate's standard error, what is taken off. */
const CAUTION = 0.5;

export class Acceptance {
  /** Index ((match * SHARES) + share) * POSITIONS + position, and match * POSITIONS + position. */
  readonly #fine = new Counts(MATCHES * SHARES * POSITIONS);
  readonly #coarse = new Counts(MATCHES * POSITIONS);

  /** A cautious guess that the draft's token `position` (from 0) is right, given that those before it are. */
  probability(features: Float32Array | undefined, position: number): number {
    const match = matchOf(features);
    const known = this.#coarse.mean(coarseCell(match, position), prior(match));
    const cell = fineCell(match, features, position);
    const mean = this.#fine.mean(cell, known);
    const error = Math.sqrt((mean * (1 - mean)) / (this.#fine.trials(cell) + COARSER + 1));
    return Math.max(0, mean - CAUTION * error);
  }

  /** Whether that token was right; the ones before it were. */
  observe(features: Float32Array | undefined, position: number, right: boolean): void {
    const match = matchOf(features);
    this.#fine.add(fineCell(match, features, position), right);
    this.#coarse.add(coarseCell(match, position), right);
  }
}

class Counts {
  readonly #hits: Float64Array;
  readonly #trials: Float64Array;

  constructor(size: number) {
    this.#hits = new Float64Array(size);
    this.#trials = new Float64Array(size);
  }

  trials(cell: number): number {
    return this.#trials[cell]!;
  }

  mean(cell: number, coarser: number): number {
    return (this.#hits[cell]! + COARSER * coarser) / (this.#trials[cell]! + COARSER);
  }

  add(cell: number, right: boolean): void {
    this.#hits[cell] = this.#hits[cell]! * FADING + Number(right);
    this.#trials[cell] = this.#trials[cell]! * FADING + 1;
  }
}

/** Before anything was counted: the longer a text has repeated, the likelier it goes on. From 0.25 to 0.9. */
function prior(match: number): number {
  return 1 - 0.75 / 2 ** (match / 2);
}

/** The length of the match, in powers of two. */
function matchOf(features: Float32Array | undefined): number {
  const length = Math.max(1, features?.[MATCH_LENGTH] ?? 1);
  return Math.min(MATCHES - 1, 31 - Math.clz32(length));
}

/** Positions 0, 1, 2 to 3, 4 to 7, and beyond. */
function placeOf(position: number): number {
  return Math.min(POSITIONS - 1, 32 - Math.clz32(position));
}

function coarseCell(match: number, position: number): number {
  return match * POSITIONS + placeOf(position);
}

function fineCell(match: number, features: Float32Array | undefined, position: number): number {
  const share = features?.[MATCH_SHARE] ?? 0;
  const step = share < 0.5 ? 0 : share < 0.8 ? 1 : share < 1 ? 2 : 3;
  return (match * SHARES + step) * POSITIONS + placeOf(position);
}
