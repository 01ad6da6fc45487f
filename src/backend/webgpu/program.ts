/**
 * What a step runs, in order: the embedding's rows, the dispatches of each layer (attend, attention, its output, the gated
 * product, the one that leads back), the head. Made once: a step writes a few numbers and encodes what is there. At most eight
 * dispatches a layer where its matrices are not in parts.
 */
import { assert } from '../../errors.ts';
import type { ModelShape, TensorRole } from '../session.ts';
import { addNormedSource } from './add-normed.ts';
import type { Dispatch } from './dispatch.ts';
import { embedGroups, embedSource } from './embed.ts';
import type { Gpu } from './gpu.ts';
import { USE } from './gpu-flags.ts';
import type { PlacedMatrix, Placement, ProductName } from './placement.ts';
import { bindingsOf } from './product.ts';
import type { ProductSpec } from './product.ts';
import { createProduct } from './products.ts';
import type { ProductBuffers } from './products.ts';
import { MAX_ROWS, STEP_BYTES } from './step.ts';
import type { Tuning } from './tuning.ts';
import type { GpuVectors } from './vectors.ts';

/** A model whose weights are on the GPU. */
export interface GpuModel {
  gpu: Gpu;
  shape: ModelShape;
  placement: Placement;
  vectors: GpuVectors;
  tuning: Tuning;
}

/** What steps are computed in: f32 rows but for `step`, `ids` and `wanted`. */
export interface StepBuffers {
  step: GPUBuffer;
  ids: GPUBuffer;
  /** Numbers of the rows that picks are wanted of. */
  wanted: GPUBuffer;
  /** The stream [rows][hidden], and what a block adds to it where that is normed. */
  x: GPUBuffer;
  branch: GPUBuffer;
  /** [rows][queries + 2 keys], [rows][queries], [rows][ffn]. */
  qkv: GPUBuffer;
  attended: GPUBuffer;
  inner: GPUBuffer;
}

export function createStepBuffers(gpu: Gpu, shape: ModelShape): StepBuffers {
  const { hiddenSize, ffnSize, headCount, kvHeadCount, headSize } = shape;
  const words = (name: string, width: number, use: number = USE.STORAGE | USE.COPY_SRC): GPUBuffer =>
    gpu.createBuffer(4 * MAX_ROWS * width, use, name);
  return {
    step: gpu.createBuffer(STEP_BYTES, USE.UNIFORM | USE.COPY_DST, 'step'),
    ids: words('ids', 1, USE.STORAGE | USE.COPY_DST),
    wanted: words('wanted', 1, USE.STORAGE | USE.COPY_DST),
    x: words('x', hiddenSize),
    branch: words('branch', hiddenSize),
    qkv: words('qkv', (headCount + 2 * kvHeadCount) * headSize),
    attended: words('attended', headCount * headSize),
    inner: words('inner', ffnSize),
  };
}

export async function embedDispatches(model: GpuModel, buffers: StepBuffers): Promise<Dispatch[]> {
  const { gpu, placement, shape } = model;
  const parts = placement.products.get('embedding -1')?.flatMap((matrix) => matrix.parts) ?? [];
  const { step, ids, x } = buffers;
  return Promise.all(
    parts.map(async ({ planes, firstRow, buffer }) => {
      const pipeline = await gpu.pipeline(embedSource(planes, firstRow, shape.scales.embedding), 'embed');
      const bindGroup = gpu.bindGroup(pipeline, [step, buffer, ids, x], 'embed');
      return { label: 'embed', pipeline, bindGroup, groups: ({ rows }) => embedGroups(planes, rows) };
    }),
  );
}

/** The products of a layer: `before` and `after` its attention. */
export async function layerDispatches(
  model: GpuModel,
  buffers: StepBuffers,
  layer: number,
): Promise<{ before: Dispatch[]; after: Dispatch[] }> {
  const { shape } = model;
  const { x, qkv, attended, inner } = buffers;
  const [before, output, feed, down] = await Promise.all([
    products(model, 'attend', layer, { step: buffers.step, x, out: qkv }, { norm: 'attention-norm' }),
    addedTo(model, buffers, 'attention-output', layer, attended, 'post-attention-norm'),
    products(
      model,
      'feed',
      layer,
      { step: buffers.step, x, out: inner },
      { norm: 'ffn-norm', gate: shape.activation },
    ),
    addedTo(model, buffers, 'down', layer, inner, 'post-ffn-norm'),
  ]);
  return { before, after: [...output, ...feed, ...down] };
}

