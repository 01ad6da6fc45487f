/**
 * The GPU as this room sees it: one device with all the limits that its adapter has, buffers and pipelines that are counted,
 * and errors that are typed. Nothing else here asks for an adapter, makes a buffer or submits.
 *
 * Whoever opens it destroys it; sessions on it free their own buffers. The device may be lost at any time: `check` says so
 * before a step and `lost` while nobody is looking. An error that no scope has caught is a bug, and is thrown by `check`.
 */
import { SelvedgeError } from '../../errors.ts';
import { COMPUTE_STAGE, READ_MODE } from './gpu-flags.ts';

/** What `navigator.gpu` has of use here. */
export type AdapterSource = Pick<GPU, 'requestAdapter'> & Partial<Pick<GPU, 'wgslLanguageFeatures'>>;

/** What kernels may be written with; each has a form that does without. */
export interface GpuFeatures {
  subgroups: boolean;
  f16: boolean;
  packedDot: boolean;
}

export interface GpuOptions {
  /** Features that are left alone although the adapter has them. */
  without?: readonly (keyof GpuFeatures)[];
}

/** `buffers` and `bytes` are alive, the others are of all time. */
export interface GpuCounters {
  buffers: number;
  bytes: number;
  pipelines: number;
  dispatches: number;
  submits: number;
  maps: number;
}

/** Raised from the defaults to what the adapter has. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** Throws `unsupported_device` where there is no adapter or it gives no device. */
export async function openGpu(source: AdapterSource, { without = [] }: GpuOptions = {}): Promise<Gpu> {
  const adapter = await source.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new SelvedgeError(
      'unsupported_device',
      'The browser has WebGPU but no adapter for it. Use the CPU, or allow hardware acceleration.',
    );
  }
  const has = (name: keyof GpuFeatures, present: boolean): boolean => present && !without.includes(name);
  const features = {
    subgroups: has('subgroups', adapter.features.has('subgroups')),
    f16: has('f16', adapter.features.has('shader-f16')),
    packedDot: has('packedDot', source.wgslLanguageFeatures?.has('packed_4x8_integer_dot_product') ?? false),
  };
  const requiredFeatures: GPUFeatureName[] = [
    ...(features.subgroups ? (['subgroups'] as const) : []),
    ...(features.f16 ? (['shader-f16'] as const) : []),
  ];
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  try {
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    return new Gpu(device, adapter.info, features);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SelvedgeError(
      'unsupported_device',
      `The GPU's adapter gives no device (${reason}). Use the CPU, or reload the page.`,
      { cause },
    );
  }
}

export class Gpu {
  readonly device: GPUDevice;
  readonly adapterInfo: GPUAdapterInfo;
  readonly limits: GPUSupportedLimits;
  readonly features: Readonly<GpuFeatures>;
  readonly counters: GpuCounters = {
    buffers: 0,
    bytes: 0,
    pipelines: 0,
    dispatches: 0,
    submits: 0,
    maps: 0,
  };
  /** Resolves when the device is lost, not when it is destroyed here. */
  readonly lost: Promise<SelvedgeError>;
  /** By source. */
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  #failure: Error | undefined;

  constructor(device: GPUDevice, adapterInfo: GPUAdapterInfo, features: GpuFeatures) {
    this.device = device;
    this.adapterInfo = adapterInfo;
    this.limits = device.limits;
    this.features = features;
    this.lost = new Promise((resolve) => {
      void device.lost.then(({ reason, message }) => {
        const error = lostError(message);
        this.#failure ??= error;
        if (reason !== 'destroyed') resolve(error);
      });
    });
    device.addEventListener('uncapturederror', ({ error }) => {
      this.#failure ??= new Error(`selvedge: the GPU refused a command: ${error.message}`);
    });
  }

  /** Throws what has gone wrong since the device was opened. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Zeroed. Throws `out_of_memory` for what no buffer can hold; what the device cannot hold is for `scoped` to find. */
  createBuffer(size: number, usage: GPUBufferUsageFlags, label: string): GPUBuffer {
    this.check();
    const bytes = Math.max(16, Math.ceil(size / 4) * 4);
    const most = this.limits.maxBufferSize;
    if (bytes > most)
      throw outOfMemory(`A buffer of ${bytes} bytes (${label}) is above this GPU's limit`, bytes, most);
    const buffer = this.device.createBuffer({ size: bytes, usage, label });
    this.counters.buffers += 1;
    this.counters.bytes += bytes;
    return buffer;
  }

