/**
 * How fast a step is likely to read its weights here: one thread's reading of memory that no cache holds, measured in a
 * few milliseconds by a kernel that reads and compares, times what more threads have brought on the machines that were
 * measured. Arithmetic on packed weights takes longer than a comparison; EFFICIENCY says how much longer, on average over
 * the types.
 */
import { SelvedgeError } from '../../errors.ts';
import { Arena } from './arena.ts';
import { canShareMemory, chooseSimd, compileKernels, instantiateKernels } from './module.ts';

const TESTED_BYTES = 64 << 20;
const RUNS = 4;
const EFFICIENCY = 0.8;
/** A second thread has brought this much of the first; memory is the limit soon after. */
const FURTHER_THREAD = 0.6;
const MOST_THREADS = 3;

/** Bytes per second; undefined where the kernels cannot run, or the memory cannot be had. */
export async function measureReadSpeed(threads: number | 'auto'): Promise<number | undefined> {
  const shared = canShareMemory();
  try {
    const arena = new Arena(TESTED_BYTES, shared);
    const kernels = instantiateKernels(await compileKernels(chooseSimd('auto'), shared), arena.memory);
    const at = arena.allocate(TESTED_BYTES);
    // Memory that was never written is one page of zeros to the processor.
    arena.bytes(at, TESTED_BYTES).fill(1);
    let best = Infinity;
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now();
      kernels.argmax(at, TESTED_BYTES / 4);
      best = Math.min(best, performance.now() - start);
    }
    const cores = navigator.hardwareConcurrency || 1;
    const used = shared ? Math.min(MOST_THREADS, threads === 'auto' ? cores : threads) : 1;
    return ((EFFICIENCY * TESTED_BYTES) / (best / 1000)) * (1 + FURTHER_THREAD * (used - 1));
  } catch (error) {
    if (error instanceof SelvedgeError || error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}
