/** The WebGPU backend: models on a GPU, by kernels that are generated for it. */
export { openGpu } from './gpu.ts';
export type { AdapterSource, Gpu, GpuFeatures } from './gpu.ts';
export type { GpuSessionOptions } from './session.ts';
export { createWebGpuSink } from './sink.ts';
export { WEBGPU_VERSION } from './version.ts';
