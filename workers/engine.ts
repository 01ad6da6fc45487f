/**
 * The engine's worker. The same script runs the kernels' threads, which know themselves by their name: a nested
 * worker needs no address of its own then. The build keeps what it imports of the GPU as a file beside it.
 */
import { runKernelThread, THREAD_NAME } from '../src/backend/wasm/threads.ts';
import { serve } from '../src/rpc/serve.ts';

declare const self: DedicatedWorkerGlobalScope;

if (self.name === THREAD_NAME) runKernelThread(self);
else serve(self, () => import('./webgpu.ts'));
