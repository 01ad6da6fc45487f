/** The CPU backend: models in WebAssembly, on as many threads as the page may have. */
export { canShareMemory, chooseSimd, kernelsVersion } from './module.ts';
export { measureReadSpeed } from './read-speed.ts';
export { createWasmSink } from './sink.ts';
export { runKernelThread, THREAD_NAME } from './threads.ts';
