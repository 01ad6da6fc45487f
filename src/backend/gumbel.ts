/**
 * The noise of sampling. Adding independent Gumbel noise to logits and taking the largest sum draws from their
 * softmax (https://arxiv.org/abs/1411.0030), so a random choice becomes an argmax. The noise comes from a counter
 * generator: a pure function of seed, choice, position and token. No state advances, hence a token is the same
 * whether it was computed alone, in a batch, in a draft or in a replay.
 */
import { naturalLog } from './exact-math.ts';

/** What is common to all tokens of one pick: two 32-bit words. */
export interface NoiseKey {
  first: number;
  second: number;
}

/** Writes the key of a pick into `key`. The arguments are integers; their low 32 bits count. */
export function setNoiseKey(key: NoiseKey, seed: number, choice: number, position: number): void {
  key.first = mix(mix(mix(seed ^ 0x9e3779b9) + choice) + position);
  key.second = mix(mix(mix(seed ^ 0x85ebca6b) ^ position) + Math.imul(choice, 0xc2b2ae35));
}

/**
 * The 32 random bits of a token, as a signed integer. The first four come from a word that eight neighbours share,
 * each with a digit of its own: one look at the word tells which of the eight can have large noise at all.
 */
export function noiseBits(key: NoiseKey, id: number): number {
  const digit = sharedDigits(key, id >>> 3) >>> ((id & 7) << 2);
  return (digit << 28) | (scramble(id, key.first, key.second) >>> 4);
}

/** Eight hexadecimal digits, lowest first: the leading four bits of tokens 8 * group to 8 * group + 7. */
export function sharedDigits(key: NoiseKey, group: number): number {
  return scramble(group, key.second, key.first);
}

function scramble(value: number, first: number, second: number): number {
  let x = Math.imul(value ^ first, 0xed5ad4bb);
  x = Math.imul(x ^ (x >>> 17) ^ second, 0xac4c1b51);
  x = Math.imul(x ^ (x >>> 11), 0x31848bab);
  return x ^ (x >>> 14);
}

/** A Gumbel variate from random bits: -log(-log u), u = (bits + 1/2) / 2^32. Between -3.14 and 22.88. */
export function gumbelOf(bits: number): number {
  return -naturalLog(-naturalLog(((bits >>> 0) + 0.5) * 2 ** -32));
}

/**
 * No less than `gumbelOf(bits)` when bits begins with i ones, at index i = 0..32: u < 1 - 2^-(i+1), and
 * -log u >= 1 - u, so the noise is below (i + 1) log 2. The slack covers rounding.
 */
export const gumbelBounds = Float64Array.from({ length: 33 }, (_, i) => (i + 1) * Math.LN2 + 1e-9);

/** The noise of a token whose shared digit is not 15 stays below. */
export const commonGumbel = gumbelBounds[3]!;

/** The noise of no token exceeds it. */
export const largestGumbel = gumbelBounds[32]!;

/** A bijection of 32-bit integers that changes half of the output bits for each input bit. */
function mix(value: number): number {
  let x = value ^ (value >>> 17);
  x = Math.imul(x, 0xed5ad4bb);
  x = Math.imul(x ^ (x >>> 11), 0xac4c1b51);
  x = Math.imul(x ^ (x >>> 15), 0x31848bab);
  return x ^ (x >>> 14);
}
