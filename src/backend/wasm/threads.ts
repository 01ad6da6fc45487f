/**
 * Kernel threads: nested workers started from the engine worker's own script, which sees its name and calls
 * `runKernelThread`. Each shares the memory, runs its part of every step and never returns to its event loop until stopped.
 */
import type { Kernels } from './module.ts';
import { instantiateKernels } from './module.ts';

export const THREAD_NAME = 'selvedge-thread';

interface ThreadStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  thread: number;
}

const START_TIMEOUT_MS = 10_000;

/**
 * Starts threads 1..count-1 and returns their workers once all wait for a step. An empty list where nested workers cannot
 * be had: one thread is always possible.
 */
export async function startKernelThreads(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  count: number,
): Promise<Worker[]> {
  const workers: Worker[] = [];
  try {
    const starts = Array.from({ length: count - 1 }, (_, i) => {
      const worker = new Worker(self.location.href, { type: 'module', name: THREAD_NAME });
      workers.push(worker);
      return started(worker, { module, memory, thread: i + 1 });
    });
    await Promise.all(starts);
    return workers;
  } catch {
    for (const worker of workers) worker.terminate();
    return [];
  }
}

function started(worker: Worker, start: ThreadStart): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('A kernel thread did not start.')), START_TIMEOUT_MS);
    worker.onmessage = () => {
      clearTimeout(timer);
      resolve();
    };
    worker.onerror = () => {
      clearTimeout(timer);
      reject(new Error('A kernel thread could not be loaded.'));
    };
    worker.postMessage(start);
  });
}

/** The whole life of a kernel thread. */
export function runKernelThread(scope: DedicatedWorkerGlobalScope): void {
  scope.onmessage = ({ data }: MessageEvent<ThreadStart>) => {
    const kernels: Kernels = instantiateKernels(data.module, data.memory);
    const seen = kernels.lastStep();
    scope.postMessage('ready');
    kernels.runThread(data.thread, seen);
    scope.close();
  };
}
