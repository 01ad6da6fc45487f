/** What a device can do, and why not more. Types only: both programs compile this file. */
import type { AdapterFacts } from '../backend/webgpu/adapter-facts.ts';

export type { AdapterFacts };

export interface Capabilities {
  /** The GPU that the browser offers. `null`: none; `limitations` says why. */
  adapter: AdapterFacts | null;
  /** The WebAssembly SIMD of the CPU's kernels, which cannot run with 'none'. */
  simd: 'relaxed' | 'plain' | 'none';
  /** Whether memory can be shared with threads: the page has the headers that isolate it. */
  isIsolated: boolean;
  /** Most threads that a step can use. */
  threads: number;
  /** Of the device, as the browser rounds it; `null` where it does not say. */
  memoryBytes: number | null;
  storage: {
    /** Where models are kept. 'none': each visit downloads again. */
    medium: 'opfs' | 'indexeddb' | 'none';
    /** Of this origin, as the browser estimates it; `null` where it does not say. */
    quotaBytes: number | null;
    usedBytes: number | null;
  };
  /** Why not more: a sentence for each thing that is missing, and what helps. */
  limitations: string[];
}
