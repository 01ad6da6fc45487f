/**
 * Attention of up to four rows of one head over one tile of positions, int8 keys and values. Scores are in scores.ts, the
 * softmax in softmax.ts. Values meet weights of 14 bits as two 7-bit digits; position quads whose digits are all zero are
 * left out, which changes no sum.
 *
 * The integer sums are exact, so one row alone and four rows together give the same bits.
 */
import { queryBytes, quantizeQuery, scoreFour, scoreFourWide, scoreOne, scoreOneWide, wideDot } from './scores';
import { LOG2E, RELAXED, dotSigned } from './simd';
import { TILE, weightsOf } from './softmax';
import { plan } from './plan';
import { unitOf } from './rotate';

/** Scratch of an attention task, in bytes, for four rows. */
const QUERY_BYTES: usize = 4 * 1088; // 4 rows of up to 128 dims: 32 quads and a tail
const SCORES_BYTES: usize = 4 * 1024;
const WEIGHT_BYTES: usize = 4 * 512;
const SCALE_BYTES: usize = 1024;
const LIST_BYTES: usize = 2 * 64 * 8;
export const ATTENTION_SCRATCH: usize = QUERY_BYTES + SCORES_BYTES + WEIGHT_BYTES + SCALE_BYTES + LIST_BYTES;

/**
 * Lists where the weights' digits of a query are not all zero: pairs (address of the weights, address of the values).
 * Returns the end of the list. Entries are written in any case and kept by moving on.
 */
function listQuads(weights: usize, count: i32, position: i32, layerIndex: i32, kvHead: i32, list: usize): usize {
  const quadBytes = <usize>plan().headSize << 2;
  for (let first = 0; first < count; first += 64) {
    let value = unitOf(position + first, layerIndex, kvHead) + (quadBytes << 4);
    for (let i = first, last = min(count, first + 64); i < last; i += 16) {
      let w = RELAXED ? weights + <usize>i : weights + (<usize>i << 1);
      let some = nonZeroQuads(w) & ((1 << ((last - i + 3) >> 2)) - 1);
      for (let v = value; some != 0; some >>= 1) {
        store<u32>(list, <u32>w);
        store<u32>(list, <u32>v, 4);
        list += <usize>(some & 1) << 3;
        w += RELAXED ? 4 : 8;
        v += quadBytes;
      }
      value += quadBytes << 2;
    }
  }
  return list;
}

/** Bit i says whether quad i of the four at `w` is not all zero. */
// @ts-ignore: decorator
@inline function nonZeroQuads(w: usize): i32 {
  const zero = i32x4.splat(0);
  if (RELAXED) return i32x4.bitmask(i32x4.ne(v128.load(w), zero));
  return i64x2.bitmask(i64x2.ne(v128.load(w), zero)) | (i64x2.bitmask(i64x2.ne(v128.load(w, 16), zero)) << 2);
}

/** Sum of values x one digit of the weights over a list, for 32 dims: i32 [32] into out, shifted, stored or added. */
function weigh(list: usize, end: usize, dim: usize, out: usize, shift: i32, add: bool): void {
  let a = i32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, s: v128, t: v128;
  let w: usize, v: usize;
  for (; list + 8 < end; list += 16) {
    w = <usize>load<u32>(list, 0); v = <usize>load<u32>(list, 4) + dim;
    s = v128.load32_splat(w);
    t = RELAXED ? s : v128.load32_splat(w, 4);
    a = dotSigned(a, v128.load(v, 0), s, t);
    b = dotSigned(b, v128.load(v, 16), s, t);
    c = dotSigned(c, v128.load(v, 32), s, t);
    d = dotSigned(d, v128.load(v, 48), s, t);
    e = dotSigned(e, v128.load(v, 64), s, t);
    f = dotSigned(f, v128.load(v, 80), s, t);
    g = dotSigned(g, v128.load(v, 96), s, t);
    h = dotSigned(h, v128.load(v, 112), s, t);
    w = <usize>load<u32>(list, 8); v = <usize>load<u32>(list, 12) + dim;
    s = v128.load32_splat(w);
    t = RELAXED ? s : v128.load32_splat(w, 4);
    a = dotSigned(a, v128.load(v, 0), s, t);
    b = dotSigned(b, v128.load(v, 16), s, t);
    c = dotSigned(c, v128.load(v, 32), s, t);
    d = dotSigned(d, v128.load(v, 48), s, t);
    e = dotSigned(e, v128.load(v, 64), s, t);
    f = dotSigned(f, v128.load(v, 80), s, t);
    g = dotSigned(g, v128.load(v, 96), s, t);
    h = dotSigned(h, v128.load(v, 112), s, t);
  }
  if (list < end) {
    w = <usize>load<u32>(list, 0); v = <usize>load<u32>(list, 4) + dim;
    s = v128.load32_splat(w);
    t = RELAXED ? s : v128.load32_splat(w, 4);
    a = dotSigned(a, v128.load(v, 0), s, t);
    b = dotSigned(b, v128.load(v, 16), s, t);
    c = dotSigned(c, v128.load(v, 32), s, t);
    d = dotSigned(d, v128.load(v, 48), s, t);
    e = dotSigned(e, v128.load(v, 64), s, t);
    f = dotSigned(f, v128.load(v, 80), s, t);
    g = dotSigned(g, v128.load(v, 96), s, t);
    h = dotSigned(h, v128.load(v, 112), s, t);
  }
  accumulate(out, a, shift, add);
  accumulate(out + 16, b, shift, add);
  accumulate(out + 32, c, shift, add);
  accumulate(out + 48, d, shift, add);
  accumulate(out + 64, e, shift, add);
  accumulate(out + 80, f, shift, add);
  accumulate(out + 96, g, shift, add);
  accumulate(out + 112, h, shift, add);
}

