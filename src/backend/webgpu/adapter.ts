/**
 * Finds a GPU adapter and says what it is. The engine's own bundle holds this much of WebGPU and no more: the kernels are
 * a module that is loaded when they are used.
 */
import type { AdapterFacts, AdapterLimit } from './adapter-facts.ts';
import type { AdapterSource } from './gpu.ts';

/** The limits that decide what can be run. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly AdapterLimit[];

export type FoundAdapter =
  | { adapter: GPUAdapter; facts: AdapterFacts }
  /** Why there is none. */
  | { adapter: null; reason: string };

/** Of the browser; null where it has no WebGPU. */
export function browserGpu(): AdapterSource | null {
  return (Reflect.get(navigator, 'gpu') as AdapterSource | undefined) ?? null;
}

export async function findAdapter(source: AdapterSource | null): Promise<FoundAdapter> {
  if (!source) {
    const why = globalThis.isSecureContext
      ? 'This browser has no WebGPU'
      : 'WebGPU needs HTTPS (or localhost)';
    return { adapter: null, reason: `${why}.` };
  }
  try {
    const adapter = await source.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter) return { adapter, facts: factsOf(adapter) };
    return {
      adapter: null,
      reason: 'The browser has WebGPU and offers no adapter: no GPU, or one it blocks.',
    };
  } catch (error) {
    return {
      adapter: null,
      reason: `WebGPU failed: ${error instanceof Error ? error.message : String(error)}.`,
    };
  }
}

function factsOf({ info, features, limits }: GPUAdapter): AdapterFacts {
  const { vendor, architecture, device, description } = info;
  return {
    vendor,
    architecture,
    device,
    description,
    isSoftware:
      info.isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(`${architecture} ${description}`),
    features: [...features].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, limits[name]])) as AdapterFacts['limits'],
  };
}

/** For sentences: the most telling of its names. */
export function adapterName({ vendor, architecture, description }: AdapterFacts): string {
  return description || `${vendor} ${architecture}`.trim() || 'a GPU without a name';
}
