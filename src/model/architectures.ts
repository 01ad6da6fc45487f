/**
 * Turns the header of a file into a `ModelPlan` by the row of its architecture, or says which tensor or entry is
 * wrong. A fused tensor becomes several plans of consecutive bytes, so that backends know matrices of one purpose only.
 */
import { SelvedgeError } from '../errors.ts';
import type { ModelPlan, ModelShape, TensorPlan, TensorType } from '../backend/session.ts';
import { ARCHITECTURES } from './architecture-table.ts';
import type { Architecture, Dimension, TensorRow } from './architecture-table.ts';
import type { GgufHeader, GgufTensor } from './gguf.ts';
import { Metadata } from './metadata.ts';
import { readShape } from './shape.ts';

const VECTOR_TYPES: readonly TensorType[] = ['F32'];
const MATRIX_TYPES: readonly TensorType[] = [
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
];

/** The plan of the model in a file, checked: every tensor is there, known, and of the right shape. */
export function planModel(header: GgufHeader): ModelPlan {
  const metadata = new Metadata(header.metadata);
  const architecture = architectureOf(metadata);
  const names = new Set(header.tensors.map(({ name }) => name));
  const shape = readShape(metadata, architecture, (name) => names.has(name));
  return { shape, tensors: planTensors(header.tensors, architecture, shape) };
}

function architectureOf(metadata: Metadata): Architecture {
  const name = metadata.string('general.architecture');
  const known = ARCHITECTURES.get(name ?? '');
  if (known) return known;
  const supported = [...ARCHITECTURES.keys()].join(', ');
  throw new SelvedgeError(
    'unsupported_model',
    name === undefined
      ? `The file states no architecture; supported are ${supported}.`
      : `The model's architecture is ${name.slice(0, 40)}${kindOf(metadata, name)}; supported are ${supported}.`,
  );
}

/** Why an architecture is not merely unknown. */
function kindOf(metadata: Metadata, name: string): string {
  const has = (prefix: string): boolean => metadata.keys(`${name}.${prefix}`).length > 0;
  if (has('ssm.') || has('wkv.') || has('shortconv.')) return ', which has recurrent layers';
  return has('expert_count') ? ', a mixture of experts' : '';
}

/** Where a tensor belongs. */
interface Place {
  row: TensorRow;
  /** -1 outside the layers. */
  layer: number;
}

function planTensors(
  tensors: readonly GgufTensor[],
  architecture: Architecture,
  shape: ModelShape,
): TensorPlan[] {
  const places = placesOf(architecture, Math.min(shape.layerCount, tensors.length + 1));
  const filled = new Set<string>();
  const plans = tensors.flatMap((tensor) => {
    const place = places.get(tensor.name);
    const parts = place ? planParts(tensor, place, shape) : [];
    if (parts.length === 0 || parts.some((part) => filled.has(keyOf(part)))) {
      throw new SelvedgeError(
        'unsupported_model',
        `The tensor ${tensor.name} has no place in a ${architecture.name} model of ${shape.layerCount} layers. ` +
          'The model is of a variant that is not supported.',
      );
    }
    for (const part of parts) filled.add(keyOf(part));
    return parts;
  });
  for (const [name, { row, layer }] of places) {
    if (row.optional || row.parts.every(({ role }) => filled.has(keyOf({ role, layer })))) continue;
    throw new SelvedgeError('invalid_model', `The tensor ${name} is missing. Download the file again.`);
  }
  return plans;
}

function keyOf({ role, layer }: Pick<TensorPlan, 'role' | 'layer'>): string {
  return `${role} ${layer}`;
}

/** By the names of tensors. `layers`: no more than tensors are looked for, since the count may be absurd. */
function placesOf({ tensors }: Architecture, layers: number): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const row of tensors) {
    if (!row.name.includes('{}')) places.set(row.name, { row, layer: -1 });
    else {
      for (let layer = 0; layer < layers; layer++) {
        places.set(row.name.replace('{}', String(layer)), { row, layer });
      }
    }
  }
  return places;
}

function planParts(tensor: GgufTensor, { row, layer }: Place, shape: ModelShape): TensorPlan[] {
  const { name, dims, fileOffset, byteLength } = tensor;
  const sizes = row.parts.map(({ size }) => dimension(size, shape));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const columns = row.columns && dimension(row.columns, shape);
  const expected = columns === undefined ? [total] : [columns, total];
  if (dims.some((dim, axis) => dim !== (expected[axis] ?? 1)) || dims.length < expected.length) {
    throw new SelvedgeError(
      'invalid_model',
      `Tensor ${name} has the shape ${dims.join(' x ')}, but the metadata say ${expected.join(' x ')}. ` +
        'The file was converted wrongly.',
    );
  }
  const type = supportedType(tensor, columns === undefined ? VECTOR_TYPES : MATRIX_TYPES);
  // Of a row, or of a value of a vector: blocks do not cross rows.
  const unitBytes = byteLength / total;
  let at = fileOffset;
  return row.parts.map(({ role }, index) => {
    const size = sizes[index]!;
    const extent = columns === undefined ? { columns: size, rows: 1 } : { columns, rows: size };
    const part = { name, role, layer, type, ...extent, fileOffset: at, byteLength: size * unitBytes };
    at += part.byteLength;
    return part;
  });
}

function supportedType({ name, type }: GgufTensor, supported: readonly TensorType[]): TensorType {
  const found = supported.find((candidate) => candidate === type.name);
  if (found) return found;
  throw new SelvedgeError(
    'unsupported_model',
    `Tensor ${name} has the type ${type.name}; supported here: ${supported.join(', ')}. ` +
      'Use another file of the model, such as Q4_K_M or Q8_0.',
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
    case 'head':
      return shape.headSize;
    case 'rope-pairs':
      return shape.ropes[0]!.size / 2;
    default:
      return of satisfies never;
  }
}