/** A product whose outputs are added to the stream, normed first where the model does that. */
async function addedTo(
  model: GpuModel,
  { step, x, branch }: StepBuffers,
  name: ProductName,
  layer: number,
  input: GPUBuffer,
  norm: TensorRole,
): Promise<Dispatch[]> {
  const { gpu, shape, vectors } = model;
  const weights = vectors.find(norm, layer);
  const { residual } = shape.scales;
  if (!weights) {
    return products(model, name, layer, { step, x: input, out: x }, { store: 'add', scale: residual });
  }
  const source = addNormedSource(shape.hiddenSize, shape.normEpsilon, residual);
  const [product, pipeline] = await Promise.all([
    products(model, name, layer, { step, x: input, out: branch }, {}),
    gpu.pipeline(source, norm),
  ]);
  const bindGroup = gpu.bindGroup(pipeline, [step, branch, weights, x], norm);
  return [...product, { label: norm, pipeline, bindGroup, groups: ({ rows }) => [rows, 1, 1] }];
}

/** Logits of the rows that are wanted, `stride` floats each. */
export function headDispatches(
  model: GpuModel,
  { step, x, wanted }: StepBuffers,
  logits: GPUBuffer,
  stride: number,
): Promise<Dispatch[]> {
  const { shape } = model;
  const scale = shape.scales.logits;
  return products(model, 'head', -1, { step, x, out: logits, wanted }, { norm: 'final-norm', scale, stride });
}

interface ProductWishes {
  norm?: TensorRole;
  gate?: ModelShape['activation'];
  store?: ProductSpec['store'];
  scale?: number;
  /** Floats of a row of the output. Default: the outputs. */
  stride?: number;
}

/** One dispatch, or more where matrices are in parts or do not fit the bindings of one. */
async function products(
  model: GpuModel,
  name: ProductName,
  layer: number,
  buffers: ProductBuffers,
  wishes: ProductWishes,
): Promise<Dispatch[]> {
  const { gpu, shape, placement, vectors, tuning } = model;
  const { norm, gate, store = 'put', scale = 1, stride } = wishes;
  const source = name === 'head' && shape.tiedHead ? 'embedding' : name;
  const matrices = placement.products.get(`${source} ${layer}`);
  assert(matrices, `the model has a ${source} in layer ${layer}`);
  const normWeights = norm && vectors.find(norm, layer);
  const bias = vectors.find(name, layer);
  const spec: Omit<ProductSpec, 'matrices'> = {
    ...(gate ? { gate } : {}),
    ...(normWeights ? { norm: { epsilon: shape.normEpsilon } } : {}),
    bias: bias !== undefined,
    store,
    scale,
    wanted: name === 'head',
    outStride: stride ?? outputsOf(matrices, gate !== undefined),
  };
  const others = bindingsOf({ ...spec, matrices: [] }).length - 1;
  const most = gpu.limits.maxStorageBuffersPerShaderStage - others;
  return Promise.all(
    groupsOfParts(matrices, gate !== undefined, most).map((group) =>
      createProduct(
        gpu,
        name,
        { ...spec, matrices: group.map(({ planes, outAt }) => ({ planes, outAt })) },
        {
          ...buffers,
          ...Object.fromEntries(group.map(({ buffer }, i) => [`w${i}`, buffer])),
          ...(normWeights ? { norm: normWeights } : {}),
          ...(bias ? { bias } : {}),
        },
        tuning,
      ),
    ),
  );
}

function outputsOf(matrices: readonly PlacedMatrix[], isGated: boolean): number {
  const rows = matrices.map(({ parts }) => parts.reduce((sum, { planes }) => sum + planes.rows, 0));
  return isGated ? rows[0]! : rows.reduce((a, b) => a + b, 0);
}

type BoundPart = ProductSpec['matrices'][number] & { buffer: GPUBuffer };

/** Parts that one dispatch takes: of gate and up those of the same rows, of others as many as it can bind. */
function groupsOfParts(matrices: readonly PlacedMatrix[], isGated: boolean, most: number): BoundPart[][] {
  const bound = matrices.map(({ parts, outAt }) =>
    parts.map(({ planes, firstRow, buffer }) => ({
      planes,
      buffer,
      outAt: isGated ? firstRow : outAt + firstRow,
    })),
  );
  if (isGated) return bound[0]!.map((part, i) => [part, bound[1]![i]!]);
  const all = bound.flat();
  // Of a head in parts, each is limited to its own share of the candidates.
  const size = matrices.length === 1 ? 1 : most;
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
