/** What the sampling kernels are told of each row: its wants as numbers, and the list of its changed tokens. */
import { naturalLog } from '../exact-math.ts';
import { setNoiseKey } from '../gumbel.ts';
import type { NoiseKey } from '../gumbel.ts';
import { inverseOf } from '../sampler.ts';
import type { Sampling } from '../session.ts';
import { WANTS } from './sampling-parts.ts';
import { MOST_SORTED } from './sampling-truncation.ts';

/** Within it, f32 does for scaled logits. */
const MOST_SCALE = 1e6;
/** Beyond it, all tokens together are within the error of a sum. */
const MOST_TOP_P = 1 - 1e-4;

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The logit of a rank, as in sampling-kernels.ts. */
export function logitOfRank(rank: number): number {
  word[0] = rank >= 0x80000000 ? rank ^ 0x80000000 : ~rank;
  return float[0]!;
}

function bitsOf(value: number): number {
  float[0] = value;
  return word[0]!;
}

export function hasNoise({ temperature, topK }: Sampling): boolean {
  return temperature !== 0 && topK !== 1;
}

/** Whether the kernels can find the pick of such a row. */
export function isForGpu(sampling: Sampling): boolean {
  const { temperature, topK, topP, minP, statistics, topCount } = sampling;
  if (statistics && topCount > 0) return false;
  if (!hasNoise(sampling)) return true;
  const scale = inverseOf(temperature);
  if (topK > MOST_SORTED || (topP < 1 && topP > MOST_TOP_P) || minP > 1) return false;
  return scale <= MOST_SCALE && scale >= 1 / MOST_SCALE;
}

export function floorOf({ minP }: Sampling): number {
  return minP > 0 ? naturalLog(minP) : -Infinity;
}

/** Of one token, before bits: what is added, what is taken off, and whether it was seen in between. */
export interface Change {
  id: number;
  bias: number;
  less: number;
  seen: boolean;
}

export function changesOf(sampling: Sampling): Change[] {
  const { bias, seen, repetitionPenalty, frequencyPenalty, presencePenalty } = sampling;
  const changes = new Map<number, Change>();
  const of = (id: number): Change => {
    const change = changes.get(id) ?? { id, bias: 0, less: 0, seen: false };
    changes.set(id, change);
    return change;
  };
  for (const [id, amount] of bias ?? []) of(id).bias = amount;
  if (seen && repetitionPenalty !== 1) {
    for (const id of seen.prompt) of(id).seen = true;
    for (const [id, count] of seen.output) if (count > 0) of(id).seen = true;
  }
  if (seen && (frequencyPenalty !== 0 || presencePenalty !== 0)) {
    for (const [id, count] of seen.output)
      if (count > 0) of(id).less = frequencyPenalty * count + presencePenalty;
  }
  return [...changes.values()];
}

export function changeWords(changes: readonly Change[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(changes.length * 4);
  changes.forEach(({ id, bias, less, seen }, i) => {
    words.set([id, bitsOf(bias), bitsOf(less), seen ? 1 : 0], i * 4);
  });
  return words;
}

export function wantsOf(sampling: Sampling): number {
  if (!isForGpu(sampling)) return 0;
  const noise = hasNoise(sampling) ? WANTS.noise | (isTruncated(sampling) ? WANTS.truncation : 0) : 0;
  return noise | (sampling.statistics ? WANTS.statistics : 0);
}

function isTruncated({ topK, topP }: Sampling): boolean {
  return topK > 0 || topP < 1;
}

export function isUntruncated(sampling: Sampling): boolean {
  return (wantsOf(sampling) & (WANTS.noise | WANTS.truncation)) === WANTS.noise;
}

/** As `Parameters` in sampling-parts.ts. */
export function writeParameters(
  out: Uint32Array,
  sampling: Sampling,
  position: number,
  changes: { at: number; count: number },
): void {
  const key: NoiseKey = { first: 0, second: 0 };
  setNoiseKey(key, sampling.seed, sampling.choice, position);
  const { temperature, repetitionPenalty, topK, topP } = sampling;
  out[0] = wantsOf(sampling) | (changes.count > 0 ? WANTS.changes : 0);
  out[1] = bitsOf(hasNoise(sampling) ? inverseOf(temperature) : 0);
  out[2] = bitsOf(Math.max(floorOf(sampling), -1e30));
  out[3] = key.first;
  out[4] = key.second;
  out[5] = changes.at;
  out[6] = changes.count;
  out[7] = bitsOf(1 / repetitionPenalty);
  out[8] = bitsOf(repetitionPenalty);
  out[10] = topK;
  out[11] = bitsOf(Math.min(topP, 1));
}
