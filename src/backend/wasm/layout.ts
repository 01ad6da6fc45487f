/**
 * How everything of a model lies in linear memory, worked out before a byte is allocated: which tensors are packed and how,
 * which are copied. Shapes that the kernels cannot run are refused here, by name.
 */
import { SelvedgeError } from '../../errors.ts';
import type { ModelPlan, ModelShape, TensorPlan, TensorRole, TensorType } from '../session.ts';

/** Rows of the widest step. Prefill blocks of 128 beat 64 and 32; more rows would only take memory. */
export const MAX_BATCH = 128;

interface Pack {
  /** As in kernels/packs.ts. */
  kind: number;
  /** Columns of a block. */
  columns: number;
  /** Bytes of 16 rows of a block, as packed. */
  blockBytes: number;
  /** Bytes of one row of a block, as in the file. */
  fileBlockBytes: number;
}

/** Formats of packed matrices. */
const PACKS: Record<TensorType, Pack> = {
  Q4_1: { kind: 1, columns: 32, blockBytes: 320, fileBlockBytes: 20 },
  Q8_0: { kind: 2, columns: 32, blockBytes: 544, fileBlockBytes: 34 },
  Q4_0: { kind: 3, columns: 32, blockBytes: 288, fileBlockBytes: 18 },
  Q5_0: { kind: 4, columns: 32, blockBytes: 352, fileBlockBytes: 22 },
  Q5_1: { kind: 5, columns: 32, blockBytes: 384, fileBlockBytes: 24 },
  Q4_K: { kind: 6, columns: 256, blockBytes: 2432, fileBlockBytes: 144 },
  Q5_K: { kind: 7, columns: 256, blockBytes: 2944, fileBlockBytes: 176 },
  Q6_K: { kind: 8, columns: 256, blockBytes: 3392, fileBlockBytes: 210 },
  Q3_K: { kind: 9, columns: 256, blockBytes: 1856, fileBlockBytes: 110 },
  Q2_K: { kind: 10, columns: 256, blockBytes: 1408, fileBlockBytes: 84 },
  F16: { kind: 11, columns: 32, blockBytes: 1024, fileBlockBytes: 64 },
  BF16: { kind: 12, columns: 32, blockBytes: 1024, fileBlockBytes: 64 },
  F32: { kind: 13, columns: 32, blockBytes: 2048, fileBlockBytes: 128 },
};

/** How matrices of a type are packed. */
export function packOf(type: TensorType): Pack {
  return PACKS[type];
}

/** The matrices in the order in which a step reads them. Query, key and value run as one, gate and up alternate by groups. */
export const LAYER_MATRICES = [
  'query',
  'key',
  'value',
  'attention-output',
  'gate',
  'up',
  'down',
] as const satisfies readonly TensorRole[];
export const OUTER_MATRICES = ['embedding', 'head'] as const satisfies readonly TensorRole[];
const MATRICES: readonly TensorRole[] = [...LAYER_MATRICES, ...OUTER_MATRICES];

/** A tensor in groups of 16 rows, the last one padded. */
export interface Matrix {
  tensor: TensorPlan;
  pack: Pack;
  groups: number;
  /** Of a group, packed, and of 16 rows in the file. */
  groupBytes: number;
  fileGroupBytes: number;
}

const VECTORS: readonly TensorRole[] = [
  'final-norm',
  'rope-factors',
  'rope-factors-long',
  'rope-factors-short',
  'attention-norm',
  'query-bias',
  'key-bias',
  'value-bias',
  'attention-output-bias',
  'gate-bias',
  'up-bias',
  'down-bias',
  'head-bias',
  'query-norm',
  'key-norm',
  'post-attention-norm',
  'post-ffn-norm',
  'ffn-norm',
];

function unsupported(message: string): SelvedgeError {
  return new SelvedgeError('unsupported_model', `${message} The CPU kernels of this version cannot run it.`);
}

/** More is a damaged file. */
const MOST_LAYERS = 1024;

/** The kernels' own limits on a shape. */
export function checkShape(shape: ModelShape): void {
  const { hiddenSize, ffnSize, headSize, headCount, kvHeadCount, layerCount } = shape;
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
  if (headSize > 256) throw unsupported(`The model's head size is ${headSize}, above 256.`);
  if (headCount % kvHeadCount !== 0)
    throw unsupported(`${headCount} heads cannot share ${kvHeadCount} key/value heads.`);
  for (const { size, pairs } of shape.ropes) {
    const multiple = pairs === 'halves' ? 8 : 4;
    if (size % multiple !== 0 || size > headSize)
      throw unsupported(`The model rotates ${size} of ${headSize} dimensions of a head, in ${pairs}.`);
  }
}

/** The matrices in the order in which a step reads them, and the vectors that are copied. */
export function layOut({ shape, tensors }: ModelPlan): { matrices: Matrix[]; vectors: TensorPlan[] } {
  checkShape(shape);
  const matrices: Matrix[] = [];
  const vectors: TensorPlan[] = [];
  for (const tensor of tensors) {
    if (MATRICES.includes(tensor.role)) matrices.push(matrixOf(tensor));
    else if (VECTORS.includes(tensor.role)) vectors.push(vectorOf(tensor));
    else throw unsupported(`Tensor '${tensor.name}' has the role '${tensor.role}'.`);
  }
  const rank = ({ tensor: { role, layer } }: Matrix): number =>
    layer < 0 ? Infinity : layer * MATRICES.length + MATRICES.indexOf(role);
  matrices.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
  return { matrices, vectors };
}

function vectorOf(tensor: TensorPlan): TensorPlan {
  if (tensor.type === 'F32') return tensor;
  throw unsupported(`Tensor '${tensor.name}' is ${tensor.type}, expected F32.`);
}

function matrixOf(tensor: TensorPlan): Matrix {
  const { name, type, columns, rows } = tensor;
  const pack = packOf(type);
  if (columns % pack.columns !== 0) {
    throw unsupported(
      `Tensor '${name}' is ${type} with ${columns} columns, not a multiple of ${pack.columns}.`,
    );
  }
  const blocks = columns / pack.columns;
  return {
    tensor,
    pack,
    groups: Math.ceil(rows / 16),
    groupBytes: blocks * pack.blockBytes,
    fileGroupBytes: 16 * blocks * pack.fileBlockBytes,
  };
}

/** Bytes of one (layer, kv head) in a page of 64 positions. */
export function unitBytes(shape: ModelShape, kv: 'q8' | 'f32'): number {
  return kv === 'q8' ? 128 * shape.headSize + 512 : 512 * shape.headSize;
}