// @ts-ignore: decorator
@inline function accumulate(at: usize, v: v128, shift: i32, add: bool): void {
  v = i32x4.shl(v, shift);
  v128.store(at, add ? i32x4.add(v, v128.load(at)) : v);
}

/** Values x weights for one query of a tile, into its partial. */
function values(
  weights: usize, unit: f32, count: i32, position: i32, layerIndex: i32, kvHead: i32, list: usize, partial: usize,
): void {
  const size = <usize>plan().headSize;
  const lowEnd = listQuads(weights, count, position, layerIndex, kvHead, list);
  const highEnd = RELAXED ? listQuads(weights + TILE, count, position, layerIndex, kvHead, lowEnd) : lowEnd;
  for (let d: usize = 0; d < size; d += 32) {
    const out = partial + 16 + (d << 2);
    weigh(list, lowEnd, d << 2, out, 0, false);
    if (highEnd > lowEnd) weigh(lowEnd, highEnd, d << 2, out, 7, true);
    for (let i: usize = 0; i < 128; i += 16) {
      v128.store(out + i, f32x4.mul(f32x4.convert_i32x4_s(v128.load(out + i)), f32x4.splat(unit)));
    }
  }
}

/** Reads a word of every cache line; the sum goes where nobody reads it, so that the loads are not dropped. */
function touch(at: usize, bytes: usize, unused: usize): void {
  let sum: i32 = 0;
  for (const end = at + bytes; at < end; at += 256) {
    sum |= load<i32>(at) | load<i32>(at, 64) | load<i32>(at, 128) | load<i32>(at, 192);
  }
  store<i32>(unused, sum);
}

/** Scores of 1..4 queries against 16 positions. */
function scoreRows(
  wide: bool, rows: i32, keys: usize, quadBytes: usize, query: usize, stride: usize, keyScales: usize, out: usize,
): void {
  if (rows == 4) {
    const second = keys + (quadBytes << 1);
    if (wide) {
      scoreFourWide(keys, quadBytes, query, stride, keyScales, out);
      scoreFourWide(second, quadBytes, query, stride, keyScales + 32, out + 32);
    } else {
      scoreFour(keys, quadBytes, query, stride, keyScales, out);
      scoreFour(second, quadBytes, query, stride, keyScales + 32, out + 32);
    }
    return;
  }
  for (let r = 0; r < rows; r++) {
    if (wide) scoreOneWide(keys, quadBytes, query, keyScales, out);
    else scoreOne(keys, quadBytes, query, keyScales, out);
    query += stride;
    out += 1024;
  }
}

/** Quantises the rotated queries of 1..4 rows (f32, `rowBytes` apart) into the scratch of an attention task. */
export function prepareQueries(queries: usize, rowBytes: usize, rows: i32, scratch: usize): void {
  const size = plan().headSize;
  const factor = LOG2E / <f32>Math.sqrt(<f64>size);
  for (let r = 0; r < rows; r++) {
    quantizeQuery(queries + <usize>r * rowBytes, size, factor, scratch + <usize>r * queryBytes(size));
  }
}

/**
 * Rows r = 0..rows-1 (1..4) of one head, at positions first + r, over tile `tile`, their queries prepared. Partials of row r
 * go to partials + r x partialBytes. Rows before the tile are left out. `fresh`: the values are not yet in a near cache, so
 * they are touched while the scores are worked out.
 */
export function attendTile(
  layerIndex: i32, kvHead: i32, rows: i32, first: i32, tile: i32, scratch: usize, partials: usize, partialBytes: usize,
  fresh: bool,
): void {
  const p = plan();
  const size = p.headSize;
  const quadBytes = <usize>size << 2, stride = queryBytes(size);
  const wide = wideDot();
  const scores = scratch + QUERY_BYTES;
  const weights = scores + SCORES_BYTES;
  const valueScales = weights + WEIGHT_BYTES;
  const list = valueScales + SCALE_BYTES;
  const start = tile * TILE;
  const longest = min(first + rows - start, TILE);
  for (let i = 0; i < longest; i += 16) {
    const unit = unitOf(start + i, layerIndex, kvHead);
    const slot = <usize>(i & 63);
    const keys = unit + slot * <usize>size, keyScales = unit + (<usize>size << 7) + (slot << 2);
    const out = scores + (<usize>i << 2);
    for (let j: usize = 0; j < 64; j += 16) v128.store(valueScales + (<usize>i << 2) + j, v128.load(keyScales + j, 256));
    if (fresh) touch(keys + (<usize>size << 6), <usize>size << 4, list);
    scoreRows(wide, rows, keys, quadBytes, scratch, stride, keyScales, out);
  }
  for (let r = 0; r < rows; r++) {
    const count = min(first + r + 1 - start, TILE);
    if (count <= 0) continue;
    const partial = partials + <usize>r * partialBytes;
    const rowScores = scores + (<usize>r << 10);
    const rowWeights = weights + (<usize>r << 9);
    const unit = weightsOf(rowScores, count, valueScales, partial, rowWeights);
    values(rowWeights, unit, (count + 7) & ~7, start, layerIndex, kvHead, list, partial);
  }
}
