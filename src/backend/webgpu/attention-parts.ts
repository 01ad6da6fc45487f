/**
 * The WGSL that the attention kernels are put together from. They share every function, so that a row has the same bits
 * whichever of them runs it: sums go over threads in a fixed order, pages and splits are merged in ascending order, and products
 * that are added are written as fma, which leaves a compiler nothing to fuse by itself.
 *
 * A workgroup of 64 threads works on one key/value head. The heads that share it are the lanes of a vec4. Keys and values lie in
 * pages of 64 positions as on the CPU (wasm/kernels/rotate.ts), read as vec4<u32>; unit = (page, kv head):
 *   q8:  K [16 quads of positions][headSize/4] (4 positions of 4 dims, k + 128), V the same (4 dims of 4 positions), key scales
 *        [64], value scales [64];
 *   f32: K [16 quads][headSize] (4 positions), V [64][headSize/4] (4 dims).
 */
import { THREADS, turnsOf } from './attention-shape.ts';
import type { AttentionShape } from './attention-shape.ts';

/** Masked scores. Infinity is avoided: what compilers make of it differs. */
export const NEVER = '-1e30';

/** vec4s of a unit, and where its parts begin. */
export function unitOf({ headSize, kv }: Pick<AttentionShape, 'headSize' | 'kv'>): {
  vectors: number;
  valuesAt: number;
  keyScalesAt: number;
  valueScalesAt: number;
} {
  const valuesAt = (kv === 'q8' ? 4 : 16) * headSize;
  const keyScalesAt = 2 * valuesAt;
  return {
    vectors: keyScalesAt + (kv === 'q8' ? 32 : 0),
    valuesAt,
    keyScalesAt,
    valueScalesAt: keyScalesAt + 16,
  };
}

/**
 * Floats of a layer's vectors and where each begins: norms [headSize], smoothing and centres [kvHeads][headSize]; then two whole
 * numbers, so that layers which differ in nothing else have the same kernels: the window (0: none) and where the layer's angles
 * begin in the step's table.
 */
export function vectorsOf({ headSize, kvHeadCount }: Pick<AttentionShape, 'headSize' | 'kvHeadCount'>): {
  queryNorm: number;
  keyNorm: number;
  querySmoothing: number;
  keySmoothing: number;
  centre: number;
  window: number;
  angles: number;
  length: number;
} {
  const all = kvHeadCount * headSize;
  const querySmoothing = 2 * headSize;
  return {
    queryNorm: 0,
    keyNorm: headSize,
    querySmoothing,
    keySmoothing: querySmoothing + all,
    centre: querySmoothing + 2 * all,
    window: querySmoothing + 3 * all,
    angles: querySmoothing + 3 * all + 1,
    length: querySmoothing + 3 * all + 2,
  };
}

/** Value slices: threads that share the four dims of a head vector, each with its own quads of positions. */
export function slicesOf(headSize: number): number {
  return 2 ** Math.floor(Math.log2((4 * THREADS) / headSize));
}

export function constantsOf(shape: AttentionShape): string {
  const { headSize, headCount, kvHeadCount, splitPages, mostSplits } = shape;
  const { perKv, turns, width } = turnsOf(shape);
  const unit = unitOf(shape);
  const vectors = vectorsOf(shape);
  const numbers: Record<string, number> = {
    HEAD_SIZE: headSize,
    DIM_QUADS: headSize / 4,
    HEADS: headCount,
    KV_HEADS: kvHeadCount,
    PER_KV: perKv,
    TURNS: turns,
    WIDTH: width,
    ROW_FLOATS: (headCount + 2 * kvHeadCount) * headSize,
    UNIT: unit.vectors,
    VALUES_AT: unit.valuesAt,
    KEY_SCALES_AT: unit.keyScalesAt,
    VALUE_SCALES_AT: unit.valueScalesAt,
    QUERY_NORM: vectors.queryNorm,
    KEY_NORM: vectors.keyNorm,
    QUERY_SMOOTHING: vectors.querySmoothing,
    KEY_SMOOTHING: vectors.keySmoothing,
    CENTRE: vectors.centre,
    WINDOW: vectors.window,
    ANGLES: vectors.angles,
    SPLIT_PAGES: splitPages,
    MOST_SPLITS: mostSplits,
    SLICES: slicesOf(headSize),
  };
  const lines = Object.entries(numbers).map(([name, value]) => `const ${name} = ${value}u;`);
  return [...lines, positionsText].join('\n');
}

const positionsText = `
/** The first position that the row at \`position\` sees. */
fn firstSeen(position: u32) -> u32 {
  let window = u32(vectors[WINDOW]);
  return select(0u, position + 1u - window, window != 0u && position + 1u > window);
}
fn splitAt(position: u32) -> u32 { return position / (64u * SPLIT_PAGES); }
`;

