/**
 * Tiny random models made from a shape, without a file around them: any combination of what a `ModelShape` can say, whether or
 * not an architecture has it. For tests of backends; files are tiny-gguf.ts.
 */
import type {
  ModelPlan,
  ModelShape,
  RopeShape,
  TensorPlan,
  TensorRole,
  TensorType,
} from '../../src/backend/session.ts';
import { quantise } from '../models/quantise.ts';
import { seeded } from '../models/random.ts';

export interface MadeModel {
  plan: ModelPlan;
  bytes: Uint8Array;
}

export interface MadeOptions {
  /** Sizes default to two layers of 64, two heads of 32 and one key; layers are repeated to their count. */
  shape?: Partial<ModelShape>;
  /** Of the matrices; `types` overrides it by role. */
  type?: TensorType;
  types?: Partial<Record<TensorRole, TensorType>>;
  /** Which optional vectors there are. */
  with?: readonly TensorRole[];
  /** Spread of the biases. */
  biasSpread?: number;
  /** How many times as large the key biases, or the weights of the keys' or queries' norms, of some pairs are. */
  largeBiases?: Readonly<Record<number, number>>;
  largeNorms?: Readonly<Record<number, number>>;
  largeQueryNorms?: Readonly<Record<number, number>>;
  seed?: number;
}

export const ROPE: RopeShape = { base: 10_000, size: 32, pairs: 'neighbours', scaling: { kind: 'none' } };

function madeShape(changes: Partial<ModelShape>): ModelShape {
  const headSize = changes.headSize ?? 32;
  const layerCount = changes.layerCount ?? 2;
  const { layers = [{ window: 0, rope: 0 }] } = changes;
  return {
    architecture: 'made',
    hiddenSize: 64,
    headCount: 2,
    kvHeadCount: 1,
    headSize,
    ffnSize: 96,
    vocabSize: 320,
    contextLength: 1024,
    normEpsilon: 1e-5,
    ropes: [{ ...ROPE, size: headSize }],
    activation: 'silu',
    scales: { embedding: 1, attention: 1 / Math.sqrt(headSize), residual: 1, logits: 1 },
    tiedHead: true,
    ...changes,
    layerCount,
    layers: Array.from({ length: layerCount }, (_, i) => layers[i % layers.length]!),
  };
}

/** Rows and columns of a tensor by its role. */
function sizeOf(role: TensorRole, shape: ModelShape): [columns: number, rows: number] {
  const { hiddenSize, ffnSize, vocabSize, headSize } = shape;
  const [queries, keys] = [shape.headCount * headSize, shape.kvHeadCount * headSize];
  switch (role) {
    case 'embedding':
    case 'head':
      return [hiddenSize, vocabSize];
    case 'query':
      return [hiddenSize, queries];
    case 'key':
    case 'value':
      return [hiddenSize, keys];
    case 'attention-output':
      return [queries, hiddenSize];
    case 'gate':
    case 'up':
      return [hiddenSize, ffnSize];
    case 'down':
      return [ffnSize, hiddenSize];
    case 'query-bias':
      return [queries, 1];
    case 'gate-bias':
    case 'up-bias':
      return [ffnSize, 1];
    case 'head-bias':
      return [vocabSize, 1];
    case 'key-bias':
    case 'value-bias':
      return [keys, 1];
    case 'query-norm':
    case 'key-norm':
      return [headSize, 1];
    case 'rope-factors':
    case 'rope-factors-long':
    case 'rope-factors-short':
      return [shape.ropes[0]!.size / 2, 1];
    default:
      return [hiddenSize, 1];
  }
}

const LAYER_ROLES: readonly TensorRole[] = [
  'attention-norm',
  'query',
  'query-bias',
  'key',
  'key-bias',
  'value',
  'value-bias',
  'query-norm',
  'key-norm',
  'attention-output',
  'attention-output-bias',
  'post-attention-norm',
  'ffn-norm',
  'gate',
  'gate-bias',
  'up',
  'up-bias',
  'down',
  'down-bias',
  'post-ffn-norm',
];
const OUTER_ROLES: readonly TensorRole[] = [
  'rope-factors',
  'rope-factors-long',
  'rope-factors-short',
  'embedding',
  'final-norm',
  'head-bias',
];
const ALWAYS: readonly TensorRole[] = ['embedding', 'final-norm', 'attention-norm', 'ffn-norm'];

export function madeModel(options: MadeOptions): MadeModel {
  const shape = madeShape(options.shape ?? {});
  const random = seeded(options.seed ?? 1);
  const tensors: TensorPlan[] = [];
  const pieces: Uint8Array[] = [];
  let fileOffset = 64;
  const add = (role: TensorRole, layer: number): void => {
    const [columns, rows] = sizeOf(role, shape);
    if (rows === 1 && !ALWAYS.includes(role) && !options.with?.includes(role)) return;
    const type = rows === 1 ? 'F32' : (options.types?.[role] ?? options.type ?? 'Q8_0');
    const values = Float32Array.from({ length: columns * rows }, (_, i) => valueOf(role, i));
    const bytes = quantise(type, values);
    const { length: byteLength } = bytes;
    tensors.push({ name: `${role} ${layer}`, role, layer, type, columns, rows, fileOffset, byteLength });
    pieces.push(bytes);
    fileOffset += byteLength;
  };
  /** Norms and factors near one, biases as wide as asked for, matrices as wide as keeps activations near one. */
  const valueOf = (role: TensorRole, index: number): number => {
    const [columns] = sizeOf(role, shape);
    if (role.startsWith('rope-factors')) return 1 + 3 * random.next();
    const pair = (index % shape.headSize) % (shape.headSize / 2);
    if (role.endsWith('norm')) {
      const factor =
        (role === 'key-norm' && options.largeNorms?.[pair]) ||
        (role === 'query-norm' && options.largeQueryNorms?.[pair]) ||
        1;
      return factor * (1 + 0.2 * random.normal());
    }
    if (role.endsWith('bias')) {
      const factor = (role === 'key-bias' && options.largeBiases?.[pair]) || 1;
      return (options.biasSpread ?? 0.5) * factor * random.normal();
    }
    const spread = role === 'embedding' || role === 'head' ? 3 : 1;
    return (
      (spread * random.normal()) / (Math.sqrt(columns) * (role === 'embedding' ? shape.scales.embedding : 1))
    );
  };
  for (const role of OUTER_ROLES) add(role, -1);
  for (let layer = 0; layer < shape.layerCount; layer++) for (const role of LAYER_ROLES) add(role, layer);
  if (!shape.tiedHead) add('head', -1);
  const bytes = new Uint8Array(fileOffset);
  tensors.forEach((tensor, i) => bytes.set(pieces[i]!, tensor.fileOffset));
  return { plan: { shape, tensors }, bytes };
}
