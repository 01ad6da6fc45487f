/**
 * Attention of up to four rows of one head over one tile of positions, int8 keys and values. Scores are in scores.ts, the
 * softmax in softmax.ts. Values meet weights of 14 bits as two 7-bit digits.
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
const LIST_BYTES: usize = 65 * 8;
const SUM_BYTES: usize = 2 * 128 * 4;
export const ATTENTION_SCRATCH: usize = QUERY_BYTES + SCORES_BYTES + WEIGHT_BYTES + SCALE_BYTES + SUM_BYTES + LIST_BYTES;

/** Bit i says whether quad i of the four at `w` is not all zero. */
// @ts-ignore: decorator
@inline function nonZeroQuads(w: usize): i32 {
  const zero = i32x4.splat(0);
  if (RELAXED) return i32x4.bitmask(i32x4.ne(v128.load(w), zero));
  return i64x2.bitmask(i64x2.ne(v128.load(w), zero)) | (i64x2.bitmask(i64x2.ne(v128.load(w, 16), zero)) << 2);
}

/** Bytes of the weights of a quad, one digit of them if there are two. */
const WEIGHT_QUAD: usize = RELAXED ? 4 : 8;

/** Weights x values, 16 quads in a row, 32 dims: added to i32 [32] at `out`. Quads of values are `quadBytes` apart. */
function weighPage(w: usize, v: usize, quadBytes: usize, out: usize): void {
  let a = v128.load(out, 0), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48), e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
  let s: v128, t: v128;
  for (const end = w + 16 * WEIGHT_QUAD; w < end; ) {
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
    w += WEIGHT_QUAD;
    v += quadBytes;
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
    w += WEIGHT_QUAD;
    v += quadBytes;
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
    w += WEIGHT_QUAD;
    v += quadBytes;
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
    w += WEIGHT_QUAD;
    v += quadBytes;
  }
  v128.store(out, a, 0);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
  v128.store(out, e, 64);
  v128.store(out, f, 80);
  v128.store(out, g, 96);
  v128.store(out, h, 112);
}

/** The same for listed quads: pairs of addresses of weights and values. */
function weighList(list: usize, end: usize, dim: usize, out: usize): void {
  let a = v128.load(out, 0), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48), e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
  let s: v128, t: v128;
  let w: usize, v: usize;
  for (; list < end; list += 8) {
    w = <usize>load<u32>(list); v = <usize>load<u32>(list, 4) + dim;
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
  v128.store(out, a, 0);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
  v128.store(out, e, 64);
  v128.store(out, f, 80);
  v128.store(out, g, 96);
  v128.store(out, h, 112);
}

/** Fewer quads than this of a page's 16 are worth a list. */
const DENSE: i32 = 12;

/**
 * Adds values x one digit of the weights, positions `start` and on, to i32 [headSize] at `out`. Quads whose digit is zero
 * are left out, which changes no sum: a page that is full of others goes through in a row, else they are listed.
 */
function weigh(weights: usize, count: i32, start: i32, layerIndex: i32, kvHead: i32, list: usize, out: usize): void {
  const quadBytes = <usize>plan().headSize << 2;
  let end = list;
  for (let first = 0; first < count; first += 64) {
    const page = weights + <usize>(first >> 2) * WEIGHT_QUAD;
    const values = unitOf(start + first, layerIndex, kvHead) + (quadBytes << 4);
    const quads = min(16, (count - first) >> 2);
    let some = nonZeroQuads(page) | (nonZeroQuads(page + 4 * WEIGHT_QUAD) << 4)
      | (nonZeroQuads(page + 8 * WEIGHT_QUAD) << 8) | (nonZeroQuads(page + 12 * WEIGHT_QUAD) << 12);
    some &= (1 << quads) - 1;
    if (quads == 16 && popcnt<i32>(some) >= DENSE) {
      for (let d: usize = 0; d < quadBytes; d += 128) weighPage(page, values + d, quadBytes, out + d);
      continue;
    }
    for (let w = page, v = values; some != 0; some >>= 1) {
      store<u32>(end, <u32>w);
      store<u32>(end, <u32>v, 4);
      end += <usize>(some & 1) << 3;
      w += WEIGHT_QUAD;
      v += quadBytes;
    }
  }
  if (end == list) return;
  for (let d: usize = 0; d < quadBytes; d += 128) weighList(list, end, d, out + d);
}

/** Values x weights for one query of a tile, into its partial. `sums`: scratch i32 [2][headSize]. */
function values(
  weights: usize, unit: f32, count: i32, start: i32, layerIndex: i32, kvHead: i32, list: usize, sums: usize, partial: usize,
): void {
  const bytes = <usize>plan().headSize << 2;
  for (let i: usize = 0; i < 2 * bytes; i += 64) {
    v128.store(sums + i, i32x4.splat(0));
    v128.store(sums + i, i32x4.splat(0), 16);
    v128.store(sums + i, i32x4.splat(0), 32);
    v128.store(sums + i, i32x4.splat(0), 48);
  }
  weigh(weights, count, start, layerIndex, kvHead, list, sums);
  if (RELAXED) weigh(weights + TILE, count, start, layerIndex, kvHead, list, sums + bytes);
  for (let i: usize = 0; i < bytes; i += 16) {
    const sum = i32x4.add(v128.load(sums + i), i32x4.shl(v128.load(sums + bytes + i), 7));
    v128.store(partial + i, f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(unit)), 16);
  }
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
 * go to partials + r x partialBytes. Rows before the tile are left out.
 */
export function attendTile(
  layerIndex: i32, kvHead: i32, rows: i32, first: i32, tile: i32, scratch: usize, partials: usize, partialBytes: usize,
): void {
  const p = plan();
  const size = p.headSize;
  const quadBytes = <usize>size << 2, stride = queryBytes(size);
  const wide = wideDot();
  const scores = scratch + QUERY_BYTES;
  const weights = scores + SCORES_BYTES;
  const valueScales = weights + WEIGHT_BYTES;
  const sums = valueScales + SCALE_BYTES;
  const list = sums + SUM_BYTES;
  const start = tile * TILE;
  const longest = min(first + rows - start, TILE);
  for (let i = 0; i < longest; i += 16) {
    const unit = unitOf(start + i, layerIndex, kvHead);
    const slot = <usize>(i & 63);
    const keys = unit + slot * <usize>size, keyScales = unit + (<usize>size << 7) + (slot << 2);
    const out = scores + (<usize>i << 2);
    for (let j: usize = 0; j < 64; j += 16) v128.store(valueScales + (<usize>i << 2) + j, v128.load(keyScales + j, 256));
    scoreRows(wide, rows, keys, quadBytes, scratch, stride, keyScales, out);
  }
  // From the longest row to the shortest, since each clears the scales behind its own end.
  for (let r = rows - 1; r >= 0; r--) {
    const count = min(first + r + 1 - start, TILE);
    if (count <= 0) continue;
    const partial = partials + <usize>r * partialBytes;
    const rowScores = scores + (<usize>r << 10);
    const rowWeights = weights + (<usize>r << 9);
    const unit = weightsOf(rowScores, count, valueScales, partial, rowWeights);
    values(rowWeights, unit, (count + 7) & ~7, start, layerIndex, kvHead, list, sums, partial);
  }
}
