/**
 * One query against one tile of positions, between the two matrix products: scores to weights.
 *
 * A tile is TILE positions with fixed bounds, so a row's result does not depend on who computes it or beside whom. A row
 * stops at its own boundary of 8 positions, and what lies behind its own position weighs nothing.
 *
 * Scores are in units of ln 2. A partial is f32 [4 + headSize]: largest score, sum of exponentials, two unused, then the weighted values.
 */
import { RELAXED, exp2, leastExponent, lowDigit, madd, magic, maxLanes, power, rounded, sumLanes } from './simd';

export const TILE: i32 = 256;

/** The first position of tile `tile` that the row at `position` sees, counted from the tile's first; TILE if it sees none. */
// @ts-ignore: decorator
@inline export function lowest(window: i32, position: i32, tile: i32): i32 {
  return window == 0 ? 0 : min(TILE, max(0, position + 1 - window - tile * TILE));
}

/** The first tile that the row at `position` sees. */
// @ts-ignore: decorator
@inline export function firstTileOf(window: i32, position: i32): i32 {
  return window == 0 ? 0 : max(0, position + 1 - window) / TILE;
}

/**
 * Makes the scores (f32 [TILE]) ready for the loops below, which take 8 positions at a time: positions from `count` up to the
 * next multiple of 8, which is returned, get the least of all scores.
 */
function pad(scores: usize, count: i32): i32 {
  const padded = (count + 7) & ~7;
  for (let i = count; i < padded; i++) store<f32>(scores + (<usize>i << 2), -f32.MAX_VALUE);
  return padded;
}

function largestOf(scores: usize, end: usize): f32 {
  let a = v128.load(scores), b = v128.load(scores, 16);
  for (scores += 32; scores < end; scores += 32) {
    a = f32x4.pmax(a, v128.load(scores));
    b = f32x4.pmax(b, v128.load(scores, 16));
  }
  return maxLanes(f32x4.pmax(a, b));
}

/**
 * Turns `count` scores into exponentials relative to their largest, in place, and writes largest and sum to `partial`.
 */
export function exponentials(scores: usize, count: i32, partial: usize): void {
  const end = scores + (<usize>pad(scores, count) << 2);
  const largest = largestOf(scores, end);
  const shift = f32x4.splat(largest);
  let a = f32x4.splat(0), b = a;
  for (; scores < end; scores += 32) {
    const e = exp2(f32x4.sub(v128.load(scores), shift));
    v128.store(scores, e);
    a = f32x4.add(a, e);
    const f = exp2(f32x4.sub(v128.load(scores, 16), shift));
    v128.store(scores, f, 16);
    b = f32x4.add(b, f);
  }
  store<f32>(partial, largest);
  store<f32>(partial, sumLanes(f32x4.add(a, b)), 4);
}

/**
 * The same for int8 values: the exponentials, each times its value's scale (f32 [TILE] at `scales`), are quantised to 14
 * bits relative to the largest of the tile, to `out`. Relaxed: low digits in bytes [TILE], high digits behind them; plain:
 * i16 quads in the order 0 2 1 3. Returns what one unit is worth. Scales behind `count` become 0: what lies there must not be
 * the largest where all values of the row are 0.
 */
export function weightsOf(scores: usize, count: i32, scales: usize, partial: usize, out: usize): f32 {
  const padded = pad(scores, count);
  for (let i = count; i < padded; i++) store<f32>(scales + (<usize>i << 2), 0);
  const end = scores + (<usize>padded << 2);
  const largest = largestOf(scores, end);
  const shift = f32x4.splat(largest);
  let a = f32x4.splat(0), b = a, m = a, n = a;
  for (let at = scores; at < end; at += 32) {
    // Two at a time, so that each constant is loaded for both.
    let e = f32x4.sub(v128.load(at), shift), f = f32x4.sub(v128.load(at, 16), shift);
    let c = leastExponent();
    e = f32x4.pmax(e, c);
    f = f32x4.pmax(f, c);
    c = magic();
    const s = f32x4.add(e, c), t = f32x4.add(f, c);
    e = f32x4.sub(e, f32x4.sub(s, c));
    f = f32x4.sub(f, f32x4.sub(t, c));
    c = power(0);
    let p = madd(c, e, power(1)), q = madd(c, f, power(1));
    c = power(2);
    p = madd(p, e, c);
    q = madd(q, f, c);
    c = power(3);
    p = madd(p, e, c);
    q = madd(q, f, c);
    c = power(4);
    p = madd(p, e, c);
    q = madd(q, f, c);
    c = power(5);
    e = i32x4.add(madd(p, e, c), i32x4.shl(s, 23));
    f = i32x4.add(madd(q, f, c), i32x4.shl(t, 23));
    a = f32x4.add(a, e);
    b = f32x4.add(b, f);
    const u = f32x4.mul(e, v128.load(scales)), v = f32x4.mul(f, v128.load(scales, 16));
    v128.store(at, u);
    v128.store(at, v, 16);
    m = f32x4.pmax(m, u);
    n = f32x4.pmax(n, v);
    scales += 32;
  }
  store<f32>(partial, largest);
  store<f32>(partial, sumLanes(f32x4.add(a, b)), 4);
  const most = maxLanes(f32x4.pmax(m, n));
  const inverse = f32x4.splat(most > 0 ? <f32>16383 / most : 0);
  for (let at = scores; at < end; at += 32) {
    const q = rounded(v128.load(at), inverse), r = rounded(v128.load(at, 16), inverse);
    if (RELAXED) {
      const low = i16x8.narrow_i32x4_s(v128.and(q, lowDigit()), v128.and(r, lowDigit()));
      const high = i16x8.narrow_i32x4_s(i32x4.shr_u(q, 7), i32x4.shr_u(r, 7));
      const bytes = i8x16.narrow_i16x8_s(low, high);
      v128.store64_lane(out, bytes, 0);
      v128.store64_lane(out, bytes, 1, TILE);
      out += 8;
    } else {
      const s = i16x8.narrow_i32x4_s(q, r);
      v128.store(out, v128.shuffle<i16>(s, s, 0, 2, 1, 3, 4, 6, 5, 7));
      out += 16;
    }
  }
  return most / <f32>16383;
}

/** Merges the partials of consecutive tiles, in their order, into the attended vector f32 [size] at `out`. */
export function combine(partials: usize, tiles: i32, size: i32, out: usize): void {
  const stride = <usize>(size + 4) << 2;
  let largest = load<f32>(partials);
  for (let t = 1; t < tiles; t++) {
    const m = load<f32>(partials + <usize>t * stride);
    if (m > largest) largest = m;
  }
  let sum: f32 = 0;
  for (let t = 0; t < tiles; t++) {
    const p = partials + <usize>t * stride;
    const w = f32x4.extract_lane(exp2(f32x4.splat(load<f32>(p) - largest)), 0);
    store<f32>(p, w, 8);
    sum += w * load<f32>(p, 4);
  }
  const inverse = f32x4.splat(<f32>1 / sum);
  for (let d: usize = 0; d < <usize>size << 2; d += 16) {
    let o = f32x4.splat(0);
    for (let t = 0; t < tiles; t++) {
      const p = partials + <usize>t * stride;
      o = madd(v128.load(p + 16 + d), v128.load32_splat(p, 8), o);
    }
    v128.store(out + d, f32x4.mul(o, inverse));
  }
}
