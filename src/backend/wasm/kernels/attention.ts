/**
 * Attention of up to four rows of one head over one tile of positions, int8 keys and values: scores (scores.ts), softmax
 * (softmax.ts), and the sum of values, which meet weights of 14 bits as two 7-bit digits (weigh.ts).
 *
 * The integer sums are exact, so one row alone and four rows together give the same bits.
 */
import { hadamard, hadamardWidth } from './hadamard';
import { queryBytes, quantizeQuery, scoreCoarse, scoreFour, scoreFourWide, scoreOne, scoreOneWide, wideDot } from './scores';
import { LOG2E, RELAXED } from './simd';
import { TILE, lowest, weightsOf } from './softmax';
import { plan, step } from './plan';
import { unitOf } from './rotate';
import { LISTS_BYTES, weigh } from './weigh';

/** Scratch of an attention task, in bytes, for four rows. */
const QUERY_BYTES: usize = 4 * 2112; // 4 rows of up to 256 dims: 64 quads and a tail
const SCORES_BYTES: usize = 4 * 1024;
/** Of a position, one digit of it if there are two. */
const WEIGHT: usize = RELAXED ? 1 : 2;
const WEIGHT_BYTES: usize = 4 * 512;
const SCALE_BYTES: usize = 1024;
const SUM_BYTES: usize = 2 * 256 * 4;
export const ATTENTION_SCRATCH: usize = QUERY_BYTES + SCORES_BYTES + WEIGHT_BYTES + SCALE_BYTES + SUM_BYTES + LISTS_BYTES;

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
  weigh(weights, count, start, layerIndex, kvHead, list, sums, sums + bytes);
  for (let i: usize = 0; i < bytes; i += 16) {
    const sum = i32x4.add(v128.load(sums + i), i32x4.shl(v128.load(sums + bytes + i), 7));
    v128.store(partial + i, f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(unit)), 16);
  }
}

/** Scores of 1..4 queries against 16 positions. */
function scoreRows(
  wide: bool, coarse: bool, rows: i32, keys: usize, quadBytes: usize, query: usize, stride: usize, keyScales: usize, out: usize,
): void {
  if (rows == 4 && !coarse) {
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
    if (coarse) scoreCoarse(wide, keys, quadBytes, query, keyScales, out);
    else if (wide) scoreOneWide(keys, quadBytes, query, keyScales, out);
    else scoreOne(keys, quadBytes, query, keyScales, out);
    query += stride;
    out += 1024;
  }
}

/** Quantises the rotated queries of 1..4 rows (f32, `rowBytes` apart) into the scratch of an attention task. They are used up. */
export function prepareQueries(queries: usize, rowBytes: usize, rows: i32, scratch: usize): void {
  const size = plan().headSize;
  const factor = LOG2E * plan().attentionScale / <f32>hadamardWidth(size);
  for (let r = 0; r < rows; r++, queries += rowBytes, scratch += queryBytes(size)) {
    hadamard(queries, size);
    quantizeQuery(queries, size, factor, scratch);
  }
}

/**
 * Weights of a row that sees nothing before `low` of its tile: the 8 positions there are masked, whose value scales are put
 * back, since other rows may see them; weights between there and the bounds of a page become 0.
 */
function windowedWeights(scores: usize, low: i32, count: i32, scales: usize, partial: usize, weights: usize): f32 {
  const begin = low & ~7, page = begin & ~63;
  const at = scales + (<usize>begin << 2);
  const a = v128.load(at), b = v128.load(at, 16);
  for (let i = begin; i < low; i++) {
    store<f32>(scores + (<usize>i << 2), -f32.MAX_VALUE);
    store<f32>(scales + (<usize>i << 2), 0);
  }
  const unit = weightsOf(scores + (<usize>begin << 2), count - begin, at, partial, weights + <usize>begin * WEIGHT);
  v128.store(at, a);
  v128.store(at, b, 16);
  memory.fill(weights + <usize>page * WEIGHT, 0, <usize>(begin - page) * WEIGHT);
  if (RELAXED) memory.fill(weights + <usize>(TILE + page), 0, <usize>(begin - page));
  return unit;
}

/**
 * Rows r = 0..rows-1 (1..4) of one head, at positions first + r, over tile `tile`, their queries prepared. Partials of row r
 * go to partials + r x partialBytes. Rows before the tile are left out, and those whose window lies behind it.
 */
export function attendTile(
  layerIndex: i32, kvHead: i32, rows: i32, first: i32, window: i32, tile: i32, scratch: usize, partials: usize, partialBytes: usize,
): void {
  const p = plan();
  const size = p.headSize;
  const quadBytes = <usize>size << 2, stride = queryBytes(size);
  const wide = wideDot(), coarse = step().coarse != 0;
  const scores = scratch + QUERY_BYTES;
  const weights = scores + SCORES_BYTES;
  const valueScales = weights + WEIGHT_BYTES;
  const sums = valueScales + SCALE_BYTES;
  const list = sums + SUM_BYTES;
  const start = tile * TILE;
  const longest = min(first + rows - start, TILE);
  for (let i = lowest(window, first, tile) & ~15; i < longest; i += 16) {
    const unit = unitOf(start + i, layerIndex, kvHead);
    const slot = <usize>(i & 63);
    const keys = unit + slot * <usize>size, keyScales = unit + (<usize>size << 7) + (slot << 2);
    const out = scores + (<usize>i << 2);
    for (let j: usize = 0; j < 64; j += 16) v128.store(valueScales + (<usize>i << 2) + j, v128.load(keyScales + j, 256));
    scoreRows(wide, coarse, rows, keys, quadBytes, scratch, stride, keyScales, out);
  }
  // From the longest row to the shortest, since each clears the scales behind its own end.
  for (let r = rows - 1; r >= 0; r--) {
    const count = min(first + r + 1 - start, TILE);
    if (count <= 0) continue;
    const partial = partials + <usize>r * partialBytes;
    const rowScores = scores + (<usize>r << 10);
    const rowWeights = weights + (<usize>r << 9);
    const low = lowest(window, first + r, tile), page = low & ~63;
    if (low >= TILE) continue;
    const unit = low == 0
      ? weightsOf(rowScores, count, valueScales, partial, rowWeights)
      : windowedWeights(rowScores, low, count, valueScales, partial, rowWeights);
    values(
      rowWeights + <usize>page * WEIGHT, unit, ((count + 7) & ~7) - page, start + page, layerIndex, kvHead, list, sums, partial,
    );
  }
}
