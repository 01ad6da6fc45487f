/** Products as dispatches: pipelines of some widths, one bind group, and the workgroups of a step. */
import { assert } from '../../errors.ts';
import { foldGroups } from './dispatch.ts';
import type { Dispatch } from './dispatch.ts';
import type { Gpu } from './gpu.ts';
import { bindingsOf, groupsOf, productSource, rowsOfGroup } from './product.ts';
import type { ProductSpec } from './product.ts';
import type { StepNumbers } from './step.ts';
import type { Tuning, Width } from './tuning.ts';

/** A buffer, or part of one, for each of `bindingsOf(spec)`. */
export type ProductBuffers = Readonly<Record<string, GPUBuffer | GPUBufferBinding>>;

export async function createProduct(
  gpu: Gpu,
  label: string,
  spec: ProductSpec,
  buffers: ProductBuffers,
  { shapeOf, widths }: Tuning,
): Promise<Dispatch> {
  const [first] = spec.matrices;
  assert(first, `${label} multiplies by a matrix`);
  const shape = shapeOf(first.planes.blocks, first.planes.rows);
  const pipelines = await Promise.all(
    widths.map((width) => gpu.pipeline(productSource(spec, shape, width), `${label} ${width}`)),
  );
  const bound = bindingsOf(spec).map((name) => {
    const buffer = buffers[name];
    assert(buffer, `${label} has a buffer '${name}'`);
    return buffer;
  });
  const countOf = ({ rows, wanted }: StepNumbers): number => (spec.wanted ? wanted : rows);
  const indexOf = (step: StepNumbers): number => {
    const index = widths.findIndex((width) => width >= countOf(step));
    return index < 0 ? widths.length - 1 : index;
  };
  const widthOf = (step: StepNumbers): Width => widths[indexOf(step)]!;
  const all = groupsOf(spec, shape);
  const perGroup = rowsOfGroup(spec, shape);
  return {
    label,
    pipeline: (step) => pipelines[indexOf(step)]!,
    bindGroup: gpu.bindGroup(pipelines[0]!, bound, label),
    groups(step) {
      const limited = spec.wanted ? Math.ceil((step.candidates - first.outAt) / perGroup) : all;
      const { x, z } = foldGroups(Math.max(0, Math.min(all, limited)));
      return [x, Math.ceil(countOf(step) / widthOf(step)), z];
    },
  };
}
