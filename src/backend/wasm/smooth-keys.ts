/** Gives the kernels the factors of int8 keys (../key-smoothing.ts). */
import { smoothingOf } from '../key-smoothing.ts';
import type { Rotation } from '../rotation.ts';
import type { PackedModel } from './packed-model.ts';
import { setSmoothing } from './records.ts';

/** Every layer that has a key norm or a key bias. `rotations`: of the shape's ropes. */
export function smoothKeys(model: PackedModel, rotations: readonly Rotation[]): void {
  const { arena, plan, vectors } = model;
  const { headSize, kvHeadCount, layers } = plan.shape;
  const length = kvHeadCount * headSize;
  layers.forEach(({ rope }, layer) => {
    const vector = (role: string, count: number): Float32Array | undefined => {
      const at = vectors.get(`${role} ${layer}`);
      return at === undefined ? undefined : arena.floats(at, count);
    };
    const keyVectors = {
      keyNorm: vector('key-norm', headSize),
      queryNorm: vector('query-norm', headSize),
      keyBias: vector('key-bias', length),
    };
    const factors = smoothingOf(rotations[rope], keyVectors, headSize, kvHeadCount);
    if (!factors) return;
    const [keys, queries] = [arena.allocate(length * 4), arena.allocate(length * 4)];
    arena.floats(keys, length).set(factors.map((factor) => 1 / factor));
    arena.floats(queries, length).set(factors);
    setSmoothing(model, layer, keys, queries);
  });
}
