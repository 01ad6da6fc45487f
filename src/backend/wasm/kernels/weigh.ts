/**
 * Attention's second product: int8 values x one digit of the weights of a query, summed exactly.
 *
 * A digit of many positions is zero, since weights are relative to the largest: such quads are left out, which changes no
 * sum. Loops are unrolled by hand, because V8 checks for interrupts in each and does not unroll these.
 */
import { RELAXED, dotSigned, upperNibble } from './simd';
import { plan, step } from './plan';
import { unitOf } from './rotate';
import { TILE } from './softmax';

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
  let a = v128.load(out), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48);
  let e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
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

// @ts-ignore: decorator
@inline function loadValue(coarse: bool, at: usize): v128 {
  return coarse ? upperNibble(v128.load(at)) : v128.load(at);
}

/** The same for listed quads: pairs of addresses of weights and values. */
// @ts-ignore: decorator
@inline function weighListOf(coarse: bool, list: usize, end: usize, dim: usize, out: usize): void {
  let a = v128.load(out), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48);
  let e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
  let s: v128, t: v128;
  let w: usize, v: usize;
  for (; list < end; list += 8) {
    w = <usize>load<u32>(list); v = <usize>load<u32>(list, 4) + dim;
    s = v128.load32_splat(w);
    t = RELAXED ? s : v128.load32_splat(w, 4);
    a = dotSigned(a, loadValue(coarse, v), s, t);
    b = dotSigned(b, loadValue(coarse, v + 16), s, t);
    c = dotSigned(c, loadValue(coarse, v + 32), s, t);
    d = dotSigned(d, loadValue(coarse, v + 48), s, t);
    e = dotSigned(e, loadValue(coarse, v + 64), s, t);
    f = dotSigned(f, loadValue(coarse, v + 80), s, t);
    g = dotSigned(g, loadValue(coarse, v + 96), s, t);
    h = dotSigned(h, loadValue(coarse, v + 112), s, t);
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

function weighList(list: usize, end: usize, dim: usize, out: usize): void {
  weighListOf(false, list, end, dim, out);
}

function weighListCoarse(list: usize, end: usize, dim: usize, out: usize): void {
  weighListOf(true, list, end, dim, out);
}

/** Both digits at once (relaxed), 16 dims: each vector of values is loaded for two dots. Adds to i32 [16] at `low` and `high`. */
function weighBoth(w: usize, v: usize, quadBytes: usize, low: usize, high: usize): void {
  let a = v128.load(low), b = v128.load(low, 16), c = v128.load(low, 32), d = v128.load(low, 48);
  let e = v128.load(high), f = v128.load(high, 16), g = v128.load(high, 32), h = v128.load(high, 48);
  let s: v128, t: v128, x: v128;
  for (const end = w + 16 * WEIGHT_QUAD; w < end; ) {
    s = v128.load32_splat(w); t = v128.load32_splat(w, TILE);
    x = v128.load(v); a = dotSigned(a, x, s, s); e = dotSigned(e, x, t, t);
    x = v128.load(v, 16); b = dotSigned(b, x, s, s); f = dotSigned(f, x, t, t);
    x = v128.load(v, 32); c = dotSigned(c, x, s, s); g = dotSigned(g, x, t, t);
    x = v128.load(v, 48); d = dotSigned(d, x, s, s); h = dotSigned(h, x, t, t);
    w += WEIGHT_QUAD;
    v += quadBytes;
    s = v128.load32_splat(w); t = v128.load32_splat(w, TILE);
    x = v128.load(v); a = dotSigned(a, x, s, s); e = dotSigned(e, x, t, t);
    x = v128.load(v, 16); b = dotSigned(b, x, s, s); f = dotSigned(f, x, t, t);
    x = v128.load(v, 32); c = dotSigned(c, x, s, s); g = dotSigned(g, x, t, t);
    x = v128.load(v, 48); d = dotSigned(d, x, s, s); h = dotSigned(h, x, t, t);
    w += WEIGHT_QUAD;
    v += quadBytes;
    s = v128.load32_splat(w); t = v128.load32_splat(w, TILE);
    x = v128.load(v); a = dotSigned(a, x, s, s); e = dotSigned(e, x, t, t);
    x = v128.load(v, 16); b = dotSigned(b, x, s, s); f = dotSigned(f, x, t, t);
    x = v128.load(v, 32); c = dotSigned(c, x, s, s); g = dotSigned(g, x, t, t);
    x = v128.load(v, 48); d = dotSigned(d, x, s, s); h = dotSigned(h, x, t, t);
    w += WEIGHT_QUAD;
    v += quadBytes;
    s = v128.load32_splat(w); t = v128.load32_splat(w, TILE);
    x = v128.load(v); a = dotSigned(a, x, s, s); e = dotSigned(e, x, t, t);
    x = v128.load(v, 16); b = dotSigned(b, x, s, s); f = dotSigned(f, x, t, t);
    x = v128.load(v, 32); c = dotSigned(c, x, s, s); g = dotSigned(g, x, t, t);
    x = v128.load(v, 48); d = dotSigned(d, x, s, s); h = dotSigned(h, x, t, t);
    w += WEIGHT_QUAD;
    v += quadBytes;
  }
  v128.store(low, a); v128.store(low, b, 16); v128.store(low, c, 32); v128.store(low, d, 48);
  v128.store(high, e); v128.store(high, f, 16); v128.store(high, g, 32); v128.store(high, h, 48);
}

/** Fewer quads than this of a page's 16 are worth a list. */
const DENSE: i32 = 12;

/** Room for the list of one digit of a tile: 64 quads and one entry too many. */
const LIST: usize = 65 * 8;
export const LISTS_BYTES: usize = 2 * LIST;

/** Bit i says whether quad i of a page's 16 is not all zero; quads from `quads` on are not looked at. */
// @ts-ignore: decorator
@inline function nonZeroOfPage(w: usize, quads: i32): i32 {
  const some = nonZeroQuads(w) | (nonZeroQuads(w + 4 * WEIGHT_QUAD) << 4)
    | (nonZeroQuads(w + 8 * WEIGHT_QUAD) << 8) | (nonZeroQuads(w + 12 * WEIGHT_QUAD) << 12);
  return some & ((1 << quads) - 1);
}

/** Lists a page's quads of one digit. Entries are written in any case and kept by moving on. Returns the list's end. */
function listPage(some: i32, w: usize, v: usize, quadBytes: usize, end: usize): usize {
  for (; some != 0; some >>= 1) {
    store<u32>(end, <u32>w);
    store<u32>(end, <u32>v, 4);
    end += <usize>(some & 1) << 3;
    w += WEIGHT_QUAD;
    v += quadBytes;
  }
  return end;
}

function weighAll(coarse: bool, list: usize, end: usize, quadBytes: usize, out: usize): void {
  if (end == list) return;
  for (let d: usize = 0; d < quadBytes; d += 128) {
    if (coarse) weighListCoarse(list, end, d, out + d);
    else weighList(list, end, d, out + d);
  }
}

/**
 * Adds values x weights, positions `start` and on, to i32 [headSize] at `low` and (relaxed: the high digit's) `high`. Quads
 * whose digit is zero are left out, which changes no sum: a page that is full of others goes through in a row, else they
 * are listed. The draft view, which reads the upper four bits of the same values, lists all. `lists`: scratch of LISTS_BYTES.
 */
export function weigh(
  weights: usize, count: i32, start: i32, layerIndex: i32, kvHead: i32, lists: usize, low: usize, high: usize,
): void {
  const quadBytes = <usize>plan().headSize << 2;
  const coarse = step().coarse != 0;
  let lowEnd = lists, highEnd = lists + LIST;
  for (let first = 0; first < count; first += 64) {
    const page = weights + <usize>(first >> 2) * WEIGHT_QUAD;
    const values = unitOf(start + first, layerIndex, kvHead) + (quadBytes << 4);
    const quads = min(16, (count - first) >> 2);
    const someLow = nonZeroOfPage(page, quads), someHigh = RELAXED ? nonZeroOfPage(page + TILE, quads) : 0;
    const denseLow = !coarse && quads == 16 && popcnt<i32>(someLow) >= DENSE;
    if (RELAXED && denseLow && popcnt<i32>(someHigh) >= DENSE) {
      for (let d: usize = 0; d < quadBytes; d += 64) weighBoth(page, values + d, quadBytes, low + d, high + d);
      continue;
    }
    if (denseLow) for (let d: usize = 0; d < quadBytes; d += 128) weighPage(page, values + d, quadBytes, low + d);
    else lowEnd = listPage(someLow, page, values, quadBytes, lowEnd);
    highEnd = listPage(someHigh, page + TILE, values, quadBytes, highEnd);
  }
  weighAll(coarse, lists, lowEnd, quadBytes, low);
  weighAll(coarse, lists + LIST, highEnd, quadBytes, high);
}
