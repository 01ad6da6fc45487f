/**
 * Finds the device for a model and opens it: what was found before for this model, adapter and browser is remembered, and
 * found again when one of them has changed. This is what the engine loads of the GPU, and only when a model may run there.
 */
import type { ModelPlan, SessionOptions } from '../session.ts';
import type { AdapterFacts } from '../webgpu/adapter-facts.ts';
import type { AdapterSource } from '../webgpu/gpu.ts';
import { createWebGpuSink, openGpu, WEBGPU_VERSION } from '../webgpu/index.ts';
import { chooseDevice, gpuRefused, readVerdict } from './ladder.ts';
import type { Choice, Verdict } from './ladder.ts';
import { LayerParts } from './one-layer.ts';
import type { OpenSink } from './one-layer.ts';

/** What the engine gives. */
export interface PlaceRequest {
  /** 'auto': the faster device. */
  device: 'auto' | 'webgpu';
  model: string;
  plan: ModelPlan;
  options: SessionOptions;
  gpu: AdapterSource;
  adapter: AdapterFacts;
  cpu: { createSink: OpenSink; version: string };
  verdicts: VerdictMemory;
  /** Reads the file from its start until `take` returns true. */
  readFile(take: (offset: number, bytes: Uint8Array) => boolean): Promise<void>;
  now: () => number;
}

/** What was found, by what it depends on. */
export interface VerdictMemory {
  get(key: string): Promise<unknown>;
  set(key: string, verdict: Verdict): Promise<void>;
}

export interface Placement {
  device: 'cpu' | 'webgpu';
  /** Of the GPU that runs the model. */
  adapter: AdapterFacts | null;
  /** In sentences. */
  why: string;
  createSink: OpenSink;
  /** Gives the device back, once its sessions are disposed of. */
  close(): void;
}

/** Throws `unsupported_device` where the GPU was asked for and computes wrongly. */
export async function placeModel(request: PlaceRequest): Promise<Placement> {
  const { device, cpu, adapter } = request;
  const { verdict, gpu } = await choiceOf(request);
  const asked = device === 'webgpu' ? ['The GPU was asked for.'] : [];
  const why = [...asked, ...verdict.reasons].join(' ');
  if (gpu) {
    const createSink: OpenSink = (plan, options) => createWebGpuSink(gpu, plan, options);
    return { device: 'webgpu', adapter, why, createSink, close: () => gpu.destroy() };
  }
  if (device === 'webgpu') throw gpuRefused(verdict);
  return { device: 'cpu', adapter: null, why, createSink: cpu.createSink, close() {} };
}

/** What is remembered, or is found now. */
async function choiceOf(request: PlaceRequest): Promise<Choice> {
  const { gpu: source, verdicts } = request;
  const key = keyOf(request);
  const known = readVerdict(await verdicts.get(key));
  if (known) {
    const { device, without } = known;
    return { verdict: known, gpu: device === 'webgpu' ? await openGpu(source, { without }) : null };
  }
  const choice = await findChoice(request);
  await verdicts.set(key, choice.verdict);
  return choice;
}

async function findChoice(request: PlaceRequest): Promise<Choice> {
  const { device, plan, options, gpu, cpu, readFile, now } = request;
  const layer = new LayerParts(plan);
  await readFile((offset, bytes) => {
    layer.take(offset, bytes);
    return layer.isComplete;
  });
  return chooseDevice(
    { device, plan, options, layer },
    {
      openGpu: (without) => openGpu(gpu, { without }),
      createGpuSink: createWebGpuSink,
      createCpuSink: cpu.createSink,
      now,
    },
  );
}

/** All that a verdict depends on. Drivers show in what the adapter says of itself, or in the browser's version. */
function keyOf({ device, model, plan, options, adapter, cpu }: PlaceRequest): string {
  const { threads, simd, kv } = options;
  const types = plan.tensors.map(({ role, type }) => `${role} ${type}`);
  return JSON.stringify([
    [
      device,
      WEBGPU_VERSION,
      cpu.version,
      navigator.userAgent,
      navigator.hardwareConcurrency,
      threads,
      simd,
      kv,
    ],
    adapter,
    [model, plan.shape, [...new Set(types)]],
  ]);
}
