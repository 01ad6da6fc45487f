/**
 * Quantiles of what was observed lately, in little memory: a histogram whose buckets grow by a constant factor, so that
 * each quantile is right within a relative error (DDSketch, Masson et al. 2019), with weights that halve with age
 * (forward decay, Cormode et al. 2009). Delays span five orders of magnitude and drift with the load of the day, which
 * is why neither an average nor all of history would do.
 */
import { assert } from '../errors.ts';

export interface QuantileSketch {
  /** A value of 0 or more; what is below a thousandth counts as that. */
  add(value: number): void;
  /** `q` from 0 to 1. Null as long as nothing was added. */
  quantile(q: number): number | null;
  /** How many observations are known, each counted by what its age leaves of it. */
  readonly weight: number;
}

export interface QuantileSketchOptions {
  /** Milliseconds, of any origin. */
  now: () => number;
  /** The age at which an observation counts half. Default half an hour. */
  halfLifeMs?: number;
  /** Of the quantiles. Default 0.03. */
  relativeError?: number;
}

const SMALLEST = 1e-3;
/** Weights grow with time instead of shrinking in the past; at 2^64 all are scaled back. */
const MAX_EXPONENT = 64;
/** A bucket with less than this share of one observation is forgotten when weights are scaled. */
const FORGOTTEN = 1e-6;

export function createQuantileSketch({
  now,
  halfLifeMs = 30 * 60_000,
  relativeError = 0.03,
}: QuantileSketchOptions): QuantileSketch {
  /** Bucket i holds what is in (growth^(i-1), growth^i]. */
  const growth = (1 + relativeError) / (1 - relativeError);
  const logGrowth = Math.log(growth);
  const buckets = new Map<number, number>();
  let landmark = now();
  let latest = landmark;

  /** A clock that was set back stands still until it is where it was. */
  const exponentNow = (): number => {
    latest = Math.max(latest, now());
    return (latest - landmark) / halfLifeMs;
  };

  const rescale = (exponent: number): void => {
    for (const [index, weight] of buckets) {
      const scaled = weight * 2 ** -exponent;
      if (scaled < FORGOTTEN) buckets.delete(index);
      else buckets.set(index, scaled);
    }
    landmark = latest;
  };

  const total = (): number => {
    let sum = 0;
    for (const weight of buckets.values()) sum += weight;
    return sum;
  };

  return {
    add(value) {
      assert(value >= 0 && Number.isFinite(value), `a sketch takes finite numbers from 0, not ${value}`);
      let exponent = exponentNow();
      if (exponent > MAX_EXPONENT) {
        rescale(exponent);
        exponent = 0;
      }
      const index = Math.ceil(Math.log(Math.max(value, SMALLEST)) / logGrowth);
      buckets.set(index, (buckets.get(index) ?? 0) + 2 ** exponent);
    },
    quantile(q) {
      const ascending = [...buckets].sort(([a], [b]) => a - b);
      const wanted = q * total();
      let below = 0;
      for (const [index, weight] of ascending) {
        below += weight;
        if (below >= wanted) return centre(index);
      }
      const last = ascending.at(-1);
      return last ? centre(last[0]) : null;
    },
    get weight() {
      return total() * 2 ** -exponentNow();
    },
  };

  /** As far, relatively, from one end of the bucket as from the other. */
  function centre(index: number): number {
    return (2 * growth ** index) / (growth + 1);
  }
}
