/**
 * Factors for int8 keys of models with key biases. A bias makes a few pairs of a head large in every key, and the 8 bits are
 * scaled by the largest, so the other pairs would lose theirs. A pair whose bias has the length b is divided by sqrt(1 + b), and
 * the queries are multiplied by as much: scores stay what they are, and a rotation turns pairs as a whole, so it does not matter
 * that it comes first. (As SmoothQuant does for activations, Xiao et al. 2022.)
 *
 * Pairs that hardly turn are left alone: what their keys have in common is taken off as a whole (centre-keys.ts).
 */
import type { ModelShape } from '../session.ts';
import { isStill } from './centre-keys.ts';
import type { PackedModel } from './packed-model.ts';
import { setSmoothing } from './records.ts';
import { pairOf } from './rotation.ts';
import type { Rotation } from './rotation.ts';

/** Gives every layer that has a key bias its factors. `rotations`: of the shape's ropes. */
export function smoothKeys(model: PackedModel, rotations: readonly Rotation[]): void {
  const { arena, plan, vectors } = model;
  const { shape } = plan;
  shape.layers.forEach(({ rope }, layer) => {
    const rotation = rotations[rope];
    const bias = vectors.get(`key-bias ${layer}`);
    if (bias === undefined || rotation === undefined) return;
    const length = shape.kvHeadCount * shape.headSize;
    const factors = smoothingFactors(shape, rotation, arena.floats(bias, length));
    const [keys, queries] = [arena.allocate(length * 4), arena.allocate(length * 4)];
    arena.floats(keys, length).set(factors.map((factor) => 1 / factor));
    arena.floats(queries, length).set(factors);
    setSmoothing(model, layer, keys, queries);
  });
}

/** What the queries of each dim of each kv head are multiplied by. `bias`: f32 [kv heads][head size]. */
function smoothingFactors({ headSize }: ModelShape, rotation: Rotation, bias: Float32Array): Float32Array {
  const squares = new Float64Array(bias.length);
  bias.forEach((value, i) => {
    const pair = pairOf(rotation, i % headSize);
    squares[i - (i % headSize) + Math.max(0, pair)]! += pair < 0 ? 0 : value * value;
  });
  return bias.map((_, i) => {
    const pair = pairOf(rotation, i % headSize);
    return isStill(rotation, pair) ? 1 : Math.sqrt(1 + Math.sqrt(squares[i - (i % headSize) + pair]!));
  });
}
