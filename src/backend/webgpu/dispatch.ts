/** What a step's program is made of. All dispatches of a step run in order in one compute pass of one command buffer. */
import type { Gpu } from './gpu.ts';
import type { StepNumbers } from './step.ts';

export interface Dispatch {
  label: string;
  /** One pipeline, or the one for a step; all of them share the bind group. */
  pipeline: GPUComputePipeline | ((step: StepNumbers) => GPUComputePipeline);
  /** Fixed, or chosen when the step is encoded. */
  bindGroup: GPUBindGroup | (() => GPUBindGroup);
  /** Workgroups; none where one of them is 0. */
  groups(step: StepNumbers): readonly [x: number, y: number, z: number];
}

/** Dispatches beyond 65,535 in one dimension are dropped without a word: `count` as x and z. */
export function foldGroups(count: number): { x: number; z: number } {
  const z = Math.max(1, Math.ceil(count / 32_768));
  return { x: Math.ceil(count / z), z };
}

export function encode(
  gpu: Gpu,
  pass: GPUComputePassEncoder,
  program: readonly Dispatch[],
  step: StepNumbers,
): void {
  for (const { pipeline, bindGroup, groups } of program) {
    const [x, y, z] = groups(step);
    if (x * y * z === 0) continue;
    pass.setPipeline(typeof pipeline === 'function' ? pipeline(step) : pipeline);
    pass.setBindGroup(0, typeof bindGroup === 'function' ? bindGroup() : bindGroup);
    pass.dispatchWorkgroups(x, y, z);
    gpu.counters.dispatches += 1;
  }
}
