/**
 * The WGSL of one row's heads over pages of keys and values: scores, softmax, weighted values. A split is a fixed run of pages;
 * its result is left in `splitLargest`, `splitSum` and `splitOut0` to `splitOut3` of the threads below headSize / 4, four dims each.
 */
import { LANES, NEVER, float, mergeText } from './attention-parts.ts';
import { turnsOf } from './attention-shape.ts';
import type { AttentionShape } from './attention-shape.ts';

const laneOf = (name: string, head: number): string => `${name}.${LANES[head]}`;

/** Names of the variables of all heads of a turn. */
export function perHead(shape: AttentionShape, name: string): string[] {
  return LANES.slice(0, turnsOf(shape).width).map((_, head) => `${name}${head}`);
}

export function mergeHeads(shape: AttentionShape, into: string, from: string): string {
  const state = (prefix: string): { largest: string; sum: string; outs: string[] } => ({
    largest: `${prefix}Largest`,
    sum: `${prefix}Sum`,
    outs: perHead(shape, `${prefix}Out`),
  });
  return mergeText(state(into), state(from), laneOf);
}

/** Private variables of a running softmax, and the lines that empty it. */
export function stateText(shape: AttentionShape, prefix: string): { declare: string; clear: string } {
  const names = [`${prefix}Largest`, `${prefix}Sum`, ...perHead(shape, `${prefix}Out`)];
  return {
    declare: names.map((name) => `var<private> ${name}: vec4<f32>;`).join('\n'),
    clear: [
      `${prefix}Largest = vec4<f32>(${NEVER});`,
      ...names.slice(1).map((name) => `${name} = vec4<f32>();`),
    ].join('\n  '),
  };
}

/** Byte j of every word, with its sign. */
const signed = (words: string, j: string): string =>
  `vec4<f32>(bitcast<vec4<i32>>(${words} << vec4<u32>(24u - 8u * ${j})) >> vec4<u32>(24u))`;

/** Something for j = 0..3, spelled out: a loop would run no quicker, and SwiftShader compiles it in twice the time. */
function fourTimes(body: (j: string) => string): string {
  return ['0u', '1u', '2u', '3u'].map((j) => `{ ${body(j)} }`).join('\n      ');
}

function accumulate(names: readonly string[], weights: string, values: string): string {
  return names
    .map((name, head) => `${name} = fma(vec4<f32>(${laneOf(weights, head)}), ${values}, ${name});`)
    .join(' ');
}

/** Scores of four positions (lanes) and a quarter of the dims, for each head. */
function scoresText(shape: AttentionShape): string {
  const names = perHead(shape, 'score');
  if (shape.kv === 'f32') {
    return `
    for (var d = slice; d < HEAD_SIZE; d += 4u) {
      let keys = bitcast<vec4<f32>>(kv[unit + quad * HEAD_SIZE + d]);
      let query = heads[d];
      ${accumulate(names, 'query', 'keys')}
    }`;
  }
  const dims = fourTimes(
    (j) => `let query = heads[4u * i + ${j}];
        let keys = ${signed('four', j)};
        ${accumulate(names, 'query', 'keys')}`,
  );
  return `
    for (var i = slice; i < DIM_QUADS; i += 4u) {
      let four = kv[unit + quad * DIM_QUADS + i] ^ vec4<u32>(0x80808080u);
      ${dims}
    }`;
}

/** Values of the thread's four dims (lanes), weighted, and the sum of weights, over the quads of its slice. */
function valuesText(shape: AttentionShape): string {
  const names = perHead(shape, 'pageOut');
  const isInt8 = shape.kv === 'q8';
  const positions = fourTimes((j) => {
    const values = isInt8
      ? signed('four', j)
      : `bitcast<vec4<f32>>(kv[unit + VALUES_AT + (4u * q + ${j}) * DIM_QUADS + dims])`;
    return `let power = powers[4u * q + ${j}];
        pageSum += power;
        let weight = ${isInt8 ? `power * scales[${j}]` : 'power'};
        let values = ${values};
        ${accumulate(names, 'weight', 'values')}`;
  });
  const load = `let four = kv[unit + VALUES_AT + q * DIM_QUADS + dims];
      let scales = bitcast<vec4<f32>>(kv[unit + VALUE_SCALES_AT + q]);`;
  return `
    for (var q = t / DIM_QUADS; q <= (last >> 2u); q += SLICES) {
      if (q < (low >> 2u)) { continue; }
      ${isInt8 ? load : ''}
      ${positions}
    }`;
}

