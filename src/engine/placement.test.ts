/**
 * Who is asked for a device, in which order, and what is said when one is not taken. The GPU and its module are made up:
 * what they compute is tested in browsers.
 */
import { expect, test } from 'vitest';
import { CONTENT } from '../../test/fakes/requests.ts';
import { createTableSession } from '../../test/fakes/table-session.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import type { PlaceRequest, Placement } from '../backend/ladder/place.ts';
import type { WeightSink } from '../backend/session.ts';
import type { AdapterSource } from '../backend/webgpu/gpu.ts';
import { SelvedgeError } from '../errors.ts';
import type { DeviceChoice } from '../rpc/protocol.ts';
import type { ModelFile, ModelStore } from '../storage/model-file.ts';
import { createModelLoader } from './load.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { WebGpuModule } from './placement.ts';

const PIECE = 512;
const bytes = tinyGguf({ type: 'Q8_0' });

/** What is needed of an adapter. */
function gpuWith(info: Partial<GPUAdapterInfo>): AdapterSource {
  const adapter = {
    features: new Set(['shader-f16']),
    limits: { maxBufferSize: 2 ** 28 },
    info: {
      vendor: 'acme',
      architecture: 'one',
      device: '',
      description: '',
      isFallbackAdapter: false,
      ...info,
    },
  };
  return { requestAdapter: async () => adapter as unknown as GPUAdapter };
}

const HARDWARE = gpuWith({});
const SOFTWARE = gpuWith({ description: 'SwiftShader Device' });

interface Setup {
  device: DeviceChoice;
  gpu: AdapterSource | null;
  /** What the module answers. */
  place?: (request: PlaceRequest) => Promise<Partial<Placement>>;
  loadWebGpu?: () => Promise<WebGpuModule>;
}

interface Seen {
  /** Devices whose sinks were made, in order. */
  sinks: string[];
  asked: PlaceRequest[];
  /** Bytes that the module took. */
  takenBytes: number;
  piecesRead: number;
  closed: number;
}

async function load(setup: Setup): Promise<{ loaded: Promise<LoadedModel>; seen: Seen }> {
  const seen: Seen = { sinks: [], asked: [], takenBytes: 0, piecesRead: 0, closed: 0 };
  const file: ModelFile = {
    id: 'tiny',
    byteLength: bytes.length,
    origin: 'opfs',
    kept: true,
    async *read() {
      for (let offset = 0; offset < bytes.length; offset += PIECE) {
        seen.piecesRead += 1;
        yield { offset, bytes: bytes.subarray(offset, offset + PIECE) };
      }
    },
    identity: () => 'abc',
    async close() {},
    async discard() {},
  };
  const store: ModelStore = {
    open: async () => file,
    openStart: () => Promise.reject(new Error('the whole file is wanted')),
    list: async () => [],
    delete: async () => false,
  };
  const sinkOn = (device: string) => async (): Promise<WeightSink> => {
    seen.sinks.push(device);
    return { write() {}, finish: async () => createTableSession({ vocabSize: 320 }), abort() {} };
  };
  const module: WebGpuModule = {
    async placeModel(request) {
      seen.asked.push(request);
      const { device, createSink = sinkOn('webgpu'), ...more } = (await setup.place?.(request)) ?? {};
      const close = (): void => void (seen.closed += 1);
      const gpu = { adapter: request.adapter, why: 'It is faster.', close };
      return { device: device ?? 'webgpu', createSink, ...gpu, ...more };
    },
  };
  const loader = createModelLoader(store, sinkOn('cpu'), {
    gpu: setup.gpu,
    loadWebGpu: setup.loadWebGpu ?? (async () => module),
  });
  const loaded = loader.loadModel(
    {
      source: { kind: 'url', url: 'https://models.test/tiny.gguf', id: 'tiny' },
      device: setup.device,
      options: { threads: 1, simd: 'auto', kv: 'q8', contextLength: 0 },
      draft: null,
      content: CONTENT,
      speculation: null,
    },
    {},
  );
  await loaded.catch(() => {});
  return { loaded, seen };
}

