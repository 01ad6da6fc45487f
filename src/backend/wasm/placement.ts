/**
 * Gives every matrix and vector of a model its place in memory. Matrices lie in the order in which a step reads them, so that
 * it reads its weights as one stream; gate and up of a layer alternate by groups.
 */
import { assert } from '../../errors.ts';
import type { TensorPlan } from '../session.ts';
import type { Arena } from './arena.ts';
import type { Matrix } from './layout.ts';
import type { Kernels } from './module.ts';
import type { PlacedMatrix } from './packed-model.ts';

/** The bit of the 14-bit form of activations (kernels/packs.ts). */
const FOURTEEN = 2;

/** Room that `placeMatrices` and `placeVectors` may take. */
export function placedBytes(matrices: readonly Matrix[], vectors: readonly TensorPlan[]): number {
  const bytes = [
    ...matrices.map(({ groups, groupBytes }) => groups * (groupBytes + 64) + 64),
    ...vectors.map(({ byteLength }) => byteLength + 64),
  ];
  return bytes.reduce((a, b) => a + b, 0);
}

/** By `${role} ${layer}`. */
export function placeMatrices(
  matrices: readonly Matrix[],
  arena: Arena,
  kernels: Kernels,
): Map<string, PlacedMatrix> {
  const placed = new Map<string, PlacedMatrix>();
  const offsetsOf = ({ pack, groups }: Matrix): number =>
    kernels.formOf(pack.kind) === FOURTEEN ? arena.allocate(groups * 64) : 0;
  matrices.forEach((matrix, i) => {
    const { tensor, groups, groupBytes } = matrix;
    const key = `${tensor.role} ${tensor.layer}`;
    if (tensor.role === 'up') return;
    if (tensor.role !== 'gate') {
      const at = arena.allocate(groups * groupBytes);
      placed.set(key, { ...matrix, at, stride: groupBytes, offsets: offsetsOf(matrix) });
      return;
    }
    const up = matrices[i + 1];
    assert(up?.tensor.role === 'up' && up.groups === groups, 'a gate has something to let through');
    const stride = groupBytes + up.groupBytes;
    const at = arena.allocate(groups * stride);
    placed.set(key, { ...matrix, at, stride, offsets: offsetsOf(matrix) });
    placed.set(`up ${tensor.layer}`, { ...up, at: at + groupBytes, stride, offsets: offsetsOf(up) });
  });
  return placed;
}

/** By `${role} ${layer}`. */
export function placeVectors(vectors: readonly TensorPlan[], arena: Arena): Map<string, number> {
  return new Map(
    vectors.map(({ role, layer, byteLength }) => [`${role} ${layer}`, arena.allocate(byteLength)]),
  );
}