/** Scores in units of ln 2, limited where the model does that. */
function cappedText({ softCap }: AttentionShape): string {
  if (softCap === 0) return '';
  // tanh y = 1 - 2 / (e^2y + 1); beyond 10 it is 1, and built-in ones overflow there.
  return `
  let y = clamp(score / ${float(softCap)}, vec4<f32>(-10.0), vec4<f32>(10.0));
  score = (1.0 - 2.0 / (exp2(y * ${float(2 * Math.LOG2E)}) + 1.0)) * ${float(softCap * Math.LOG2E)};`;
}

export function splitText(shape: AttentionShape): string {
  const { width } = turnsOf(shape);
  const scores = perHead(shape, 'score');
  const outs = perHead(shape, 'pageOut');
  const split = stateText(shape, 'split');
  const ofSlices = outs.map(
    (out, head) => `
      ${out} = parts[${head * 64}u + t];
      for (var s = 1u; s < SLICES; s++) { ${out} += parts[${head * 64}u + t + s * DIM_QUADS]; }`,
  );
  const gather = scores.map(
    (_, head) => `score.${LANES[head]} += parts[${head * 64}u + 4u * quad + i][slice];`,
  );
  return `
var<workgroup> parts: array<vec4<f32>, ${64 * width}>;
var<workgroup> powers: array<vec4<f32>, 64>;
${split.declare}
fn attendPage(t: u32, kvHead: u32, page: u32, position: u32) {
  let unit = (pages[page] * KV_HEADS + kvHead) * UNIT;
  let start = 64u * page;
  let last = min(position - start, 63u);
  let begin = firstSeen(position);
  let low = select(0u, begin - start, begin > start);
  let quad = t >> 2u;
  let slice = t & 3u;
  workgroupBarrier();
  ${scores.map((name) => `var ${name} = vec4<f32>();`).join(' ')}
  if (4u * quad <= last && 4u * quad + 3u >= low) {${scoresText(shape)}
  }
  ${scores.map((name, head) => `parts[${head * 64}u + t] = ${name};`).join(' ')}
  workgroupBarrier();
  var score = vec4<f32>();
  for (var i = 0u; i < 4u; i++) {
    ${gather.join('\n    ')}
  }
  ${shape.kv === 'q8' ? 'score *= bitcast<vec4<f32>>(kv[unit + KEY_SCALES_AT + quad])[slice];' : ''}${cappedText(shape)}
  let isSeen = t >= low && t <= last;
  score = select(vec4<f32>(${NEVER}), score, isSeen);
  let pageLargest = largestOfAll(t, score);
  powers[t] = select(vec4<f32>(), exp2(score - pageLargest), isSeen);
  workgroupBarrier();
  ${outs.map((name) => `var ${name} = vec4<f32>();`).join(' ')}
  var pageSum = vec4<f32>();
  let dims = t % DIM_QUADS;
  if (t < DIM_QUADS * SLICES) {${valuesText(shape)}
  }
  if (SLICES > 1u) {
    ${outs.map((name, head) => `parts[${head * 64}u + t] = ${name};`).join(' ')}
    each[t] = pageSum;
    workgroupBarrier();
    if (t < DIM_QUADS) {
      pageSum = each[t];
      for (var s = 1u; s < SLICES; s++) { pageSum += each[t + s * DIM_QUADS]; }${ofSlices.join('')}
    }
  }
  ${mergeHeads(shape, 'split', 'page')}
}

fn attendSplit(t: u32, kvHead: u32, split: u32, position: u32) {
  ${split.clear}
  let end = min(SPLIT_PAGES * (split + 1u), position / 64u + 1u);
  for (var page = max(SPLIT_PAGES * split, firstSeen(position) / 64u); page < end; page++) {
    attendPage(t, kvHead, page, position);
  }
}
`;
}
