/**
 * Where a model will run. The CPU is always there; what may run on a GPU is settled by a module of its own, which is loaded
 * only when the browser offers a GPU that is worth a try. `why` says what decided, in words.
 */
import type { Placement, PlaceRequest } from '../backend/ladder/place.ts';
import type { OpenSink } from '../backend/ladder/one-layer.ts';
import { adapterName, browserGpu, findAdapter } from '../backend/webgpu/adapter.ts';
import type { AdapterSource } from '../backend/webgpu/gpu.ts';
import { chooseSimd, kernelsVersion } from '../backend/wasm/index.ts';
import { SelvedgeError } from '../errors.ts';
import { planModel } from '../model/architectures.ts';
import type { LoadRequest } from '../rpc/protocol.ts';
import type { ModelStore, OpenOptions } from '../storage/model-file.ts';
import { readVerdict, writeVerdict } from '../storage/verdicts.ts';
import { readModelHeader, withModelFile } from './weight-stream.ts';

/** The module that runs models on a GPU. */
export interface WebGpuModule {
  placeModel(request: PlaceRequest): Promise<Placement>;
}

export interface PlacementParts {
  store: ModelStore;
  createCpuSink: OpenSink;
  /** Default: the browser's. Null: it has no WebGPU. */
  gpu?: AdapterSource | null;
  /** Rejects where the script is not served. */
  loadWebGpu: () => Promise<WebGpuModule>;
}

export function onCpu(createSink: OpenSink, why: string): Placement {
  return { device: 'cpu', adapter: null, why, createSink, close() {} };
}

/** Throws `unsupported_device` where the GPU was asked for and cannot be had. */
export async function choosePlacement(
  request: LoadRequest,
  { open, cpuBecause = 'The CPU was asked for.' }: { open: OpenOptions; cpuBecause?: string | undefined },
  { store, createCpuSink, gpu: given, loadWebGpu }: PlacementParts,
): Promise<Placement> {
  const { device, source, options } = request;
  if (device === 'cpu') return onCpu(createCpuSink, cpuBecause);
  const refuse = (why: string, cause?: unknown): Placement => {
    if (device === 'auto') return onCpu(createCpuSink, why);
    throw new SelvedgeError('unsupported_device', `${why} Use device 'auto' or 'cpu'.`, {
      details: { param: 'device' },
      cause,
    });
  };
  const gpu = given === undefined ? browserGpu() : given;
  const found = await findAdapter(gpu);
  if (!found.adapter || !gpu) return refuse(found.adapter ? '' : found.reason);
  const { facts } = found;
  if (device === 'auto' && facts.isSoftware) {
    return refuse(`The only GPU is software (${adapterName(facts)}), which is slower.`);
  }
  let module: WebGpuModule;
  try {
    module = await loadWebGpu();
  } catch (error) {
    return refuse('The script webgpu.js could not be loaded: serve it beside engine.js.', error);
  }
  return module.placeModel({
    device,
    model: source.id,
    plan: await withModelFile(store, source, open, async (file) =>
      planModel(await readModelHeader(file, open)),
    ),
    options: { ...options, contextLength: 0 },
    gpu,
    adapter: facts,
    cpu: { createSink: createCpuSink, version: String(kernelsVersion(chooseSimd(options.simd))) },
    verdicts: { get: readVerdict, set: writeVerdict },
    readFile: (take) =>
      withModelFile(store, source, open, async (file) => {
        for await (const { offset, bytes } of file.read()) {
          open.signal?.throwIfAborted();
          if (take(offset, bytes)) return;
        }
      }),
    now: () => performance.now(),
  });
}
