/**
 * Factors for int8 keys where the model's own vectors make some pairs of a head larger than others in every key: the 8 bits are
 * scaled by the largest, so the other pairs would lose theirs. Keys are divided by a pair's factor and queries multiplied by
 * it: scores stay what they are, and since a rotation turns a pair as a whole, it does not matter that it comes first. (As
 * SmoothQuant does for activations, Xiao et al. 2022.)
 *
 * A bias of length b asks for sqrt(1 + b), but only as far as its pair turns: one that hardly turns has its bias in common in all
 * keys, and that is taken off as a whole (key-centres.ts). Where keys and queries have norms of their own, their weights say how
 * large each is, and the factor evens the two out.
 */
import { STILL_POSITIONS } from './key-centres.ts';
import { pairOf } from './rotation.ts';
import type { Rotation } from './rotation.ts';

/** Norm weights count as this part of the largest at least. */
const LEAST_WEIGHT = 1 / 64;

/** A layer's vectors that say which pairs are large: norms [headSize], bias [kvHeads][headSize]. */
export interface KeyVectors {
  keyNorm: Float32Array | undefined;
  queryNorm: Float32Array | undefined;
  keyBias: Float32Array | undefined;
}

/** Factors of queries, [kvHeads][headSize]; undefined for a layer that has neither a key norm nor a key bias. */
export function smoothingOf(
  rotation: Rotation | undefined,
  { keyNorm, queryNorm, keyBias }: KeyVectors,
  headSize: number,
  kvHeadCount: number,
): Float32Array | undefined {
  const bias = keyBias ?? new Float32Array(0);
  if (!rotation || (!keyNorm && bias.length === 0)) return undefined;
  const factors = new Float32Array(kvHeadCount * headSize).fill(1);
  for (let head = 0; head < factors.length; head += headSize) {
    const pairs = keyNorm
      ? normFactors(rotation, keyNorm, queryNorm)
      : biasFactors(rotation, bias.subarray(head, head + headSize));
    for (let dim = 0; dim < 2 * pairs.length; dim++) factors[head + dim] = pairs[pairOf(rotation, dim)]!;
  }
  return factors;
}

function biasFactors(rotation: Rotation, bias: Float32Array): Float64Array {
  return lengthsOf(rotation, bias).map((length, pair) =>
    Math.sqrt(1 + length * Math.min(1, rotation.frequencies[pair]! * STILL_POSITIONS)),
  );
}

function normFactors(
  rotation: Rotation,
  keyNorm: Float32Array,
  queryNorm: Float32Array | undefined,
): Float64Array {
  const keys = weightsOf(rotation, keyNorm);
  const queries = weightsOf(rotation, queryNorm ?? keyNorm.map(() => 1));
  return keys.map((weight, pair) => Math.sqrt(weight / queries[pair]!));
}

/** How much a norm weighs each pair; no pair counts as nothing. */
function weightsOf(rotation: Rotation, norm: Float32Array): Float64Array {
  const lengths = lengthsOf(rotation, norm);
  const least = Math.max(...lengths) * LEAST_WEIGHT || 1;
  return lengths.map((length) => Math.max(length, least));
}

/** Of each pair of a head's vector. */
function lengthsOf(rotation: Rotation, vector: Float32Array): Float64Array {
  const squares = new Float64Array(rotation.frequencies.length);
  for (let dim = 0; dim < 2 * squares.length; dim++) squares[pairOf(rotation, dim)]! += vector[dim]! ** 2;
  return squares.map(Math.sqrt);
}
