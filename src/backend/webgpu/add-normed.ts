/**
 * WGSL for models that norm what a block adds to the stream: x += scale * norm(branch) * weights, one workgroup a row. Bindings:
 * the step, branch f32 [rows][size], weights f32 [size], x f32 [rows][size]. `size` is a multiple of 4.
 */
import { literal } from './product.ts';
import { STEP_STRUCT } from './step.ts';

const THREADS = 64;

export function addNormedSource(size: number, epsilon: number, scale: number): string {
  const quads = size / 4;
  return `${STEP_STRUCT}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> branch: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
var<workgroup> parts: array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let start = group.x * ${quads}u;
  var squares = 0.0f;
  for (var i = thread; i < ${quads}u; i += ${THREADS}u) {
    let v = branch[start + i];
    squares = fma(v.x, v.x, fma(v.y, v.y, fma(v.z, v.z, fma(v.w, v.w, squares))));
  }
  parts[thread] = squares;
  for (var width = ${THREADS / 2}u; width > 0u; width >>= 1u) {
    workgroupBarrier();
    if (thread < width) { parts[thread] += parts[thread + width]; }
  }
  workgroupBarrier();
  let root = ${literal(scale)} * inverseSqrt(fma(parts[0], ${literal(1 / size)}, ${literal(epsilon)}));
  for (var i = thread; i < ${quads}u; i += ${THREADS}u) {
    x[start + i] = fma(branch[start + i] * weights[i], vec4<f32>(root), x[start + i]);
  }
}
`;
}
