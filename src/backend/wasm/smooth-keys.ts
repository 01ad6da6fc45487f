/**
 * Factors for int8 keys where the model's own vectors make some pairs of a head larger than others in every key: the 8 bits are
 * scaled by the largest, so the other pairs would lose theirs. Keys are divided by a pair's factor and queries multiplied by
 * it: scores stay what they are, and since a rotation turns a pair as a whole, it does not matter that it comes first. (As
 * SmoothQuant does for activations, Xiao et al. 2022.)
 *
 * A bias of length b asks for sqrt(1 + b), but only as far as its pair turns: one that hardly turns has its bias in common in all
 * keys, and that is taken off as a whole (centre-keys.ts). Where keys and queries have norms of their own, their weights say how
 * large each is, and the factor evens the two out.
 */
import { STILL_POSITIONS } from './centre-keys.ts';
import type { PackedModel } from './packed-model.ts';
import { setSmoothing } from './records.ts';
import { pairOf } from '../rotation.ts';
import type { Rotation } from '../rotation.ts';

/** Norm weights count as this part of the largest at least. */
const LEAST_WEIGHT = 1 / 64;

/** Gives every layer that has a key norm or a key bias its factors. `rotations`: of the shape's ropes. */
export function smoothKeys(model: PackedModel, rotations: readonly Rotation[]): void {
  const { arena, plan, vectors } = model;
  const { headSize, kvHeadCount, layers } = plan.shape;
  const length = kvHeadCount * headSize;
  layers.forEach(({ rope }, layer) => {
    const vector = (role: string, count: number): Float32Array | undefined => {
      const at = vectors.get(`${role} ${layer}`);
      return at === undefined ? undefined : arena.floats(at, count);
    };
    const rotation = rotations[rope];
    const norm = vector('key-norm', headSize);
    const bias = vector('key-bias', length) ?? new Float32Array(0);
    if (!rotation || (!norm && bias.length === 0)) return;
    const factors = new Float32Array(length).fill(1);
    for (let head = 0; head < length; head += headSize) {
      const pairs = norm
        ? normFactors(rotation, norm, vector('query-norm', headSize))
        : biasFactors(rotation, bias.subarray(head, head + headSize));
      for (let dim = 0; dim < 2 * pairs.length; dim++) factors[head + dim] = pairs[pairOf(rotation, dim)]!;
    }
    const [keys, queries] = [arena.allocate(length * 4), arena.allocate(length * 4)];
    arena.floats(keys, length).set(factors.map((factor) => 1 / factor));
    arena.floats(queries, length).set(factors);
    setSmoothing(model, layer, keys, queries);
  });
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
