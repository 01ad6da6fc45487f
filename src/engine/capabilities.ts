/** Looks at what this browser on this device can do, without a model, and puts into words why not more. */
import { adapterName, browserGpu, findAdapter } from '../backend/webgpu/adapter.ts';
import type { AdapterSource } from '../backend/webgpu/gpu.ts';
import { canShareMemory, chooseSimd } from '../backend/wasm/index.ts';
import { SelvedgeError } from '../errors.ts';
import type { Capabilities } from '../rpc/capabilities.ts';
import { describeStorage } from '../storage/medium.ts';
import { MOST_THREADS, thisDevice } from './memory.ts';

export async function readCapabilities(gpu: AdapterSource | null = browserGpu()): Promise<Capabilities> {
  const [found, storage] = await Promise.all([findAdapter(gpu), describeStorage()]);
  const { deviceBytes, cores } = thisDevice();
  const isIsolated = canShareMemory();
  const facts: Omit<Capabilities, 'limitations'> = {
    adapter: found.adapter && found.facts,
    simd: simdLevel(),
    isIsolated,
    threads: isIsolated ? Math.min(MOST_THREADS, cores) : 1,
    memoryBytes: deviceBytes ?? null,
    storage,
  };
  return { ...facts, limitations: limitationsOf(facts, found.adapter ? '' : found.reason) };
}

function simdLevel(): Capabilities['simd'] {
  try {
    return chooseSimd('auto');
  } catch (error) {
    if (error instanceof SelvedgeError) return 'none';
    throw error;
  }
}

function limitationsOf(
  { adapter, simd, isIsolated, storage }: Omit<Capabilities, 'limitations'>,
  noAdapter: string,
): string[] {
  const found = [
    noAdapter,
    adapter?.isSoftware && `The only GPU is software (${adapterName(adapter)}): the CPU kernels are faster.`,
    simd === 'plain' &&
      'This browser has no relaxed SIMD in WebAssembly, with which the CPU is faster: update it.',
    simd === 'none' && 'This browser has no SIMD in WebAssembly, which the CPU kernels need: update it.',
    !isIsolated &&
      'The page is not cross-origin isolated, so one thread computes: send Cross-Origin-Opener-Policy: same-origin ' +
        'and Cross-Origin-Embedder-Policy: require-corp.',
    storage.medium === 'none' &&
      'The browser keeps nothing for this page, so models are downloaded on each visit.',
  ];
  return found.filter((sentence) => typeof sentence === 'string' && sentence !== '') as string[];
}
