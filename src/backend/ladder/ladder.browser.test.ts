/**
 * The ladder with every fault it must see, on a device whose session is the CPU's own with that fault: what is right and
 * wrong is then exact. The kernels of the GPU themselves are broken in webgpu's own test.
 */
import { afterEach, expect, test } from 'vitest';
import { tinyGguf } from '../../../test/models/tiny-gguf.ts';
import { planModel } from '../../model/architectures.ts';
import { readGgufHeader } from '../../model/gguf.ts';
import type { ModelPlan, Session, SessionOptions } from '../session.ts';
import { createWasmSink } from '../wasm/index.ts';
import { openGpu } from '../webgpu/gpu.ts';
import type { Gpu } from '../webgpu/gpu.ts';
import { chooseDevice, readVerdict } from './ladder.ts';
import type { Candidates, Question, Verdict } from './ladder.ts';
import { LayerParts } from './one-layer.ts';
import { findFault } from './self-test.ts';

const OPTIONS: SessionOptions = { threads: 1, simd: 'auto', kv: 'f32', contextLength: 64 };

/** What is done to the logits of a step. */
type Fault = (logits: Float32Array, step: number, idCount: number) => void;

const FAULTS: Record<string, [Fault, RegExp]> = {
  'numbers that are none': [(logits, step) => step === 1 && logits.fill(NaN, 7, 8), /numbers that are none/],
  'an infinity': [(logits, step) => step === 0 && logits.fill(Infinity, 7, 8), /numbers that are none/],
  zeros: [(logits) => logits.fill(0), /zeros/],
  'one row of zeros': [(logits, step) => step === 2 && logits.fill(0), /zeros/],
  'the logits of other tokens': [(logits) => logits.reverse(), /wrong by \d+ %/],
  'one wrong row': [(logits, step) => step === 1 && logits.reverse(), /wrong by \d+ %/],
  'another result each time': [(logits, step) => (logits[0]! *= 1 + step * 1e-6), /when it is asked again/],
  'rows that depend on their number': [
    (logits, _, idCount) => (logits[3]! *= 1 + idCount * 1e-6),
    /depends on the rows/,
  ],
};

const open: Session[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.dispose();
});

function disturbed(session: Session, fault: Fault): Session {
  let [steps, idCount] = [-1, 0];
  return {
    info: () => session.info(),
    blocks: session.blocks,
    createCache: () => session.createCache(),
    step(ids, ...rest) {
      steps += 1;
      idCount = ids.length;
      return session.step(ids, ...rest);
    },
    logits(index) {
      const logits = session.logits(index);
      fault(logits, steps, idCount);
      return logits;
    },
    dispose: () => session.dispose(),
  };
}

const bytes = tinyGguf({ type: 'Q4_1', layers: 2 });

function readLayer(): Pick<Question, 'layer' | 'plan'> {
  const header = readGgufHeader(bytes);
  const plan = planModel(header);
  const layer = new LayerParts(plan);
  layer.take(header.dataOffset, bytes.subarray(header.dataOffset));
  return { layer, plan };
}

async function openLayer(): Promise<Session> {
  const session = await readLayer().layer.open(1, createWasmSink, OPTIONS);
  open.push(session);
  return session;
}

test('a device that computes what the CPU does has no fault', async () => {
  expect(await findFault(await openLayer(), await openLayer(), 256)).toBeNull();
});

test.each(Object.entries(FAULTS))('%s are seen', async (_, [fault, sentence]) => {
  const found = await findFault(await openLayer(), disturbed(await openLayer(), fault), 256);
  expect(found).toMatch(sentence);
});

/** Milliseconds on the clock; a step takes what its device does. */
interface Clock {
  ms: number;
}

interface Setup {
  /** Undefined: none. */
  fault?: (gpu: Gpu) => Fault | undefined;
  gpuMs?: number;
  cpuMs?: number;
  createGpuSink?: Candidates['createGpuSink'];
}

