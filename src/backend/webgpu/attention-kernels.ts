/**
 * The four attention kernels. A step of few rows takes two dispatches: `tilesKernel`, a workgroup for each split and key/value
 * head, which stores the keys and values of its own positions before it reads them, and `mergeKernel`. A wide step takes two as
 * well: `storeKernel`, and `rowsKernel`, in which a workgroup takes a row through all its splits.
 */
import { splitText, mergeHeads, perHead, stateText } from './attention-page.ts';
import {
  LANES,
  NEVER,
  constantsOf,
  mergeText,
  queriesText,
  reductionsText,
  storeText,
} from './attention-parts.ts';
import { turnsOf } from './attention-shape.ts';
import type { AttentionShape } from './attention-shape.ts';
import { STEP_STRUCT } from './step.ts';

/**
 * qkv: f32 [rows][heads + 2 kvHeads][headSize] (biases added, nothing else); vectors, rotation: of the layer and of the step;
 * pages: page of every 64 positions; kv: the layer's pages [page][kvHeads][unit].
 */
function inputs(kvAccess: 'read' | 'read_write'): string {
  return `${STEP_STRUCT}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<storage, read> rotation: array<f32>;
@group(0) @binding(4) var<storage, read> pages: array<u32>;
@group(0) @binding(5) var<storage, ${kvAccess}> kv: array<vec4<u32>>;
`;
}

const MAIN =
  '@compute @workgroup_size(64) fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32)';

/** \`line\` for each head of a turn that the model has. */
function eachHead(shape: AttentionShape, line: (head: number) => string): string {
  const { perKv, width } = turnsOf(shape);
  return Array.from({ length: width }, (_, head) =>
    perKv % width === 0 ? line(head) : `if (turn * WIDTH + ${head}u < PER_KV) { ${line(head)} }`,
  ).join('\n      ');
}

/** Workgroups (kvHeads, splits of the step). partials: vec4 [rows][heads][mostSplits][1 + headSize/4]: largest, sum; values. */
export function tilesKernel(shape: AttentionShape): string {
  const outs = perHead(shape, 'splitOut');
  return `${inputs('read_write')}
@group(0) @binding(6) var<storage, read_write> partials: array<vec4<f32>>;
${constantsOf(shape)}${reductionsText()}${queriesText(shape)}${storeText(shape)}${splitText(shape)}
${MAIN} {
  let kvHead = group.x;
  let split = splitAt(firstSeen(step.position)) + group.y;
  let begin = split * 64u * SPLIT_PAGES;
  let end = min(step.position + step.rows, begin + 64u * SPLIT_PAGES);
  for (var position = max(step.position, begin); position < end; position++) {
    storeRow(t, position - step.position, kvHead, position);
  }
  storageBarrier();
  workgroupBarrier();
  for (var row = 0u; row < step.rows; row++) {
    let position = step.position + row;
    if (position < begin || splitAt(firstSeen(position)) > split) { continue; }
    for (var turn = 0u; turn < TURNS; turn++) {
      prepareQueries(t, row, kvHead, turn);
      attendSplit(t, kvHead, split, position);
      let first = row * HEADS + kvHead * PER_KV + turn * WIDTH;
      ${eachHead(
        shape,
        (head) => `{
        let at = ((first + ${head}u) * MOST_SPLITS + group.y) * (DIM_QUADS + 1u);
        if (t == 0u) { partials[at] = vec4<f32>(splitLargest.${LANES[head]}, splitSum.${LANES[head]}, 0.0, 0.0); }
        if (t < DIM_QUADS) { partials[at + 1u + t] = ${outs[head]}; }
      }`,
      )}
    }
  }
}
`;
}

/** Workgroups (heads, rows), a thread for four dims. attended: vec4 [rows][heads][headSize/4]. */
export function mergeKernel(shape: AttentionShape): string {
  const merge = mergeText(
    { largest: 'largest', sum: 'sum', outs: ['out'] },
    { largest: 'head.x', sum: 'head.y', outs: ['values'] },
    (name) => name,
  );
  return `${STEP_STRUCT}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> vectors: array<f32>;
@group(0) @binding(2) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> attended: array<vec4<f32>>;
${constantsOf(shape)}
@compute @workgroup_size(${shape.headSize / 4})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let place = group.y * HEADS + group.x;
  let position = step.position + group.y;
  let first = splitAt(firstSeen(step.position));
  var largest = ${NEVER};
  var sum = 0.0;
  var out = vec4<f32>();
  for (var split = splitAt(firstSeen(position)); split <= splitAt(position); split++) {
    let at = (place * MOST_SPLITS + split - first) * (DIM_QUADS + 1u);
    let head = partials[at];
    let values = partials[at + 1u + t];
    ${merge}
  }
  attended[place * DIM_QUADS + t] = out * (1.0 / sum);
}
`;
}

/** Workgroups (kvHeads, quads of positions that the step touches). */
export function storeKernel(shape: AttentionShape): string {
  return `${inputs('read_write')}
var<workgroup> heads: array<vec4<f32>, ${shape.headSize}>;
${constantsOf(shape)}${reductionsText()}${storeText(shape)}
${MAIN} {
  let quad = step.position / 4u + group.y;
  let end = min(step.position + step.rows, 4u * quad + 4u);
  for (var position = max(step.position, 4u * quad); position < end; position++) {
    storeRow(t, position - step.position, group.x, position);
  }
}
`;
}

/** Workgroups (kvHeads x turns, rows). */
export function rowsKernel(shape: AttentionShape): string {
  const all = stateText(shape, 'all');
  const outs = perHead(shape, 'allOut');
  return `${inputs('read')}
@group(0) @binding(6) var<storage, read_write> attended: array<vec4<f32>>;
${constantsOf(shape)}${reductionsText()}${queriesText(shape)}${splitText(shape)}
${all.declare}
${MAIN} {
  let kvHead = group.x / TURNS;
  let turn = group.x % TURNS;
  let row = group.y;
  let position = step.position + row;
  prepareQueries(t, row, kvHead, turn);
  ${all.clear}
  for (var split = splitAt(firstSeen(position)); split <= splitAt(position); split++) {
    attendSplit(t, kvHead, split, position);
    ${mergeHeads(shape, 'all', 'split')}
  }
  let first = row * HEADS + kvHead * PER_KV + turn * WIDTH;
  if (t < DIM_QUADS) {
      ${eachHead(shape, (head) => `attended[(first + ${head}u) * DIM_QUADS + t] = ${outs[head]} * (1.0 / allSum.${LANES[head]});`)}
  }
}
`;
}