  freeBuffer(buffer: GPUBuffer): void {
    this.counters.buffers -= 1;
    this.counters.bytes -= buffer.size;
    buffer.destroy();
  }

  /** Compiles the entry point `main`, once for each source. Throws a plain error if the source is wrong. */
  pipeline(wgsl: string, label: string): Promise<GPUComputePipeline> {
    const known = this.#pipelines.get(wgsl);
    if (known) return known;
    const layout = this.device.createPipelineLayout({ bindGroupLayouts: [this.#layoutOf(wgsl)] });
    const module = this.device.createShaderModule({ code: wgsl, label });
    const compute = { module, entryPoint: 'main' };
    const made = this.device.createComputePipelineAsync({ layout, compute, label });
    this.#pipelines.set(wgsl, made);
    this.counters.pipelines += 1;
    return made;
  }

  /** Sources that bind the same kinds of buffers have one layout, so they can share bind groups. */
  #layoutOf(wgsl: string): GPUBindGroupLayout {
    const kinds = [...wgsl.matchAll(/@binding\((\d+)\)\s*var<(uniform|storage, read|storage, read_write)>/g)]
      .toSorted(([, a], [, b]) => Number(a) - Number(b))
      .map(([, , kind]) => BINDING_TYPES[kind as keyof typeof BINDING_TYPES]);
    const key = kinds.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries = kinds.map((type, binding) => ({
        binding,
        visibility: COMPUTE_STAGE,
        buffer: { type },
      }));
      layout = this.device.createBindGroupLayout({ entries });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /** Binding n is the n-th of `buffers`. */
  bindGroup(
    pipeline: GPUComputePipeline,
    buffers: readonly (GPUBuffer | GPUBufferBinding)[],
    label: string,
  ): GPUBindGroup {
    const entries = buffers.map((buffer, binding) => ({
      binding,
      resource: 'buffer' in buffer ? buffer : { buffer },
    }));
    return this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries, label });
  }

  /**
   * Runs `work` and waits for the errors of its commands: `out_of_memory` where the device had no more, a plain error for
   * what is refused. For loading, not for steps.
   */
  async scoped<T>(work: () => T | Promise<T>): Promise<T> {
    this.check();
    for (const filter of ['internal', 'validation', 'out-of-memory'] as const)
      this.device.pushErrorScope(filter);
    let caught: (GPUError | null)[] = [];
    let result: T;
    try {
      result = await work();
    } finally {
      caught = await Promise.all([0, 1, 2].map(() => this.device.popErrorScope()));
    }
    const [memory, ...others] = caught;
    if (memory) {
      throw outOfMemory(
        `The GPU has no more memory (${memory.message})`,
        this.counters.bytes,
        this.limits.maxBufferSize,
      );
    }
    const refused = others.find((error) => error !== null);
    if (refused) throw new Error(`selvedge: the GPU refused a command: ${refused.message}`);
    this.check();
    return result;
  }

  submit(encoder: GPUCommandEncoder): void {
    this.device.queue.submit([encoder.finish()]);
    this.counters.submits += 1;
  }

  /** Waits until all that was submitted is done. Throws `device_lost`. */
  async finished(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone().catch(() => {});
    this.check();
  }

  /** The first `bytes` of a buffer that can be mapped, copied out. Throws `device_lost` when there is nothing to wait for. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    this.check();
    this.counters.maps += 1;
    try {
      await buffer.mapAsync(READ_MODE, 0, bytes);
    } catch (error) {
      await this.finished();
      throw error;
    }
    const copy = buffer.getMappedRange(0, bytes).slice(0);
    buffer.unmap();
    return copy;
  }

  destroy(): void {
    this.device.destroy();
  }
}

const BINDING_TYPES = {
  uniform: 'uniform',
  'storage, read': 'read-only-storage',
  'storage, read_write': 'storage',
} as const satisfies Record<string, GPUBufferBindingType>;

function lostError(message: string): SelvedgeError {
  return new SelvedgeError(
    'device_lost',
    `The GPU was lost (${message || 'no reason given'}). Load the model again, or use the CPU.`,
    { retryable: true },
  );
}

function outOfMemory(what: string, neededBytes: number, limitBytes: number): SelvedgeError {
  return new SelvedgeError('out_of_memory', `${what}. Choose a smaller model or the CPU.`, {
    details: { neededBytes, limitBytes },
  });
}
