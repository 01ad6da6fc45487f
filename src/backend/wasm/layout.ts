/**
 * Where everything of a model lies in linear memory, worked out before a byte is allocated: packed matrices, norms,
 * scratch. Shapes that the kernels cannot run are refused here, by name.
 */
import { SelvedgeError } from '../../errors.ts';
import type { ModelPlan, ModelShape, TensorPlan, TensorRole, TensorType } from '../session.ts';

/** Formats of packed matrices; numbers as in kernels/plan.ts. `blockBytes`: of 16 rows x 32 columns, as packed. */
export const PACKS = {
  Q4_1: { kind: 1, blockBytes: 320, fileBlockBytes: 20 },
  Q8_0: { kind: 2, blockBytes: 544, fileBlockBytes: 34 },
} as const satisfies Partial<
  Record<TensorType, { kind: number; blockBytes: number; fileBlockBytes: number }>
>;

export type PackType = keyof typeof PACKS;

/** Matrices that are packed one behind the other and run as one. `gate-up` alternates by groups of 16 rows. */
export type MatrixName = 'embedding' | 'head' | 'query-key-value' | 'output' | 'gate-up' | 'down';

export interface Matrix {
  name: MatrixName;
  layer: number;
  type: PackType;
  columns: number;
  /** Padded to whole groups of 16. */
  groups: number;
  groupBytes: number;
}

/** Where one tensor of the file goes. */
export interface Placement {
  tensor: TensorPlan;
  /** Absent for vectors, which are copied as they are. */
  matrix?: Matrix;
  /** Group `g` of the tensor is group `firstGroup + g x groupStep` of the matrix. */
  firstGroup: number;
  groupStep: number;
}

const MATRIX_OF: Partial<Record<TensorRole, MatrixName>> = {
  embedding: 'embedding',
  head: 'head',
  query: 'query-key-value',
  key: 'query-key-value',
  value: 'query-key-value',
  'attention-output': 'output',
  gate: 'gate-up',
  up: 'gate-up',
  down: 'down',
};

const VECTORS: readonly TensorRole[] = ['attention-norm', 'ffn-norm', 'final-norm', 'rope-factors'];

function unsupported(message: string): SelvedgeError {
  return new SelvedgeError('unsupported_model', `${message} The CPU kernels of this version cannot run it.`);
}

function isPackType(type: TensorType): type is PackType {
  return type in PACKS;
}

/** As many layer records as fit behind the kernels' plan (kernels/plan.ts): 60 bytes each, from 4096 to PLAN_BYTES. */
const MOST_LAYERS = 1024;

/** The kernels' own limits on a shape. */
export function checkShape(shape: ModelShape): void {
  const { hiddenSize, ffnSize, headSize, headCount, kvHeadCount, layerCount } = shape;
  const rope = shape.ropes[0]!;
  if (layerCount > MOST_LAYERS)
    throw unsupported(`The model has ${layerCount} layers, above ${MOST_LAYERS}.`);
  const multiples: [string, number, number][] = [
    ['hidden size', hiddenSize, 32],
    ['feed-forward size', ffnSize, 32],
    ['head size', headSize, 32],
  ];
  for (const [name, value, of] of multiples) {
    if (value % of !== 0) throw unsupported(`The model's ${name} is ${value}, not a multiple of ${of}.`);
  }
  if (headSize > 128) throw unsupported(`The model's head size is ${headSize}, above 128.`);
  if (headCount % kvHeadCount !== 0)
    throw unsupported(`${headCount} heads cannot share ${kvHeadCount} key/value heads.`);
  if (rope.pairs !== 'neighbours') throw unsupported(`The model rotates pairs of '${rope.pairs}'.`);
  if (rope.size !== headSize)
    throw unsupported(`The model rotates ${rope.size} of ${headSize} dimensions of a head.`);
}

/** Order of a tensor's groups within its matrix. */
function position(tensor: TensorPlan, shape: ModelShape): { firstGroup: number; groupStep: number } {
  const groupsOf = (rows: number): number => Math.ceil(rows / 16);
  const kvGroups = groupsOf(shape.kvHeadCount * shape.headSize);
  const queryGroups = groupsOf(shape.headCount * shape.headSize);
  switch (tensor.role) {
    case 'key':
      return { firstGroup: queryGroups, groupStep: 1 };
    case 'value':
      return { firstGroup: queryGroups + kvGroups, groupStep: 1 };
    case 'gate':
      return { firstGroup: 0, groupStep: 2 };
    case 'up':
      return { firstGroup: 1, groupStep: 2 };
    default:
      return { firstGroup: 0, groupStep: 1 };
  }
}

/** Matrices in the order of their first tensor, and a placement for every tensor that the kernels read. */
export function layOut(plan: ModelPlan): { matrices: Matrix[]; placements: Placement[] } {
  checkShape(plan.shape);
  const matrices = new Map<string, Matrix>();
  const placements: Placement[] = [];
  for (const tensor of plan.tensors) {
    const name = MATRIX_OF[tensor.role];
    if (name === undefined) {
      if (!VECTORS.includes(tensor.role))
        throw unsupported(`Tensor '${tensor.name}' has the role '${tensor.role}'.`);
      if (tensor.type !== 'F32')
        throw unsupported(`Tensor '${tensor.name}' is ${tensor.type}, expected F32.`);
      placements.push({ tensor, firstGroup: 0, groupStep: 1 });
      continue;
    }
    if (!isPackType(tensor.type)) throw unsupported(`Tensor '${tensor.name}' is ${tensor.type}.`);
    const matrix = matrixFor(matrices, name, tensor, tensor.type);
    placements.push({ tensor, matrix, ...position(tensor, plan.shape) });
  }
  return { matrices: [...matrices.values()], placements };
}

function matrixFor(
  matrices: Map<string, Matrix>,
  name: MatrixName,
  tensor: TensorPlan,
  type: PackType,
): Matrix {
  const key = `${name} ${tensor.layer}`;
  const groups = Math.ceil(tensor.rows / 16);
  const known = matrices.get(key);
  if (known === undefined) {
    const groupBytes = PACKS[type].blockBytes * (tensor.columns / 32);
    const matrix = { name, layer: tensor.layer, type, columns: tensor.columns, groups, groupBytes };
    matrices.set(key, matrix);
    return matrix;
  }
  if (known.type !== type) {
    throw unsupported(`Tensor '${tensor.name}' is ${type}, the matrices it is run with are ${known.type}.`);
  }
  known.groups += groups;
  return known;
}

/** Bytes of one (layer, kv head) in a page of 64 positions. */
export function unitBytes(shape: ModelShape, kv: 'q8' | 'f32'): number {
  return kv === 'q8' ? 128 * shape.headSize + 512 : 512 * shape.headSize;
}
