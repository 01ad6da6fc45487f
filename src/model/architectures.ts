/**
 * The architectures as data: one row each, saying which tensors a model has, what they are for and what shape
 * they must have. `planModel` turns the header of a file into a `ModelPlan`, or says which tensor or entry is wrong.
 *
 * A new architecture whose arithmetic the backends already know is a new row.
 */
import { SelvedgeError } from '../errors.ts';
import type {
  ModelPlan,
  ModelShape,
  RopeShape,
  TensorPlan,
  TensorRole,
  TensorType,
} from '../backend/session.ts';
import type { GgufHeader, GgufTensor } from './gguf.ts';
import { Metadata } from './metadata.ts';
import { readShape } from './shape.ts';

/** A number of the shape that a dimension must equal. */
export type Dimension = 'hidden' | 'ffn' | 'vocab' | 'queries' | 'keys' | 'rope-pairs' | 'one';

export interface TensorRow {
  /** `{}` stands for the layer. */
  name: string;
  role: TensorRole;
  columns: Dimension;
  rows: Dimension;
  optional?: true;
}

export interface Architecture {
  name: string;
  ropePairs: RopeShape['pairs'];
  tensors: readonly TensorRow[];
}

const LLAMA: Architecture = {
  name: 'llama',
  ropePairs: 'neighbours',
  tensors: [
    { name: 'token_embd.weight', role: 'embedding', columns: 'hidden', rows: 'vocab' },
    { name: 'output_norm.weight', role: 'final-norm', columns: 'hidden', rows: 'one' },
    // Without it the embedding is the output projection too.
    { name: 'output.weight', role: 'head', columns: 'hidden', rows: 'vocab', optional: true },
    { name: 'rope_freqs.weight', role: 'rope-factors', columns: 'rope-pairs', rows: 'one', optional: true },
    { name: 'blk.{}.attn_norm.weight', role: 'attention-norm', columns: 'hidden', rows: 'one' },
    { name: 'blk.{}.attn_q.weight', role: 'query', columns: 'hidden', rows: 'queries' },
    { name: 'blk.{}.attn_k.weight', role: 'key', columns: 'hidden', rows: 'keys' },
    { name: 'blk.{}.attn_v.weight', role: 'value', columns: 'hidden', rows: 'keys' },
    { name: 'blk.{}.attn_output.weight', role: 'attention-output', columns: 'queries', rows: 'hidden' },
    { name: 'blk.{}.ffn_norm.weight', role: 'ffn-norm', columns: 'hidden', rows: 'one' },
    { name: 'blk.{}.ffn_gate.weight', role: 'gate', columns: 'hidden', rows: 'ffn' },
    { name: 'blk.{}.ffn_up.weight', role: 'up', columns: 'hidden', rows: 'ffn' },
    { name: 'blk.{}.ffn_down.weight', role: 'down', columns: 'ffn', rows: 'hidden' },
  ],
};

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([LLAMA].map((row) => [row.name, row]));

const MATRIX_TYPES: readonly TensorType[] = ['F32', 'F16', 'Q4_1', 'Q8_0'];

/** The plan of the model in a file, checked: every tensor is there, known, and of the right shape. */
export function planModel(header: GgufHeader): ModelPlan {
  const metadata = new Metadata(header.metadata);
  const name = metadata.string('general.architecture');
  const architecture = ARCHITECTURES.get(name ?? '');
  if (!architecture) {
    throw new SelvedgeError(
      'unsupported_model',
      `The file's architecture is ${name ?? 'not stated'}; supported: ${[...ARCHITECTURES.keys()].join(', ')}.`,
    );
  }
  const tiedHead = !header.tensors.some((tensor) => tensor.name === 'output.weight');
  const shape = readShape(metadata, architecture, tiedHead);
  return { shape, tensors: planTensors(header.tensors, architecture, shape) };
}

interface Expected {
  row: TensorRow;
  layer: number;
}

function planTensors(
  tensors: readonly GgufTensor[],
  architecture: Architecture,
  shape: ModelShape,
): TensorPlan[] {
  // No more layers than tensors are looked for: the count may be absurd.
  const missing = new Map<string, Expected>();
  const layers = Math.min(shape.layerCount, tensors.length + 1);
  for (const row of architecture.tensors) {
    if (!row.name.includes('{}')) missing.set(row.name, { row, layer: -1 });
    else for (let layer = 0; layer < layers; layer++) missing.set(nameOf(row, layer), { row, layer });
  }
  const plans = tensors.map((tensor) => {
    const expected = missing.get(tensor.name);
    if (!expected) {
      throw new SelvedgeError(
        'unsupported_model',
        `The tensor ${tensor.name} has no place in a ${architecture.name} model of ${shape.layerCount} layers. ` +
          'The model is of a variant that is not supported.',
      );
    }
    missing.delete(tensor.name);
    return planTensor(tensor, expected, shape);
  });
  for (const [name, { row }] of missing) {
    if (row.optional) continue;
    throw new SelvedgeError('invalid_model', `The tensor ${name} is missing. Download the file again.`);
  }
  return plans;
}

function nameOf(row: TensorRow, layer: number): string {
  return row.name.replace('{}', String(layer));
}

function planTensor(tensor: GgufTensor, { row, layer }: Expected, shape: ModelShape): TensorPlan {
  const { name, dims, fileOffset, byteLength } = tensor;
  const [columns = 1, rows = 1, ...rest] = dims;
  const expected = [dimension(row.columns, shape), dimension(row.rows, shape)];
  if (columns !== expected[0] || rows !== expected[1] || rest.some((dim) => dim !== 1)) {
    throw new SelvedgeError(
      'invalid_model',
      `Tensor ${name} has the shape ${dims.join(' x ')}, but the metadata say ${expected.join(' x ')}. ` +
        'The file was converted wrongly.',
    );
  }
  return {
    name,
    role: row.role,
    layer,
    type: supportedType(tensor, row),
    columns,
    rows,
    fileOffset,
    byteLength,
  };
}

function supportedType({ name, type }: GgufTensor, row: TensorRow): TensorType {
  const supported = row.rows === 'one' ? MATRIX_TYPES.slice(0, 1) : MATRIX_TYPES;
  const found = supported.find((candidate) => candidate === type.name);
  if (found) return found;
  throw new SelvedgeError(
    'unsupported_model',
    `Tensor ${name} has the type ${type.name}; supported here: ${supported.join(', ')}. ` +
      'Use a Q4_1 or Q8_0 file of the model.',
  );
}

function dimension(of: Dimension, shape: ModelShape): number {
  switch (of) {
    case 'hidden':
      return shape.hiddenSize;
    case 'ffn':
      return shape.ffnSize;
    case 'vocab':
      return shape.vocabSize;
    case 'queries':
      return shape.headCount * shape.headSize;
    case 'keys':
      return shape.kvHeadCount * shape.headSize;
    case 'rope-pairs':
      return shape.ropes[0]!.size / 2;
    case 'one':
      return 1;
    default:
      return of satisfies never;
  }
}