/** Sums and maxima over all threads, always in the same order. Every thread gets the result. */
export function reductionsText(): string {
  const reduction = (name: string, of: (a: string, b: string) => string): string => `
fn ${name}(t: u32, value: vec4<f32>) -> vec4<f32> {
  each[t] = value;
  workgroupBarrier();
  if (t < 8u) {
    var own = each[8u * t];
    for (var i = 1u; i < 8u; i++) { own = ${of('own', 'each[8u * t + i]')}; }
    eights[t] = own;
  }
  workgroupBarrier();
  var all = eights[0];
  for (var i = 1u; i < 8u; i++) { all = ${of('all', 'eights[i]')}; }
  return all;
}`;
  return `
var<workgroup> each: array<vec4<f32>, 64>;
var<workgroup> eights: array<vec4<f32>, 8>;
${reduction('sumOfAll', (a, b) => `${a} + ${b}`)}
${reduction('largestOfAll', (a, b) => `max(${a}, ${b})`)}
`;
}

/** The pair's dims and its angle, for pair i of row \`row\`. */
function pairText({ rotation }: AttentionShape): string {
  if (!rotation) return '';
  const { size, pairs } = rotation;
  const half = `${size / 2}u`;
  const [first, second] = pairs === 'neighbours' ? ['2u * i', '2u * i + 1u'] : ['i', `i + ${half}`];
  return `
    let first = ${first};
    let second = ${second};
    let angle = u32(vectors[ANGLES]) + row * ${size}u;
    let cosine = rotation[angle + first];
    let sine = rotation[angle + second];`;
}

function rotationText(shape: AttentionShape, lane: '' | '.x'): string {
  if (!shape.rotation) return '';
  const splat = (name: string): string => (lane === '' ? `vec4<f32>(${name})` : name);
  return `
  workgroupBarrier();
  for (var i = t; i < ${shape.rotation.size / 2}u; i += 64u) {${pairText(shape)}
    let a = heads[first]${lane};
    let b = heads[second]${lane};
    heads[first]${lane} = fma(a, ${splat('cosine')}, -(b * sine));
    heads[second]${lane} = fma(b, ${splat('cosine')}, a * sine);
  }
  workgroupBarrier();`;
}

/**
 * The Hadamard transform that int8 keys, and with them queries, go through (wasm/kernels/hadamard.ts); queries' scale makes up
 * for what it multiplies products by.
 */
function hadamardText({ headSize, kv }: AttentionShape, lane: '' | '.x'): string {
  if (kv !== 'q8') return '';
  return `
  for (var half = 1u; half < ${hadamardWidth(headSize)}u; half <<= 1u) {
    workgroupBarrier();
    for (var i = t; i < 2u * DIM_QUADS; i += 64u) {
      let low = (i >> 2u) & (half - 1u);
      let first = (((i >> 2u) - low) << 3u) | (low << 2u) | (i & 3u);
      let second = first + 4u * half;
      let a = heads[first]${lane};
      let b = heads[second]${lane};
      heads[first]${lane} = a + b;
      heads[second]${lane} = a - b;
    }
  }
  workgroupBarrier();`;
}

function hadamardWidth(headSize: number): number {
  const quads = headSize / 4;
  return quads & -quads;
}

export const LANES = ['x', 'y', 'z', 'w'] as const;

/** Queries of one turn of a row, made ready in \`heads\` [dim] (lanes: heads; those beyond PER_KV are 0). */
export function queriesText(shape: AttentionShape): string {
  const { width, perKv } = turnsOf(shape);
  const gain = shape.kv === 'q8' ? hadamardWidth(shape.headSize) : 1;
  const factor = (shape.softCap === 0 ? shape.scale * Math.LOG2E : shape.scale) / gain;
  const load = LANES.slice(0, width).map((lane, i) => {
    const line = `v.${lane} = qkv[base + ${i}u * HEAD_SIZE + d];`;
    return perKv % width === 0 ? line : `if (turn * WIDTH + ${i}u < PER_KV) { ${line} }`;
  });
  return `
var<workgroup> heads: array<vec4<f32>, ${shape.headSize}>;
fn prepareQueries(t: u32, row: u32, kvHead: u32, turn: u32) {
  let base = row * ROW_FLOATS + (kvHead * PER_KV + turn * WIDTH) * HEAD_SIZE;
  var squares = vec4<f32>();
  workgroupBarrier();
  for (var d = t; d < HEAD_SIZE; d += 64u) {
    var v = vec4<f32>();
    ${load.join('\n    ')}
    heads[d] = v;
    squares = fma(v, v, squares);
  }${normText(shape.queryNorm, shape, 'heads[d] = (heads[d] * inverse) * vectors[QUERY_NORM + d];', '')}${rotationText(shape, '')}
  for (var d = t; d < HEAD_SIZE; d += 64u) {
    heads[d] = (heads[d] * vectors[QUERY_SMOOTHING + kvHead * HEAD_SIZE + d]) * ${float(factor)};
  }${hadamardText(shape, '')}
  workgroupBarrier();
}
`;
}

function normText(
  used: boolean,
  { headSize, epsilon }: AttentionShape,
  line: string,
  lane: '' | '.x',
): string {
  if (!used) return '';
  const splat = (value: number): string => (lane === '' ? `vec4<f32>(${float(value)})` : float(value));
  return `
  let inverse = inverseSqrt(fma(sumOfAll(t, squares)${lane}, ${splat(1 / headSize)}, ${splat(epsilon)}));
  for (var d = t; d < HEAD_SIZE; d += 64u) { ${line} }`;
}

