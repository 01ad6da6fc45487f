/**
 * Attention's second product: int8 values x one digit of the weights of a query, summed exactly.
 *
 * A digit of many positions is zero, since weights are relative to the largest: such quads are left out, which changes no
 * sum. Loops are unrolled by hand, because V8 checks for interrupts in each and does not unroll these.
 */
import { RELAXED, dotSigned } from './simd';
import { plan } from './plan';
import { unitOf } from './rotate';

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

/** The same for listed quads: pairs of addresses of weights and values. */
function weighList(list: usize, end: usize, dim: usize, out: usize): void {
  let a = v128.load(out), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48);
  let e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
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
export function weigh(weights: usize, count: i32, start: i32, layerIndex: i32, kvHead: i32, list: usize, out: usize): void {
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
