/**
 * How many times faster one engine is than another, from samples taken in turns. What disturbs a machine lasts
 * longer than a sample, so it hits both of a pair: their ratio is steadier than either. The median of the log
 * ratios forgives a pair that was hit once, and a bootstrap over pairs says how sure it is. Pure, and the same
 * samples give the same interval.
 */

const RESAMPLES = 2000;
/** Of the interval. */
const CONFIDENCE = 0.95;

/**
 * @param {readonly number[]} ours
 * @param {readonly number[]} theirs same length: entry i of both is one pair
 * @returns {{ ratio: number, low: number, high: number }} of ours to theirs
 */
export function pairedRatio(ours, theirs) {
  return ratioOf(ours, theirs, median);
}

/** The geometric mean of the pairs' ratios: for pairs of different work, none of which is an accident. */
export function meanRatio(ours, theirs) {
  return ratioOf(ours, theirs, mean);
}

function ratioOf(ours, theirs, middleOf) {
  if (ours.length !== theirs.length || ours.length === 0) {
    throw new Error(`Pairs are needed, not ${ours.length} and ${theirs.length} samples.`);
  }
  const logs = ours.map((value, i) => Math.log(value / theirs[i]));
  const random = lcg(12345);
  const middles = Array.from({ length: RESAMPLES }, () =>
    middleOf(logs.map(() => logs[Math.floor(random() * logs.length)])),
  ).sort((a, b) => a - b);
  const at = (share) => middles[Math.min(RESAMPLES - 1, Math.floor(share * RESAMPLES))];
  return {
    ratio: Math.exp(middleOf(logs)),
    low: Math.exp(at((1 - CONFIDENCE) / 2)),
    high: Math.exp(at((1 + CONFIDENCE) / 2)),
  };
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Numerical Recipes' linear congruential generator: good enough to draw indices, and the same every time. */
function lcg(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
