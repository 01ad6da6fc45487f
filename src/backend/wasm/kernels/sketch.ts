/**
 * The sketch of a head of 8-bit quants: every weight in 4 or 5 bits, packed as Q4_0 or Q5_0, and how far a row's products with it can
 * be from the head's own. With it the best token is found by reading a little more than half of the head (winner.ts).
 *
 * A weight is d x q in the head and d x p in the sketch, where p = ±2^s x n, n the 4 or 5 bits and s = 4 or 3; l = q - p is left
 * out. For activations x, of which the sketch meets the rounded x',
 *   |sum(d q x) - sum(d p x')| <= R x sqrt(sum(x^2 / v)) + N x |x - x'|,  R^2 = sum(d^2 l^2 v), N^2 = sum(d^2 p^2),
 * by Cauchy and Schwarz, for any v > 0. It is least with v of each column in proportion to its |x|, so v is what |x| tends to be.
 *
 * Packed group: 16 rows, scales without the 2^s. Elsewhere, for each group, f32 R[16] and N[16], both rounded up: a stream of their own,
 * since the processor does not wait for it.
 */
import { CENTRED, blockBytes, scaleAt } from './quants-scales';
import { Q5_0 } from './kinds';
import { BLOCK8 } from './q8';
import { halfBias, halfUnsigned } from './simd';

/** Bytes of R and N of a group. */
export const BOUNDS: usize = 128;

/** The s of a kind. */
// @ts-ignore: decorator
@inline export function sketchShift(kind: i32): i32 {
  return kind == Q5_0 ? 3 : 4;
}

/** Covers 300 roundings of f32 in a sum. */
const ROUNDED_UP: f32 = 1.0001;

/**
 * Draws a packed group of Q8_0. `weights`: i16 [columns / 4][4], v of the columns 0, 2, 1 and 3 of each quad, 1 to 4095.
 */
export function sketchGroup(kind: i32, group: usize, columns: i32, weights: usize, target: usize, bounds: usize): void {
  const five = kind == Q5_0, size = blockBytes(five, CENTRED);
  memory.fill(bounds, 0, BOUNDS);
  for (const end = target + size * <usize>(columns >> 5); target < end; target += size, group += BLOCK8, weights += 64) {
    for (let g: usize = 0; g < 4; g++) sketchFour(five, group, g, weights, target, bounds + (g << 4));
  }
  const scale = f32x4.splat(<f32>(1 << sketchShift(kind)) * ROUNDED_UP);
  for (let at = bounds; at < bounds + 64; at += 16) {
    v128.store(at, f32x4.mul(f32x4.sqrt(v128.load(at)), f32x4.splat(ROUNDED_UP)));
    v128.store(at, f32x4.mul(f32x4.sqrt(v128.load(at, 64)), scale), 64);
  }
}

/** Four rows of a block; adds their part of R^2 and of N^2 / 4^s. */
function sketchFour(five: bool, from: usize, g: usize, weights: usize, block: usize, bounds: usize): void {
  const shift = five ? 3 : 4, half = i8x16.splat(five ? 4 : 8), zero = i8x16.splat(five ? 16 : 8);
  const scales = from + 512 + (g << 3), flip = flipped(five, from + (g << 4));
  let left = i32x4.splat(0), whole = left;
  for (let j: usize = 0; j < 4; j++) {
    const at = from + (j << 6) + (g << 4), to = block + (j << 6) + (g << 4), rest = block + (j << 4);
    let v = turned(v128.load(at), flip);
    const first = i8x16.shr_s(i8x16.add_sat_s(v, half), shift);
    left = i32x4.add(left, weighed(i8x16.sub(v, i8x16.shl(first, shift)), weights + (j << 3)));
    v = turned(v128.load(at, 256), flip);
    const second = i8x16.shr_s(i8x16.add_sat_s(v, half), shift);
    left = i32x4.add(left, weighed(i8x16.sub(v, i8x16.shl(second, shift)), weights + (j << 3) + 32));
    whole = i32x4.add(whole, i32x4.add(squares(first), squares(second)));
    const low = i8x16.add(first, zero), high = i8x16.add(second, zero);
    if (five) {
      v128.store(to, v128.or(low, v128.and(i16x8.shl(high, 3), i8x16.splat(<i8>0xe0))));
      const lower = i16x8.shl(v128.and(high, i8x16.splat(3)), <i32>g << 1);
      v128.store(rest, g ? v128.or(v128.load(rest, 256), lower) : lower, 256);
    } else {
      v128.store(to, v128.or(low, i16x8.shl(high, 4)));
    }
  }
  const signs = i32x4.bitmask(flip);
  for (let r = 0; r < 4; r++) {
    const d = <i32>load<u16>(scales + (<usize>r << 1)) | (signs >> r & 1) << 15;
    store<u16>(scaleAt(five, CENTRED, block, (g << 2) + <usize>r), <u16>d);
  }
  const d = f32x4.mul(f32x4.mul(halfUnsigned(scales), halfBias()), halfBias()), squared = f32x4.mul(d, d);
  v128.store(bounds, f32x4.add(v128.load(bounds), f32x4.mul(squared, f32x4.convert_i32x4_s(left))));
  v128.store(bounds, f32x4.add(v128.load(bounds, 64), f32x4.mul(squared, f32x4.convert_i32x4_s(whole))), 64);
}

/**
 * Which of four rows are drawn with the opposite sign: n reaches further down than up, and a block of Q8_0 reaches 127 at one of its
 * ends. -128 has no opposite.
 */
function flipped(five: bool, at: usize): v128 {
  const most = i8x16.splat(five ? 123 : 119), none = i32x4.splat(0);
  let over = none, least = none;
  for (const end = at + 512; at < end; at += 64) {
    const v = v128.load(at);
    over = v128.or(over, i8x16.gt_s(v, most));
    least = v128.or(least, i8x16.eq(v, i8x16.splat(-128)));
  }
  return v128.and(i32x4.ne(over, none), i32x4.eq(least, none));
}

// @ts-ignore: decorator
@inline function turned(v: v128, flip: v128): v128 {
  return i8x16.sub(v128.xor(v, flip), flip);
}

// @ts-ignore: decorator
@inline function evenBytes(v: v128): v128 {
  return i16x8.shr_s(i16x8.shl(v, 8), 8);
}

/** Of the four bytes of each lane: the sum of their squares, and the same times v. */
// @ts-ignore: decorator
@inline function squares(v: v128): v128 {
  const even = evenBytes(v), odd = i16x8.shr_s(v, 8);
  return i32x4.add(i32x4.dot_i16x8_s(even, even), i32x4.dot_i16x8_s(odd, odd));
}

function weighed(v: v128, weights: usize): v128 {
  const even = evenBytes(v), odd = i16x8.shr_s(v, 8);
  return i32x4.add(
    i32x4.dot_i16x8_s(i16x8.mul(even, even), v128.load32_splat(weights)),
    i32x4.dot_i16x8_s(i16x8.mul(odd, odd), v128.load32_splat(weights, 4)),
  );
}
