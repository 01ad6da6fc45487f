/**
 * Factors for int8 keys of models with key biases. A bias makes a few pairs of a head large in every key, and the 8 bits are
 * scaled by the largest, so the other pairs would lose theirs. A pair with a part of length b that cannot be foreseen is
 * divided by sqrt(1 + b), and the queries are multiplied by as much: scores stay what they are, and since a rotation turns a
 * pair as a whole, it does not matter that it comes first. (As SmoothQuant does for activations, Xiao et al. 2022.)
 *
 * What cannot be foreseen of a bias is what its pair's turning makes of it: a pair that hardly turns has it in common in all
 * keys, and that is taken off as a whole (centre-keys.ts). Measured with both: twice as exact as with factors for all pairs.
 */
import type { ModelShape } from '../session.ts';
import { STILL_POSITIONS } from './centre-keys.ts';
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
  const { frequencies } = rotation;
  const factors = new Float32Array(bias.length).fill(1);
  for (let head = 0; head < bias.length; head += headSize) {
    const squares = new Float64Array(frequencies.length);
    for (let dim = 0; dim < 2 * frequencies.length; dim++) {
      squares[pairOf(rotation, dim)]! += bias[head + dim]! ** 2;
    }
    for (let dim = 0; dim < 2 * frequencies.length; dim++) {
      const pair = pairOf(rotation, dim);
      const unforeseen = Math.sqrt(squares[pair]!) * Math.min(1, frequencies[pair]! * STILL_POSITIONS);
      factors[head + dim] = Math.sqrt(1 + unforeseen);
    }
  }
  return factors;
}
