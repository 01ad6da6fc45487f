/**
 * Which device runs a model, and how: the GPU is tried with one layer of the model. What computes wrongly loses features of
 * its kernels one by one and then its place; where the choice is free, the faster of GPU and CPU runs the model. The verdict
 * is plain data that can be remembered, with why in words.
 */
import { SelvedgeError } from '../../errors.ts';
import type { ModelPlan, Session, SessionOptions } from '../session.ts';
import type { Gpu, GpuFeatures, GpuSessionOptions } from '../webgpu/index.ts';
import type { LayerParts, OpenSink } from './one-layer.ts';
import { findFault } from './self-test.ts';
import { measureToken } from './token-time.ts';

export type GpuFeature = keyof GpuFeatures;

export interface Verdict {
  device: 'cpu' | 'webgpu';
  /** Features of the GPU that its kernels do without. */
  without: GpuFeature[];
  /** A sentence for each thing that decided. */
  reasons: string[];
}

/** How the ladder reaches what it compares. */
export interface Candidates {
  openGpu(without: readonly GpuFeature[]): Promise<Gpu>;
  createGpuSink(gpu: Gpu, plan: ModelPlan, options: SessionOptions & GpuSessionOptions): ReturnType<OpenSink>;
  createCpuSink: OpenSink;
  now: () => number;
}

export interface Question {
  /** 'webgpu': the GPU unless it computes wrongly; 'auto': the faster of both. */
  device: 'auto' | 'webgpu';
  layer: LayerParts;
  /** Of the whole model. */
  plan: ModelPlan;
  options: SessionOptions;
}

/** In the order in which drivers get them wrong. */
const DROPPED_FIRST: readonly GpuFeature[] = ['subgroups', 'f16', 'packedDot'];
/** Enough for all steps of test and timing, and a whole block of the cache. */
const CONTEXT = 64;

export interface Choice {
  verdict: Verdict;
  /** The GPU that was chosen, with what was compiled for it; whoever asked destroys it. */
  gpu: Gpu | null;
}

export async function chooseDevice(question: Question, candidates: Candidates): Promise<Choice> {
  const options = { ...question.options, contextLength: CONTEXT };
  const reference = await question.layer.open(1, candidates.createCpuSink, options);
  try {
    return await climb({ ...question, options }, reference, candidates);
  } finally {
    reference.dispose();
  }
}

async function climb(question: Question, reference: Session, candidates: Candidates): Promise<Choice> {
  const without: GpuFeature[] = [];
  const reasons: string[] = [];
  for (;;) {
    const gpu = await candidates.openGpu(without);
    let verdict: Verdict | undefined;
    try {
      const fault = await testGpu(gpu, question, reference, candidates);
      if (fault === null) {
        verdict = await race(gpu, question, candidates, { without, reasons });
      } else {
        const next = DROPPED_FIRST.find((feature) => gpu.features[feature]);
        if (next !== undefined) {
          without.push(next);
          reasons.push(`The GPU does without ${next}: with it ${fault}.`);
          continue;
        }
        verdict = { device: 'cpu', without, reasons: [...reasons, `The GPU is not used: ${fault}.`] };
      }
      return { verdict, gpu: verdict.device === 'webgpu' ? gpu : null };
    } finally {
      if (verdict?.device !== 'webgpu') gpu.destroy();
    }
  }
}

/** A kernel that does not compile, or a device that is lost, is a fault of the GPU's as well. */
async function testGpu(
  gpu: Gpu,
  { layer, options }: Question,
  reference: Session,
  { createGpuSink }: Candidates,
): Promise<string | null> {
  try {
    const session = await layer.open(
      1,
      (plan, how) => createGpuSink(gpu, plan, { ...how, keepLogits: true }),
      options,
    );
    try {
      return await findFault(reference, session, layer.vocabSize);
    } finally {
      session.dispose();
    }
  } catch (error) {
    return `it fails (${error instanceof Error ? error.message : String(error)})`;
  }
}

/** Where the choice is free. */
async function race(
  gpu: Gpu,
  { device: asked, layer, plan, options }: Question,
  { createGpuSink, createCpuSink, now }: Candidates,
  { without, reasons }: Pick<Verdict, 'without' | 'reasons'>,
): Promise<Verdict> {
  if (asked === 'webgpu') return { device: asked, without, reasons };
  const { layerCount } = plan.shape;
  const onGpu: OpenSink = (small, how) => createGpuSink(gpu, small, how);
  const gpuMs = await measureToken(layer, layerCount, onGpu, options, now);
  const cpuMs = await measureToken(layer, layerCount, createCpuSink, options, now);
  const device = gpuMs < cpuMs ? 'webgpu' : 'cpu';
  const times = `A token takes about ${gpuMs.toPrecision(2)} ms on the GPU and ${cpuMs.toPrecision(2)} ms on the CPU.`;
  return { device, without, reasons: [...reasons, times] };
}

/** A verdict that was remembered; undefined if it is not one. */
export function readVerdict(value: unknown): Verdict | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { device, without, reasons } = value as Partial<Record<keyof Verdict, unknown>>;
  if (device !== 'cpu' && device !== 'webgpu') return undefined;
  if (!Array.isArray(without) || !Array.isArray(reasons)) return undefined;
  return {
    device,
    without: DROPPED_FIRST.filter((feature) => without.includes(feature)),
    reasons: reasons.map(String),
  };
}

/** Why a GPU that was asked for by name does not run the model. */
export function gpuRefused({ reasons }: Verdict): SelvedgeError {
  return new SelvedgeError('unsupported_device', `${reasons.join(' ')} Use device 'auto' or 'cpu'.`, {
    details: { param: 'device' },
  });
}
