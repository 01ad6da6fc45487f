/**
 * One row of activations times a packed group of 4- or 5-bit quants: the body of five kernels, which differ in the bits and in
 * where a block's scale and minimum come from.
 *
 * It does what `rowsQ4` does with an opened group, in the same order: one chain per output along the blocks, minimum x sum,
 * then scale x dot; the refined blocks follow. So a row has the same bits alone and among others.
 */
import { passBytes } from './quantize';
import { firstMask, quantBytes, secondQuants } from './quants';
import {
  QUAD, dotUnsigned, halfMask, halfSigned, lowerMask, madd, minusEight, minusSixteen, quadEven, quadOdd, upperMask,
} from './simd';

/** Scales behind the quants of a block: f16 d[16], the minimum is -8d or -16d. */
export const CENTRED: i32 = 0;
/** f16 d[16] and m[16]. */
export const AFFINE: i32 = 1;
/** u8 scales[16] and minimums[16], in units of the f32 d[16] and m[16] before each 8 blocks (supers.ts). */
export const SUPER: i32 = 2;

/** Bytes of 16 rows x 32 columns. */
// @ts-ignore: decorator
@inline export function blockBytes(five: bool, scales: i32): usize {
  return quantBytes(five) + (scales == AFFINE ? 64 : 32);
}

/** Bytes of the f32 d[16] and m[16] at the beginning of a super-block. */
const UNITS: usize = 128;

/** Bytes of 16 rows x 256 columns of a super-block. */
// @ts-ignore: decorator
@inline export function superBytes(five: bool): usize {
  return UNITS + 8 * blockBytes(five, SUPER);
}

/** Where block `b` of a group begins. */
// @ts-ignore: decorator
@inline export function blockAt(five: bool, scales: i32, group: usize, b: i32): usize {
  if (scales != SUPER) return group + <usize>b * blockBytes(five, scales);
  return unitsAt(five, group, b) + UNITS + <usize>(b & 7) * blockBytes(five, scales);
}

/** Where the super-block of block `b` begins: with its f32 d and m, so that they come in the order of the stream. */
// @ts-ignore: decorator
@inline export function unitsAt(five: bool, group: usize, b: i32): usize {
  return group + <usize>(b >> 3) * superBytes(five);
}

/** Dots of one vector: first columns with quad j, second ones with quad j + 4. */
// @ts-ignore: decorator
@inline function dots(
  five: bool, g: i32, i: v128, v: v128, rest: v128, mask: v128, upper: v128, lower: v128, le: v128, lo: v128, he: v128, ho: v128,
): v128 {
  const first = dotUnsigned(i, v128.and(v, mask), le, lo);
  return dotUnsigned(first, secondQuants(five, v, rest, g, mask, upper, lower), he, ho);
}

/** f + m x sum + d x (i x scale), in that order. */
// @ts-ignore: decorator
@inline function chain(f: v128, i: v128, scale: v128, sum: v128, d: v128, m: v128): v128 {
  return madd(f32x4.mul(f32x4.convert_i32x4_s(i), scale), d, madd(m, sum, f));
}

/** Four 16-bit integers as f32. */
// @ts-ignore: decorator
@inline export function lowFloats(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(v));
}

// @ts-ignore: decorator
@inline export function highFloats(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(v));
}