test('the CPU that was asked for is taken, and nobody asks for an adapter', async () => {
  const gpu: AdapterSource = { requestAdapter: () => Promise.reject(new Error('asked')) };
  const { loaded, seen } = await load({ device: 'cpu', gpu });
  expect((await loaded).placement).toEqual({ adapter: null, why: 'The CPU was asked for.' });
  expect([seen.sinks, seen.asked]).toEqual([['cpu'], []]);
});

test.each<[string, AdapterSource | null, RegExp]>([
  ['no WebGPU', null, /WebGPU/],
  ['no adapter', { requestAdapter: async () => null }, /offers no adapter/],
  ['a GPU that is software', SOFTWARE, /only GPU is software \(SwiftShader Device\)/],
])('with %s the CPU runs the model and says why', async (_, gpu, sentence) => {
  const { loaded, seen } = await load({ device: 'auto', gpu });
  const { placement } = await loaded;
  expect(placement.adapter).toBeNull();
  expect(placement.why).toMatch(sentence);
  expect([seen.sinks, seen.asked]).toEqual([['cpu'], []]);
});

test.each<[string, AdapterSource | null]>([
  ['no WebGPU', null],
  ['no adapter', { requestAdapter: async () => null }],
])('a GPU that was asked for is an error with %s', async (_, gpu) => {
  const { loaded, seen } = await load({ device: 'webgpu', gpu });
  await expect(loaded).rejects.toMatchObject({ code: 'unsupported_device', details: { param: 'device' } });
  expect(seen.sinks).toEqual([]);
});

test('a GPU that is software is tried where it was asked for', async () => {
  const { loaded, seen } = await load({ device: 'webgpu', gpu: SOFTWARE });
  expect((await loaded).placement.adapter).toMatchObject({ isSoftware: true });
  expect([seen.sinks, seen.asked.length]).toEqual([['webgpu'], 1]);
});

test('a GPU is settled by the module, which reads of the file what it wants', async () => {
  const { loaded, seen } = await load({
    device: 'auto',
    gpu: HARDWARE,
    async place({ readFile, plan, device, adapter }) {
      expect([device, adapter.vendor, plan.shape.layerCount]).toEqual(['auto', 'acme', 2]);
      let end = 0;
      await readFile((offset, piece) => {
        expect(offset).toBe(end);
        end = offset + piece.length;
        return end >= 3 * PIECE;
      });
      expect(end).toBe(3 * PIECE);
      return {};
    },
  });
  const { placement } = await loaded;
  expect(placement).toMatchObject({
    why: 'It is faster.',
    adapter: { vendor: 'acme', features: ['shader-f16'] },
  });
  expect([seen.sinks, seen.closed]).toEqual([['webgpu'], 0]);
});

test('a module that is not served is said, and the CPU runs the model', async () => {
  const loadWebGpu = (): Promise<never> => Promise.reject(new TypeError('404'));
  const { loaded } = await load({ device: 'auto', gpu: HARDWARE, loadWebGpu });
  expect((await loaded).placement.why).toContain('webgpu.js could not be loaded');
  const asked = await load({ device: 'webgpu', gpu: HARDWARE, loadWebGpu });
  await expect(asked.loaded).rejects.toMatchObject({ code: 'unsupported_device' });
});

test('a GPU without memory for the model gives way to the CPU, unless it was asked for', async () => {
  const place = async (): Promise<Partial<Placement>> => ({
    createSink: () => Promise.reject(new SelvedgeError('out_of_memory', 'The GPU has no more memory.')),
  });
  const { loaded, seen } = await load({ device: 'auto', gpu: HARDWARE, place });
  expect((await loaded).placement).toMatchObject({
    adapter: null,
    why: 'It is faster. But the GPU failed: The GPU has no more memory.',
  });
  expect([seen.sinks, seen.closed]).toEqual([['cpu'], 1]);
  const asked = await load({ device: 'webgpu', gpu: HARDWARE, place });
  await expect(asked.loaded).rejects.toMatchObject({ code: 'out_of_memory' });
  expect(asked.seen.closed).toBe(1);
});

test('a bug of a kernel is not hidden by the CPU', async () => {
  const place = async (): Promise<Partial<Placement>> => ({
    createSink: () => Promise.reject(new Error('selvedge: the GPU refused a command')),
  });
  const { loaded } = await load({ device: 'auto', gpu: HARDWARE, place });
  await expect(loaded).rejects.toThrow('refused a command');
});
