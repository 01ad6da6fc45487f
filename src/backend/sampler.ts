/**
 * Picks a token from logits. The order is stated and fixed: bias, penalties, temperature, top-k, top-p, min-p,
 * then Gumbel noise and the largest sum; ties go to the lowest id. The same logits, sampling and position give
 * the same token on every machine, and statistics are of the raw logits.
 *
 * Pure, and quick for 262,144 logits: what cannot win is skipped before its noise is computed, and only what
 * top-k or top-p keeps is ranked. NaN and -Infinity never win. Amounts of bias and
 * penalties are rounded to f32, and so is a logit after each of them.
 */
import { assert } from '../errors.ts';
import { Candidates } from './candidates.ts';
import { addStatistics, distanceBelow } from './distribution.ts';
import { expOfNegative, naturalLog } from './exact-math.ts';
import {
  commonGumbel,
  gumbelBounds,
  gumbelOf,
  largestGumbel,
  noiseBits,
  setNoiseKey,
  sharedDigits,
} from './gumbel.ts';
import type { NoiseKey } from './gumbel.ts';
import type { Pick, Sampling } from './session.ts';

/** Memory that picks re-use. One for each caller that picks one token at a time. */
export interface SamplerScratch {
  candidates: Candidates;
  key: NoiseKey;
  /** Logits after bias and penalties; grows to the vocabulary's size when first needed. */
  processed: Float32Array;
}

export function createSamplerScratch(): SamplerScratch {
  return { candidates: new Candidates(), key: { first: 0, second: 0 }, processed: new Float32Array(0) };
}

/**
 * `logits` has one entry for each token of the vocabulary and is left as it is. `position` is that of the picked
 * token in its sequence. Throws (a broken invariant) when no token is possible.
 */
export function pickToken(
  logits: Float32Array,
  sampling: Sampling,
  position: number,
  scratch: SamplerScratch = createSamplerScratch(),
): Pick {
  const processed = changesLogits(sampling) ? process(logits, sampling, scratch) : logits;
  const id = chooseToken(processed, sampling, position, scratch);
  const pick: Pick = { id, logprob: NaN, margin: NaN, entropy: NaN };
  if (sampling.statistics) addStatistics(pick, logits, sampling.topCount, scratch.candidates);
  return pick;
}

function chooseToken(
  logits: Float32Array,
  sampling: Sampling,
  position: number,
  scratch: SamplerScratch,
): number {
  const { temperature, topK, topP } = sampling;
  const best = indexOfLargest(logits);
  assert(best >= 0, `none of the ${logits.length} tokens is possible: every logit is NaN or -Infinity`);
  if (temperature === 0 || topK === 1) return best;
  setNoiseKey(scratch.key, sampling.seed, sampling.choice, position);
  const scale = inverseOf(temperature);
  const floor = sampling.minP > 0 ? naturalLog(sampling.minP) : -Infinity;
  const limitsCount = topK > 0 && topK < logits.length;
  if (!limitsCount && topP >= 1) return largestSum(logits, best, scale, floor, scratch.key);
  const { candidates } = scratch;
  const largest = logits[best]!;
  if (limitsCount) candidates.selectBest(logits, topK);
  if (topP < 1) keepNucleus(candidates, logits, largest, scale, topP, limitsCount);
  return largestSumOf(candidates, largest, scale, floor, scratch.key);
}

/** Temperatures down to the smallest double are of use: the best token stays at 0, the others fall to -Infinity. */
export function inverseOf(temperature: number): number {
  return Math.min(1 / temperature, Number.MAX_VALUE);
}

/** The lowest id of the largest logit, or -1. */
function indexOfLargest(logits: Float32Array): number {
  let largest = -Infinity;
  let index = -1;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (logit > largest) {
      largest = logit;
      index = id;
    }
  }
  return index;
}

/**
 * The token with the largest sum of noise and `(logit - largest) * scale`, among those whose scaled logit is at
 * least `floor`. The best token goes first, so that nearly all others are out after one comparison: a token below
 * `fence` needs large noise, which its shared digit rules out fifteen times in sixteen.
 */