/** 16 outputs for one row. `act`: 8-bit form with lanes = 1. Writes f32 [16], times 2^-56 (SUPER: as they are), at `out`. */
// @ts-ignore: decorator
@inline export function multiplyOne(five: bool, scales: i32, group: usize, blocks: i32, act: usize, out: usize): void {
  const mask = firstMask(five), upper = upperMask(), lower = lowerMask();
  const pass = passBytes(blocks << 5, 1);
  const list = act + 2 * pass;
  const steps = blocks + load<i32>(list);
  const quadsEnd = <usize>(blocks << 3) * QUAD;
  let f0 = f32x4.splat(0), f1 = f0, f2 = f0, f3 = f0;
  for (let n = 0; n < steps; n++) {
    let b = n, from = act;
    if (n >= blocks) {
      b = load<i32>(list + (<usize>(n - blocks) << 2), 4);
      from = act + pass;
    }
    const w = blockAt(five, scales, group, b);
    const a = from + (<usize>b << 3) * QUAD;
    let i0 = i32x4.splat(0), i1 = i0, i2 = i0, i3 = i0;
    let le: v128, lo: v128, he: v128, ho: v128, rest = mask;

    le = quadEven(a); lo = quadOdd(a, le); he = quadEven(a + 4 * QUAD); ho = quadOdd(a + 4 * QUAD, he);
    if (five) rest = v128.load(w, 256);
    i0 = dots(five, 0, i0, v128.load(w, 0), rest, mask, upper, lower, le, lo, he, ho);
    i1 = dots(five, 1, i1, v128.load(w, 16), rest, mask, upper, lower, le, lo, he, ho);
    i2 = dots(five, 2, i2, v128.load(w, 32), rest, mask, upper, lower, le, lo, he, ho);
    i3 = dots(five, 3, i3, v128.load(w, 48), rest, mask, upper, lower, le, lo, he, ho);

    le = quadEven(a + QUAD); lo = quadOdd(a + QUAD, le); he = quadEven(a + 5 * QUAD); ho = quadOdd(a + 5 * QUAD, he);
    if (five) rest = v128.load(w, 272);
    i0 = dots(five, 0, i0, v128.load(w, 64), rest, mask, upper, lower, le, lo, he, ho);
    i1 = dots(five, 1, i1, v128.load(w, 80), rest, mask, upper, lower, le, lo, he, ho);
    i2 = dots(five, 2, i2, v128.load(w, 96), rest, mask, upper, lower, le, lo, he, ho);
    i3 = dots(five, 3, i3, v128.load(w, 112), rest, mask, upper, lower, le, lo, he, ho);

    le = quadEven(a + 2 * QUAD); lo = quadOdd(a + 2 * QUAD, le); he = quadEven(a + 6 * QUAD); ho = quadOdd(a + 6 * QUAD, he);
    if (five) rest = v128.load(w, 288);
    i0 = dots(five, 0, i0, v128.load(w, 128), rest, mask, upper, lower, le, lo, he, ho);
    i1 = dots(five, 1, i1, v128.load(w, 144), rest, mask, upper, lower, le, lo, he, ho);
    i2 = dots(five, 2, i2, v128.load(w, 160), rest, mask, upper, lower, le, lo, he, ho);
    i3 = dots(five, 3, i3, v128.load(w, 176), rest, mask, upper, lower, le, lo, he, ho);

    le = quadEven(a + 3 * QUAD); lo = quadOdd(a + 3 * QUAD, le); he = quadEven(a + 7 * QUAD); ho = quadOdd(a + 7 * QUAD, he);
    if (five) rest = v128.load(w, 304);
    i0 = dots(five, 0, i0, v128.load(w, 192), rest, mask, upper, lower, le, lo, he, ho);
    i1 = dots(five, 1, i1, v128.load(w, 208), rest, mask, upper, lower, le, lo, he, ho);
    i2 = dots(five, 2, i2, v128.load(w, 224), rest, mask, upper, lower, le, lo, he, ho);
    i3 = dots(five, 3, i3, v128.load(w, 240), rest, mask, upper, lower, le, lo, he, ho);

    const numbers = from + quadsEnd + (<usize>b << 3);
    const scale = v128.load32_splat(numbers), sum = v128.load32_splat(numbers, 4);
    const at = w + quantBytes(five);
    if (scales == SUPER) {
      const units = unitsAt(five, group, b);
      let d = v128.load8x8_u(at), m = v128.load8x8_u(at, 16);
      f0 = chain(f0, i0, scale, sum, f32x4.mul(lowFloats(d), v128.load(units)), f32x4.mul(lowFloats(m), v128.load(units, 64)));
      f1 = chain(f1, i1, scale, sum, f32x4.mul(highFloats(d), v128.load(units, 16)), f32x4.mul(highFloats(m), v128.load(units, 80)));
      d = v128.load8x8_u(at, 8); m = v128.load8x8_u(at, 24);
      f2 = chain(f2, i2, scale, sum, f32x4.mul(lowFloats(d), v128.load(units, 32)), f32x4.mul(lowFloats(m), v128.load(units, 96)));
      f3 = chain(f3, i3, scale, sum, f32x4.mul(highFloats(d), v128.load(units, 48)), f32x4.mul(highFloats(m), v128.load(units, 112)));
    } else {
      const sign = halfMask();
      let d = halfSigned(at, sign);
      f0 = chain(f0, i0, scale, sum, d, minimum(five, scales, at, d, sign));
      d = halfSigned(at + 8, sign);
      f1 = chain(f1, i1, scale, sum, d, minimum(five, scales, at + 8, d, sign));
      d = halfSigned(at + 16, sign);
      f2 = chain(f2, i2, scale, sum, d, minimum(five, scales, at + 16, d, sign));
      d = halfSigned(at + 24, sign);
      f3 = chain(f3, i3, scale, sum, d, minimum(five, scales, at + 24, d, sign));
    }
  }
  v128.store(out, f0, 0);
  v128.store(out, f1, 16);
  v128.store(out, f2, 32);
  v128.store(out, f3, 48);
}

/** Four minimums beside the scales `d` that were read at `at`. */
// @ts-ignore: decorator
@inline export function minimum(five: bool, scales: i32, at: usize, d: v128, sign: v128): v128 {
  if (scales == AFFINE) return halfSigned(at + 32, sign);
  return f32x4.mul(d, five ? minusSixteen() : minusEight());
}