/** A GPU whose sessions are the CPU's, with faults and times of its own; and the devices that were not given back. */
async function choose(
  device: Question['device'],
  { fault = () => undefined, gpuMs = 1, cpuMs = 1, createGpuSink }: Setup,
): Promise<{ verdict: Verdict; leaked: number }> {
  const clock: Clock = { ms: 0 };
  let leaked = 0;
  const sinkThatTakes =
    (ms: number, change: (session: Session) => Session) =>
    async (plan: ModelPlan, options: SessionOptions) => {
      const sink = await createWasmSink(plan, options);
      const finish = async (): Promise<Session> => {
        const session = change(await sink.finish());
        const step: Session['step'] = (...call) => {
          clock.ms += ms * plan.shape.layerCount;
          return session.step(...call);
        };
        return { ...session, step };
      };
      return { write: sink.write.bind(sink), abort: sink.abort.bind(sink), finish };
    };
  const { verdict, gpu: chosen } = await chooseDevice(
    { device, options: OPTIONS, ...readLayer() },
    {
      async openGpu(without) {
        const gpu = await openGpu(navigator.gpu, { without });
        leaked += 1;
        void gpu.device.lost.then(() => (leaked -= 1));
        return gpu;
      },
      createGpuSink:
        createGpuSink ??
        ((gpu, plan, options) =>
          sinkThatTakes(gpuMs, (session) => disturbed(session, fault(gpu) ?? (() => {})))(plan, options)),
      createCpuSink: sinkThatTakes(cpuMs, (session) => disturbed(session, () => {})),
      now: () => clock.ms,
    },
  );
  expect(chosen !== null).toBe(verdict.device === 'webgpu');
  chosen?.destroy();
  await expect.poll(() => leaked).toBe(0);
  return { verdict, leaked };
}

test.each([
  ['webgpu', 1, 2],
  ['cpu', 2, 1],
] as const)('the faster device runs the model: %s', async (device, gpuMs, cpuMs) => {
  const { verdict } = await choose('auto', { gpuMs, cpuMs });
  expect(verdict).toMatchObject({ device, without: [] });
  // Two layers and the head of 320 tokens instead of 256.
  expect(verdict.reasons).toEqual([expect.stringMatching(/^A token takes about \S+ ms on the GPU/)]);
});

test('a GPU that was asked for is taken although it is slower', async () => {
  const { verdict } = await choose('webgpu', { gpuMs: 9, cpuMs: 1 });
  expect(verdict).toEqual({ device: 'webgpu', without: [], reasons: [] });
});

test('a feature with which results are wrong is dropped, with the reason', async () => {
  const { verdict } = await choose('webgpu', {
    fault: (gpu) => (gpu.features.subgroups ? (logits) => logits.fill(0) : undefined),
  });
  expect(verdict).toEqual({
    device: 'webgpu',
    without: ['subgroups'],
    reasons: ['The GPU does without subgroups: with it it gives zeros.'],
  });
});

test('a GPU that is wrong without any feature loses its place, with the reason', async () => {
  const { verdict } = await choose('auto', { fault: () => (logits) => logits.fill(NaN), gpuMs: 0.1 });
  expect(verdict.device).toBe('cpu');
  expect(verdict.without).toEqual(['subgroups', 'packedDot']);
  expect(verdict.reasons.at(-1)).toBe('The GPU is not used: it gives numbers that are none.');
});

test('a GPU that fails is a GPU that is wrong', async () => {
  const createGpuSink = (): Promise<never> => Promise.reject(new Error('the compiler gave up'));
  const { verdict } = await choose('auto', { createGpuSink });
  expect(verdict.device).toBe('cpu');
  expect(verdict.reasons.at(-1)).toContain('the compiler gave up');
});

test('a verdict is remembered as data, and what is none is not one', async () => {
  const verdict: Verdict = { device: 'webgpu', without: ['f16'], reasons: ['A.'] };
  expect(readVerdict(structuredClone(verdict))).toEqual(verdict);
  expect(readVerdict({ ...verdict, without: ['f16', 'telepathy'] })).toEqual(verdict);
  for (const wrong of [null, 'cpu', {}, { device: 'npu', without: [], reasons: [] }, { device: 'cpu' }])
    expect(readVerdict(wrong)).toBeUndefined();
});
