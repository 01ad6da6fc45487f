/**
 * Writes the records that tell the kernels where the weights of each layer lie (kernels/plan.ts). The orders of matrices and
 * vectors are those of the records.
 */
import { assert } from '../../errors.ts';
import type { TensorRole } from '../session.ts';
import { LAYER_MATRICES, OUTER_MATRICES } from './layout.ts';
import type { PackedModel } from './packed-model.ts';

const LAYER_VECTORS = ['attention-norm', 'ffn-norm'] as const satisfies readonly TensorRole[];
const OUTER_VECTORS = ['final-norm'] as const satisfies readonly TensorRole[];

/** What is outside the layers is "layer" -1. */
const OUTSIDE = -1;

export function writeRecords(model: PackedModel): void {
  const { kernels, arena, plan } = model;
  const { layerCount } = plan.shape;
  kernels.setRecords(arena.allocate((layerCount + 1) * kernels.recordBytes()));
  writeRecord(model, OUTSIDE, OUTER_MATRICES, OUTER_VECTORS);
  for (let layer = 0; layer < layerCount; layer++) {
    writeRecord(model, layer, LAYER_MATRICES, LAYER_VECTORS);
  }
}

function writeRecord(
  { kernels, plan, matrices, vectors }: PackedModel,
  layer: number,
  matrixRoles: readonly TensorRole[],
  vectorRoles: readonly TensorRole[],
): void {
  matrixRoles.forEach((role, i) => {
    const source = role === 'head' && plan.shape.tiedHead ? 'embedding' : role;
    const placed = matrices.get(`${source} ${layer}`);
    assert(placed, `matrix ${role} of layer ${layer} is placed`);
    kernels.setSegment(layer, i, placed.at, placed.pack.kind, placed.stride, placed.groups, placed.offsets);
  });
  vectorRoles.forEach((role, i) => {
    const at = vectors.get(`${role} ${layer}`);
    assert(at !== undefined, `vector ${role} of layer ${layer} is placed`);
    kernels.setVector(layer, i, at);
  });
}
