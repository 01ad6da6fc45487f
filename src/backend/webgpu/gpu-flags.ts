/**
 * The numbers of WebGPU's flag namespaces that are used here, by its specification: TypeScript's library for workers has their
 * types only, and not every worker has the globals.
 */

/** GPUBufferUsage */
export const USE = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
} as const;

/** GPUShaderStage.COMPUTE */
export const COMPUTE_STAGE = 0x4;

/** GPUMapMode.READ */
export const READ_MODE = 0x1;
