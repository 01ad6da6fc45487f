/**
 * A GPU with something taken away, around a real one: features and limits that its adapter does not have, a device that is
 * lost at the n-th submit, shaders that are changed on their way to the compiler. It is strict: what asks for more than is
 * offered fails as it would on such a device.
 */
import type { AdapterSource } from '../../src/backend/webgpu/gpu.ts';

export interface GpuLimitations {
  /** Features, of the adapter or of WGSL, that are not there. */
  without?: readonly string[];
  /** The most that the adapter offers. */
  limits?: Partial<Record<keyof GPUSupportedLimits, number>>;
  /** Whether a device is lost instead of its n-th submit, counted from 1. */
  lostAt?: (submit: number) => boolean;
  /** What the compiler gets of a shader. */
  changeShader?: (code: string, label: string) => string;
  info?: Partial<Record<keyof GPUAdapterInfo, string | boolean>>;
}

export function limitedGpu(limitations: GpuLimitations, gpu: GPU = navigator.gpu): AdapterSource {
  const { without = [] } = limitations;
  return {
    wgslLanguageFeatures: new Set([...gpu.wgslLanguageFeatures].filter((name) => !without.includes(name))),
    async requestAdapter(options) {
      const adapter = await gpu.requestAdapter(options);
      return adapter && limitAdapter(adapter, limitations);
    },
  };
}

function limitAdapter(adapter: GPUAdapter, limitations: GpuLimitations): GPUAdapter {
  const { without = [], limits: most = {}, info = {} } = limitations;
  const features = new Set([...adapter.features].filter((name) => !without.includes(name)));
  const limits = withValues(adapter.limits, (name, value) => Math.min(value, most[name] ?? value));
  const requestDevice: GPUAdapter['requestDevice'] = async (wanted = {}) => {
    for (const name of wanted.requiredFeatures ?? []) {
      if (!features.has(name)) throw new TypeError(`The adapter has no feature '${name}'.`);
    }
    for (const [name, value] of Object.entries(wanted.requiredLimits ?? {})) {
      if (value !== undefined && value > limits[name as keyof GPUSupportedLimits]) {
        throw new DOMException(`The adapter's ${name} is below ${value}.`, 'OperationError');
      }
    }
    return limitDevice(await adapter.requestDevice(wanted), limits, limitations);
  };
  return withProperties(adapter, {
    features,
    limits,
    info: withProperties(adapter.info, info),
    requestDevice,
  });
}

/** A real device: what belongs to it only knows itself, so it is changed in place. */
function limitDevice(
  device: GPUDevice,
  limits: GPUSupportedLimits,
  { lostAt, changeShader }: GpuLimitations,
): GPUDevice {
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  let submits = 0;
  queue.submit = (buffers) => {
    submits += 1;
    if (lostAt?.(submits)) device.destroy();
    else submit(buffers);
  };
  // Defaults of a real device may be above what this one is to have.
  const { maxBufferSize } = limits;
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    if (descriptor.size > maxBufferSize) {
      throw new RangeError(`A buffer of ${descriptor.size} bytes, where ${maxBufferSize} are the most.`);
    }
    return createBuffer(descriptor);
  };
  if (changeShader) {
    const createShaderModule = device.createShaderModule.bind(device);
    device.createShaderModule = ({ code, label = '', ...rest }) =>
      createShaderModule({ ...rest, label, code: changeShader(code, label) });
  }
  Object.defineProperty(device, 'limits', {
    value: withValues(device.limits, (name, value) => Math.min(value, limits[name])),
  });
  return device;
}

/** Platform objects keep their values in getters that refuse any other object. */
function withProperties<T extends object>(object: T, properties: object): T {
  return new Proxy(object, {
    get(target, name) {
      if (name in properties) return Reflect.get(properties, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function withValues(
  limits: GPUSupportedLimits,
  change: (name: keyof GPUSupportedLimits, value: number) => number,
): GPUSupportedLimits {
  return new Proxy(limits, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'number' ? change(name as keyof GPUSupportedLimits, value) : value;
    },
  });
}
