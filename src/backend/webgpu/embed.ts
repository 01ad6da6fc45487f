/**
 * WGSL that begins a step: the rows of the embedding that its ids name, as floats, times a factor. An embedding in several
 * buffers has a dispatch for each, which takes the ids of its rows.
 */
import type { Planes } from './matrix-kinds.ts';
import { literal } from './product.ts';
import { eachQuad, rowReader } from './read-row.ts';
import { STEP_STRUCT } from './step.ts';

const THREADS = 32;

/** Bindings: the step, the matrix, ids u32 [rows], out f32 [rows][columns]. `firstRow`: of the whole embedding. */
export function embedSource(planes: Planes, firstRow: number, scale: number): string {
  const reader = rowReader(planes, 'w');
  const { blocks, rows } = planes;
  const quads = eachQuad(
    false,
    (q) => `${reader.load('0', q)}out[at + q] = ${reader.quad('0', q)} * ${literal(scale)};\n`,
  );
  return `${STEP_STRUCT}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
  let block = thread.x;
  let row = ids[thread.y] - ${firstRow}u;
  if (block >= ${blocks}u || row >= ${rows}u) { return; }
  let i_0 = row * ${blocks}u + block;
  let at = (thread.y * ${blocks}u + block) * 8u;
${reader.head('0')}${quads}}
`;
}

export function embedGroups({ blocks }: Planes, rows: number): [number, number, number] {
  return [Math.ceil(blocks / THREADS), rows, 1];
}