function largestSum(logits: Float32Array, best: number, scale: number, floor: number, key: NoiseKey): number {
  const largest = logits[best]!;
  const fenceOf = (sum: number): number => largest + (sum - commonGumbel) / scale;
  let winner = best;
  let sum = gumbelOf(noiseBits(key, best));
  let fence = fenceOf(sum);
  for (let start = 0; start < logits.length; start += 8) {
    const digits = sharedDigits(key, start >>> 3);
    let large = digits & (digits >>> 1) & (digits >>> 2) & (digits >>> 3) & 0x11111111;
    const end = Math.min(start + 8, logits.length);
    for (let id = start; id < end; id++, large >>>= 4) {
      const logit = logits[id]!;
      if (!(logit >= fence) && (large & 1) === 0) continue;
      const scaled = distanceBelow(largest, logit) * scale;
      if (!(scaled >= floor) || scaled + largestGumbel < sum) continue;
      const bits = noiseBits(key, id);
      if (scaled + gumbelBounds[Math.clz32(~bits)]! < sum) continue;
      const candidate = scaled + gumbelOf(bits);
      if (candidate < sum || (candidate === sum && id >= winner)) continue;
      winner = id;
      sum = candidate;
      fence = fenceOf(sum);
    }
  }
  return winner;
}

/** The same among the candidates, which are few and in any order. */
export function largestSumOf(
  candidates: Candidates,
  largest: number,
  scale: number,
  floor: number,
  key: NoiseKey,
): number {
  let winner = -1;
  let sum = -Infinity;
  for (let i = 0; i < candidates.count; i++) {
    const scaled = distanceBelow(largest, candidates.logits[i]!) * scale;
    if (!(scaled >= floor) || scaled === -Infinity) continue;
    const id = candidates.ids[i]!;
    const candidate = scaled + gumbelOf(noiseBits(key, id));
    if (candidate < sum || (candidate === sum && id > winner)) continue;
    winner = id;
    sum = candidate;
  }
  return winner;
}

/**
 * Cuts the candidates to the best of them that together hold at least `topP` of the mass. When top-k has not
 * chosen them, they are chosen here: all tokens below log((1 - topP) * mass / count) together have less than
 * 1 - topP, so the nucleus lies above and only that needs ranking. Half of it, because sums are rounded.
 */
function keepNucleus(
  candidates: Candidates,
  logits: Float32Array,
  largest: number,
  scale: number,
  topP: number,
  chosen: boolean,
): void {
  let mass = 0;
  if (chosen) {
    candidates.sort();
    for (let i = 0; i < candidates.count; i++) {
      mass += expOfNegative(distanceBelow(largest, candidates.logits[i]!) * scale);
    }
  } else {
    for (let id = 0; id < logits.length; id++)
      mass += expOfNegative(distanceBelow(largest, logits[id]!) * scale);
    const tail = ((1 - topP) * mass) / (2 * logits.length);
    const lowest = 1 - topP > 1e-9 ? largest + naturalLog(tail) / scale : -Infinity;
    candidates.selectAbove(logits, lowest);
    candidates.sort();
  }
  let sum = 0;
  let kept = 0;
  while (kept < candidates.count && (kept === 0 || sum < topP * mass)) {
    sum += expOfNegative(distanceBelow(largest, candidates.logits[kept++]!) * scale);
  }
  candidates.count = kept;
}

function changesLogits(sampling: Sampling): boolean {
  const { bias, seen, repetitionPenalty, frequencyPenalty, presencePenalty } = sampling;
  if (bias !== undefined && bias.size > 0) return true;
  return seen !== undefined && (repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0);
}

/** A copy of the logits with bias and penalties. Ids outside the vocabulary have no effect. */
function process(logits: Float32Array, sampling: Sampling, scratch: SamplerScratch): Float32Array {
  if (scratch.processed.length !== logits.length) scratch.processed = new Float32Array(logits.length);
  const { processed } = scratch;
  const { bias, seen, repetitionPenalty, frequencyPenalty, presencePenalty } = sampling;
  processed.set(logits);
  if (bias) for (const [id, amount] of bias) processed[id]! += Math.fround(amount);
  if (!seen) return processed;
  const [above, below] = [Math.fround(1 / repetitionPenalty), Math.fround(repetitionPenalty)];
  const repeat = (id: number): void => {
    const logit = processed[id]!;
    processed[id] = logit * (logit > 0 ? above : below);
  };
  if (repetitionPenalty !== 1) {
    for (const id of seen.prompt) repeat(id);
    for (const [id, count] of seen.output) if (count > 0 && !seen.prompt.has(id)) repeat(id);
  }
  for (const [id, count] of seen.output) {
    if (count > 0) processed[id]! -= Math.fround(frequencyPenalty * count + presencePenalty);
  }
  return processed;
}
