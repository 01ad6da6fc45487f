/**
 * A model on the GPU by itself: what a step of one row and of several takes, what it is made of, and how fast this GPU copies
 * memory, which is what the weights could be read with.
 */
import { GREEDY } from '../../../src/backend/greedy.ts';
import type { Session } from '../../../src/backend/session.ts';
import { browserGpu, findAdapter } from '../../../src/backend/webgpu/adapter.ts';
import type { AdapterFacts } from '../../../src/backend/webgpu/adapter-facts.ts';
import { USE } from '../../../src/backend/webgpu/gpu-flags.ts';
import { createWebGpuSink, openGpu } from '../../../src/backend/webgpu/index.ts';
import type { Gpu } from '../../../src/backend/webgpu/index.ts';
import { planModel } from '../../../src/model/architectures.ts';
import { readGgufHeader } from '../../../src/model/gguf.ts';

declare const self: DedicatedWorkerGlobalScope;

export interface GpuRequest {
  url: string;
  runs: number;
}

export interface GpuReport {
  adapter: AdapterFacts;
  weightBytes: number;
  /** From the file in memory to a session. */
  openMs: number;
  /** Least of all runs, by rows of a step. */
  stepMs: Record<number, number>;
  /** Of a step of one row. */
  perStep: { dispatches: number; submits: number; maps: number };
  /** Bytes read and written in a second, copying more than any cache holds. */
  copyBytesPerSecond: number;
}

const WIDTHS = [1, 2, 4, 8, 16];
const POSITION = 32;
const COPIED_BYTES = 2 ** 28;
const COPIES = 4;

self.addEventListener('message', ({ data }: MessageEvent<GpuRequest>) => {
  measure(data).then(
    (result) => self.postMessage({ result }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
});

async function measure({ url, runs }: GpuRequest): Promise<GpuReport> {
  const source = browserGpu();
  const found = await findAdapter(source);
  if (!source || !found.adapter) throw new Error(found.adapter ? 'no WebGPU' : found.reason);
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const gpu = await openGpu(source);
  const start = performance.now();
  const session = await openModel(gpu, bytes);
  const openMs = performance.now() - start;
  const { weightBytes } = session.info().memory;
  const stepMs: Record<number, number> = {};
  for (const width of WIDTHS) stepMs[width] = await timeStep(session, width, runs);
  const before = { ...gpu.counters };
  await timeStep(session, 1, 1);
  const of = (name: 'dispatches' | 'submits' | 'maps'): number =>
    // Three steps: the prompt, which gives no pick, a warm-up and the one that is timed.
    gpu.counters[name] - before[name];
  const perStep = { dispatches: of('dispatches') / 3, submits: of('submits') / 3, maps: of('maps') / 2 };
  session.dispose();
  const copyBytesPerSecond = await timeCopy(gpu, runs);
  gpu.destroy();
  return { adapter: found.facts, weightBytes, openMs, stepMs, perStep, copyBytesPerSecond };
}

async function openModel(gpu: Gpu, bytes: Uint8Array): Promise<Session> {
  const plan = planModel(readGgufHeader(bytes));
  const options = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 512 } as const;
  const sink = await createWebGpuSink(gpu, plan, options);
  const start = plan.tensors[0]!.fileOffset;
  sink.write(start, bytes.subarray(start));
  return sink.finish();
}

/** A pick for every row, as when guesses are checked. */
async function timeStep(session: Session, width: number, runs: number): Promise<number> {
  const cache = session.createCache();
  const ids = Array.from({ length: width }, (_, i) => 100 + i);
  const requests = ids.map((_, row) => ({ row, sampling: GREEDY }));
  await session.step(
    Array.from({ length: POSITION }, (_, i) => 200 + i),
    cache,
    [],
  );
  let best = Infinity;
  for (let run = -1; run < runs; run++) {
    const start = performance.now();
    await session.step(ids, cache, requests);
    if (run >= 0) best = Math.min(best, performance.now() - start);
    cache.rewind(POSITION);
  }
  cache.dispose();
  return best;
}

async function timeCopy(gpu: Gpu, runs: number): Promise<number> {
  const { queue } = gpu.device;
  const size = Math.min(COPIED_BYTES, gpu.limits.maxBufferSize);
  const from = gpu.createBuffer(size, USE.COPY_SRC, 'copied from');
  const to = gpu.createBuffer(size, USE.COPY_DST, 'copied to');
  let best = Infinity;
  for (let run = -1; run < runs; run++) {
    const encoder = gpu.device.createCommandEncoder();
    for (let i = 0; i < COPIES; i++) encoder.copyBufferToBuffer(from, 0, to, 0, size);
    const start = performance.now();
    gpu.submit(encoder);
    await queue.onSubmittedWorkDone();
    if (run >= 0) best = Math.min(best, performance.now() - start);
  }
  return (2 * COPIES * size) / (best / 1000);
}
