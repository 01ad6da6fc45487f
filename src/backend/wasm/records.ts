/**
 * Writes the records that tell the kernels where the weights of each layer lie (kernels/plan.ts). The orders of matrices and
 * vectors are those of the records.
 */
import { assert } from '../../errors.ts';
import type { ModelShape, TensorRole } from '../session.ts';
import { LAYER_MATRICES, MAX_BATCH, OUTER_MATRICES } from './layout.ts';
import type { PackedModel } from './packed-model.ts';

const LAYER_VECTORS = [
  'attention-norm',
  'ffn-norm',
  'query-norm',
  'key-norm',
  'post-attention-norm',
  'post-ffn-norm',
] as const satisfies readonly TensorRole[];
const OUTER_VECTORS = ['final-norm'] as const satisfies readonly TensorRole[];
const NEEDED: readonly TensorRole[] = ['attention-norm', 'ffn-norm', 'final-norm'];

/** Where the pointers to the two smoothings of keys lie among the vectors of a record. */
const KEY_SMOOTHING = 6;
const QUERY_SMOOTHING = 7;

const BIASES: Partial<Record<TensorRole, TensorRole>> = {
  query: 'query-bias',
  key: 'key-bias',
  value: 'value-bias',
  'attention-output': 'attention-output-bias',
  gate: 'gate-bias',
  up: 'up-bias',
  down: 'down-bias',
  head: 'head-bias',
};

/** What is outside the layers is "layer" -1. */
const OUTSIDE = -1;

export function writeRecords(model: PackedModel): void {
  const { kernels, arena, plan } = model;
  const { layerCount } = plan.shape;
  kernels.setRecords(arena.allocate((layerCount + 1) * kernels.recordBytes()));
  writeRecord(model, OUTSIDE, OUTER_MATRICES, OUTER_VECTORS);
  for (let layer = 0; layer < layerCount; layer++) {
    writeRecord(model, layer, LAYER_MATRICES, LAYER_VECTORS);
    writeAttention(model, layer);
  }
}

/** Rotations of the kinds of positions lie behind one another, MAX_BATCH rows of each. */
export function rotationOffset({ ropes }: ModelShape, rope: number): number {
  return ropes.slice(0, rope).reduce((sum, { size }) => sum + MAX_BATCH * size * 4, 0);
}

function writeAttention({ kernels, plan: { shape } }: PackedModel, layer: number): void {
  const { window, rope } = shape.layers[layer]!;
  const { size, pairs } = shape.ropes[rope] ?? { size: 0, pairs: 'neighbours' };
  kernels.setAttention(
    layer,
    window,
    size,
    pairs === 'halves' ? 1 : 0,
    rotationOffset(shape, Math.max(0, rope)),
  );
}

/** Of the head, only the first `groups` groups of 16 outputs are computed. */
export function limitHead(model: PackedModel, groups: number): void {
  writeMatrix(model, OUTSIDE, 'head', OUTER_MATRICES.indexOf('head'), groups);
}

/** Behind the matrices outside the layers. */
const SKETCH = OUTER_MATRICES.length;

/** The sketch of the head, of which `groups` groups are read; `weights` are those it is drawn with. */
export function setSketch(
  { kernels }: PackedModel,
  at: number,
  kind: number,
  stride: number,
  groups: number,
  weights: number,
  bounds: number,
): void {
  kernels.setSegment(OUTSIDE, SKETCH, at, kind, stride, groups, weights, bounds);
}

/** f32 [kv heads][head size] each: the factors of a layer's keys and queries. */
export function setSmoothing({ kernels }: PackedModel, layer: number, keys: number, queries: number): void {
  kernels.setVector(layer, KEY_SMOOTHING, keys);
  kernels.setVector(layer, QUERY_SMOOTHING, queries);
}

function writeRecord(
  model: PackedModel,
  layer: number,
  matrixRoles: readonly TensorRole[],
  vectorRoles: readonly TensorRole[],
): void {
  const { kernels, vectors } = model;
  matrixRoles.forEach((role, i) => writeMatrix(model, layer, role, i));
  vectorRoles.forEach((role, i) => {
    const at = vectors.get(`${role} ${layer}`);
    assert(at !== undefined || !NEEDED.includes(role), `vector ${role} of layer ${layer} is placed`);
    kernels.setVector(layer, i, at ?? 0);
  });
}

/** `index`: where it stands in its record. */
function writeMatrix(
  { kernels, plan, matrices, vectors }: PackedModel,
  layer: number,
  role: TensorRole,
  index: number,
  most = Infinity,
): void {
  const source = role === 'head' && plan.shape.tiedHead ? 'embedding' : role;
  const placed = matrices.get(`${source} ${layer}`);
  assert(placed, `matrix ${role} of layer ${layer} is placed`);
  const bias = vectors.get(`${BIASES[role]} ${layer}`) ?? 0;
  const { at, pack, stride, groups, offsets } = placed;
  kernels.setSegment(layer, index, at, pack.kind, stride, Math.min(groups, most), offsets, bias);
}
