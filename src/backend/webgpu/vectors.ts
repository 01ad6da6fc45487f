/**
 * The vectors of a model: kept as they came, since some are of use on the host, and in one buffer, from which a product binds
 * what it needs. Biases of tensors that are one product lie behind one another there, zeros where one of them has none.
 */
import type { ModelPlan, TensorRole } from '../session.ts';
import { USE } from './gpu-flags.ts';
import type { Gpu } from './gpu.ts';
import type { ProductName } from './placement.ts';

/** By `${role} ${layer}`. */
export type HostVectors = ReadonlyMap<string, Float32Array>;

const NORMS: readonly TensorRole[] = [
  'final-norm',
  'attention-norm',
  'ffn-norm',
  'post-attention-norm',
  'post-ffn-norm',
];
const BIASES: Partial<Record<ProductName, readonly TensorRole[]>> = {
  head: ['head-bias'],
  attend: ['query-bias', 'key-bias', 'value-bias'],
  'attention-output': ['attention-output-bias'],
  feed: ['gate-bias', 'up-bias'],
  down: ['down-bias'],
};

/** Bindings begin at multiples of it on every device. */
const ALIGNMENT_FLOATS = 64;

export class GpuVectors {
  readonly buffer: GPUBuffer;
  readonly #places: ReadonlyMap<string, { at: number; length: number }>;

  constructor(gpu: Gpu, { shape }: ModelPlan, vectors: HostVectors) {
    const places = new Map<string, { at: number; length: number }>();
    const pieces: Float32Array[] = [];
    let floats = 0;
    const add = (name: string, values: Float32Array): void => {
      places.set(name, { at: floats, length: values.length });
      pieces.push(values);
      floats += Math.ceil(values.length / ALIGNMENT_FLOATS) * ALIGNMENT_FLOATS;
    };
    const sizes = biasSizes(shape);
    for (const layer of [-1, ...Array.from({ length: shape.layerCount }, (_, i) => i)]) {
      for (const role of NORMS) {
        const values = vectors.get(`${role} ${layer}`);
        if (values) add(`${role} ${layer}`, values);
      }
      for (const [product, roles] of Object.entries(BIASES)) {
        const found = roles.map((role) => vectors.get(`${role} ${layer}`));
        if (found.every((values) => values === undefined)) continue;
        add(
          `${product} ${layer}`,
          joined(
            found,
            roles.map((role) => sizes[role] ?? 0),
          ),
        );
      }
    }
    const all = new Float32Array(Math.max(floats, ALIGNMENT_FLOATS));
    [...places.values()].forEach(({ at }, i) => all.set(pieces[i]!, at));
    this.#places = places;
    this.buffer = gpu.createBuffer(all.byteLength, USE.STORAGE | USE.COPY_DST, 'vectors');
    gpu.device.queue.writeBuffer(this.buffer, 0, all);
  }

  /** `name`: of a norm its role, of biases their product. Undefined where the model has none. */
  find(name: TensorRole | ProductName, layer: number): GPUBufferBinding | undefined {
    const place = this.#places.get(`${name} ${layer}`);
    if (!place) return undefined;
    return { buffer: this.buffer, offset: 4 * place.at, size: 4 * place.length };
  }
}

function joined(parts: readonly (Float32Array | undefined)[], sizes: readonly number[]): Float32Array {
  const out = new Float32Array(sizes.reduce((a, b) => a + b, 0));
  let at = 0;
  parts.forEach((part, i) => {
    if (part) out.set(part, at);
    at += sizes[i]!;
  });
  return out;
}

function biasSizes(shape: ModelPlan['shape']): Partial<Record<TensorRole, number>> {
  const { headSize, headCount, kvHeadCount, hiddenSize, ffnSize, vocabSize } = shape;
  return {
    'head-bias': vocabSize,
    'query-bias': headCount * headSize,
    'key-bias': kvHeadCount * headSize,
    'value-bias': kvHeadCount * headSize,
    'attention-output-bias': hiddenSize,
    'gate-bias': ffnSize,
    'up-bias': ffnSize,
    'down-bias': hiddenSize,
  };
}
