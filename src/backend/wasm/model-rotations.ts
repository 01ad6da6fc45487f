/** The rotary positions of a packed model: one table for each of its shape's ropes, with the factors that its file has. */
import { rotationOf } from '../rotation.ts';
import type { Rotation } from '../rotation.ts';
import type { PackedModel } from './packed-model.ts';
import { contextOf } from './scratch.ts';

export function rotationsOf(model: PackedModel): Rotation[] {
  const { plan, vectors, arena } = model;
  const { ropes } = plan.shape;
  return ropes.map((rope) => {
    const factors = (role: string): Float32Array | undefined => {
      const at = vectors.get(`${role} -1`);
      return at === undefined ? undefined : arena.floats(at, rope.size / 2);
    };
    const [plain, long, short] = ['rope-factors', 'rope-factors-long', 'rope-factors-short'].map(factors);
    return rotationOf(rope, { plain, long, short }, contextOf(model));
  });
}
