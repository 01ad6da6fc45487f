/**
 * From weights on the GPU to a session: compiles what its steps run, finds what keys are stored relative to, and makes sure
 * that a row has the same bits in every step. Where it has not, the widest kernels do all widths.
 */
import { SelvedgeError } from '../../errors.ts';
import { rotationOf } from '../rotation.ts';
import type { Rotation } from '../rotation.ts';
import type { ModelPlan, Session, SessionOptions } from '../session.ts';
import { createAttention } from './attention.ts';
import { strideOf } from './logits.ts';
import { embedDispatches, layerDispatches } from './program.ts';
import type { GpuModel, StepBuffers } from './program.ts';
import { createGpuSampler } from './sampling.ts';
import { WebGpuSession } from './session.ts';
import type { GpuSessionOptions } from './session.ts';
import type { HostVectors } from './vectors.ts';

export interface Opening {
  plan: ModelPlan;
  options: SessionOptions & GpuSessionOptions;
  vectors: HostVectors;
  buffers: StepBuffers;
}

/** Throws `unsupported_device` where a row has other bits in one step than in another, whatever is done. */
export async function openSession(model: GpuModel, opening: Opening): Promise<Session> {
  const { widths } = model.tuning;
  for (const fewer of [widths, widths.slice(-1)]) {
    const session = await tryWidths({ ...model, tuning: { ...model.tuning, widths: fewer } }, opening);
    if (session) return session;
  }
  throw new SelvedgeError(
    'unsupported_device',
    'This GPU computes a token otherwise alone than among others, so nothing can be relied on. Use the CPU.',
  );
}

/** Undefined if rows differ; what was made then is freed. */
async function tryWidths(
  model: GpuModel,
  { plan, options, vectors, buffers }: Opening,
): Promise<Session | undefined> {
  const { gpu, shape } = model;
  const contextLength = Math.min(options.contextLength, shape.contextLength);
  const [embed, ...products] = await Promise.all([
    embedDispatches(model, buffers),
    ...shape.layers.map((_, layer) => layerDispatches(model, buffers, layer)),
  ]);
  const sampler = await createGpuSampler(
    gpu,
    { vocabSize: shape.vocabSize, stride: strideOf(shape) },
    buffers.step,
  );
  const attention = await createAttention(gpu, {
    model: shape,
    kv: options.kv,
    contextLength,
    rotations: rotationsOf(plan, vectors, contextLength),
    vector: (role, layer) => vectors.get(`${role} ${layer}`),
    buffers,
  });
  const layers = products.map(({ before, after }, layer) => [...before, ...attention.layer(layer), ...after]);
  const parts = { model, buffers, attention, sampler, embed, layers, kinds: kindsOf(plan) };
  const session = new WebGpuSession(parts, options, contextLength);
  let isFine = false;
  try {
    await session.prepare();
    isFine = await session.isRowInvariant();
    return isFine ? session : undefined;
  } finally {
    if (!isFine) session.freeParts();
  }
}

function kindsOf({ shape, tensors }: ModelPlan): string[] {
  return shape.layers.map(({ window, rope }, index) => {
    const own = tensors.filter(({ layer }) => layer === index).map(({ role, type }) => `${role} ${type}`);
    return [window, rope, ...own.toSorted()].join();
  });
}

function rotationsOf({ shape }: ModelPlan, vectors: HostVectors, contextLength: number): Rotation[] {
  const [plain, long, short] = ['rope-factors', 'rope-factors-long', 'rope-factors-short'].map((role) =>
    vectors.get(`${role} -1`),
  );
  return shape.ropes.map((rope) => rotationOf(rope, { plain, long, short }, contextLength));
}