/**
 * Stores the key and the value of a row. A vec4 of a page holds several positions, so it is read, changed and written by one
 * thread; nobody else may have the quad of positions at the same time. In \`heads\`, x is the key and y the value.
 */
export function storeText(shape: AttentionShape): string {
  return `
fn storeRow(t: u32, row: u32, kvHead: u32, position: u32) {
  let base = row * ROW_FLOATS + (HEADS + kvHead) * HEAD_SIZE;
  let own = kvHead * HEAD_SIZE;
  var squares = vec4<f32>();
  workgroupBarrier();
  for (var d = t; d < HEAD_SIZE; d += 64u) {
    let key = qkv[base + d];
    heads[d] = vec4<f32>(key, qkv[base + KV_HEADS * HEAD_SIZE + d], 0.0, 0.0);
    squares.x = fma(key, key, squares.x);
  }${normText(shape.keyNorm, shape, 'heads[d].x = (heads[d].x * inverse) * vectors[KEY_NORM + d];', '.x')}${rotationText(shape, '.x')}
  for (var d = t; d < HEAD_SIZE; d += 64u) {
    heads[d].x = fma(heads[d].x, vectors[KEY_SMOOTHING + own + d], -vectors[CENTRE + own + d]);
  }${hadamardText(shape, '.x')}
  var most = vec4<f32>();
  for (var d = t; d < HEAD_SIZE; d += 64u) { most = max(most, abs(heads[d])); }
  let unit = (pages[position / 64u] * KV_HEADS + kvHead) * UNIT;
  let slot = position & 63u;
  let quad = slot >> 2u;
  let lane = slot & 3u;
${shape.kv === 'q8' ? storeQ8 : storeF32}
}
`;
}

const storeQ8 = `
  let scales = largestOfAll(t, most) / 127.0;
  let inverses = select(vec4<f32>(), 1.0 / scales, scales > vec4<f32>());
  for (var i = t; i < DIM_QUADS; i += 64u) {
    ${[0, 1, 2, 3].map((j) => `let b${j} = bitcast<vec2<u32>>(vec2<i32>(clamp(round(heads[4u * i + ${j}u].xy * inverses.xy), vec2<f32>(-127.0), vec2<f32>(127.0)))) & vec2<u32>(255u);`).join('\n    ')}
    let key = unit + quad * DIM_QUADS + i;
    var four = kv[key];
    four[lane] = (b0.x | (b1.x << 8u) | (b2.x << 16u) | (b3.x << 24u)) ^ 0x80808080u;
    kv[key] = four;
    let value = key + VALUES_AT;
    let shift = vec4<u32>(8u * lane);
    let fresh = vec4<u32>(b0.y, b1.y, b2.y, b3.y);
    kv[value] = (kv[value] & ~(vec4<u32>(255u) << shift)) | (fresh << shift);
  }
  if (t == 0u) {
    var four = kv[unit + KEY_SCALES_AT + quad];
    four[lane] = bitcast<u32>(scales.x);
    kv[unit + KEY_SCALES_AT + quad] = four;
    four = kv[unit + VALUE_SCALES_AT + quad];
    four[lane] = bitcast<u32>(scales.y);
    kv[unit + VALUE_SCALES_AT + quad] = four;
  }`;

const storeF32 = `
  workgroupBarrier();
  for (var d = t; d < HEAD_SIZE; d += 64u) {
    var four = kv[unit + quad * HEAD_SIZE + d];
    four[lane] = bitcast<u32>(heads[d].x);
    kv[unit + quad * HEAD_SIZE + d] = four;
  }
  for (var i = t; i < DIM_QUADS; i += 64u) {
    let d = 4u * i;
    let value = vec4<f32>(heads[d].y, heads[d + 1u].y, heads[d + 2u].y, heads[d + 3u].y);
    kv[unit + VALUES_AT + slot * DIM_QUADS + i] = bitcast<vec4<u32>>(value);
  }`;

/** A WGSL literal of the nearest f32. */
export function float(value: number): string {
  return `f32(${Math.fround(value)})`;
}

/**
 * Merges one running softmax into another, by the names of their variables: \`largest\`, \`sum\` (one lane for each head) and
 * the weighted values \`outs\`.
 */
export function mergeText(
  into: { largest: string; sum: string; outs: readonly string[] },
  from: { largest: string; sum: string; outs: readonly string[] },
  laneOf: (name: string, head: number) => string,
): string {
  const outs = into.outs.map(
    (out, head) =>
      `${out} = fma(${from.outs[head]}, vec4<f32>(${laneOf('b', head)}), ${out} * ${laneOf('a', head)});`,
  );
  return `{
    let high = max(${into.largest}, ${from.largest});
    let a = exp2(${into.largest} - high);
    let b = exp2(${from.largest} - high);
    ${into.sum} = fma(${from.sum}, b, ${into.sum} * a);
    ${outs.join('\n    ')}
    ${into.largest} = high;
  }`;
}
