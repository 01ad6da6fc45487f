/**
 * What weights with a scale for every 16 columns share (Q6_K, Q3_K, Q2_K): w = d x s x (q - zero), or d x s x q - e x m, where
 * s and m are small integers of a half block and d and e floats of 256 columns.
 *
 * Both halves of a block of 32 columns meet one scale of the activations, so a block is one integer until its end:
 *   whole = s0 x (dot0 - zero x sum0) + s1 x (dot1 - zero x sum1), below 2^24,
 * and an output is one chain in the order of the blocks, f + (whole x scale) x d, then the refined blocks (quantize.ts). With
 * minimums, f - ((m0 x sum0 + m1 x sum1) x scale) x e goes before. The sums of the activations over half blocks are negative
 * pairs of i16, behind the 8-bit form, i32 [K/32][lanes], and for what was left over of a row with that.
 *
 * d and e are packed as f32, times 2^-56 (supers.ts says why).
 *
 * One row or two are for half-row.ts, many for half-rows.ts; how each type lies in a packed group for q6k.ts, q3k.ts and q2k.ts.
 */
import { bytes8, leftBytes, leftListAt, leftSumsAt, passBytes } from './quantize';
import { QUAD, RELAXED, dotUnsigned, lessHalfBias, madd, quadEven, quadOdd } from './simd';

/** Where the sums of half blocks begin in a group of activations; those of what was left over lie with it. */
// @ts-ignore: decorator
@inline export function halfSumsAt(length: i32, lanes: i32): usize {
  return <usize>bytes8(length, lanes);
}

/** What the sums take. */
export function halfSumsBytes(length: i32, lanes: i32): i32 {
  return (length >> 5) * lanes * 4;
}

/** Sums of 16 activations each, for `rows` rows of a group in 8-bit form. */
export function sumHalves(group: usize, length: i32, lanes: i32, rows: i32): void {
  let at = group + halfSumsAt(length, lanes);
  for (let from = group, end = group + (<usize>length >> 2) * QUAD * <usize>lanes; from < end; from += 8 * QUAD * <usize>lanes) {
    if (lanes == 1) {
      v128.store32_lane(at, sumOne(from), 0);
      at += 4;
    } else {
      const first = sumFour(from), second = sumFour(from + 16 * QUAD);
      v128.store(at, v128.shuffle<i16>(first, second, 0, 8, 2, 10, 4, 12, 6, 14));
      at += 16;
    }
  }
  let left = group + passBytes(length, lanes);
  for (let row = 0; row < rows; row++, left += leftBytes(length)) {
    const list = left + leftListAt(length), sums = left + leftSumsAt(length);
    for (let n = list, end = list + (<usize>load<i32>(list) << 2); n < end; n += 4) {
      const b = <usize>load<i32>(n, 4);
      v128.store32_lane(sums + (b << 2), sumOne(left + (b << 3) * QUAD), 0);
    }
  }
}

/** A row alone: the pair in lane 0. */
// @ts-ignore: decorator
@inline function sumOne(quads: usize): v128 {
  let first: v128, second: v128;
  const minus = i16x8.splat(-1);
  if (RELAXED) {
    first = i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(quads)), minus);
    second = i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(quads, 16)), minus);
  } else {
    first = i32x4.dot_i16x8_s(i16x8.add(v128.load(quads), v128.load(quads, 16)), minus);
    second = i32x4.dot_i16x8_s(i16x8.add(v128.load(quads, 32), v128.load(quads, 48)), minus);
  }
  const twos = i32x4.extadd_pairwise_i16x8_s(i16x8.narrow_i32x4_s(first, second));
  const ones = i32x4.extadd_pairwise_i16x8_s(i16x8.narrow_i32x4_s(twos, twos));
  return i16x8.narrow_i32x4_s(ones, ones);
}

/** Four rows: 4 quads of each, as i32x4. */
// @ts-ignore: decorator
@inline function sumFour(quads: usize): v128 {
  const minus = i16x8.splat(-1);
  if (RELAXED) {
    const a = i16x8.add(i16x8.extadd_pairwise_i8x16_s(v128.load(quads)), i16x8.extadd_pairwise_i8x16_s(v128.load(quads, 16)));
    const b = i16x8.add(i16x8.extadd_pairwise_i8x16_s(v128.load(quads, 32)), i16x8.extadd_pairwise_i8x16_s(v128.load(quads, 48)));
    return i32x4.dot_i16x8_s(i16x8.add(a, b), minus);
  }
  const a = i16x8.add(i16x8.add(v128.load(quads), v128.load(quads, 32)), i16x8.add(v128.load(quads, 64), v128.load(quads, 96)));
  const b = i16x8.add(i16x8.add(v128.load(quads, 16), v128.load(quads, 48)), i16x8.add(v128.load(quads, 80), v128.load(quads, 112)));
  return i32x4.extadd_pairwise_i16x8_s(i16x8.narrow_i32x4_s(i32x4.dot_i16x8_s(a, minus), i32x4.dot_i16x8_s(b, minus)));
}

/**
 * 16 bytes of six bits, four quads, as three words with the last quad in their high bits, a third in each, the highest in the
 * first: what `fourth` reads. In lanes 0 to 2.
 */
// @ts-ignore: decorator
@inline export function threeWords(q: v128): v128 {
  const last = i32x4.mul(v128.shuffle<i32>(q, q, 3, 3, 3, 3), i32x4(4, 16, 64, 0));
  return v128.or(q, v128.and(last, i8x16.splat(<i8>0xc0)));
}

/** The quad in the high bits of three others. `mask`: six bits. */
// @ts-ignore: decorator
@inline export function fourth(v0: v128, v1: v128, v2: v128, mask: v128): v128 {
  let t = i16x8.shr_u(v128.andnot(v2, mask), 2);
  t = i16x8.shr_u(v128.or(t, v128.andnot(v1, mask)), 2);
  return i16x8.shr_u(v128.or(t, v128.andnot(v0, mask)), 2);
}

/** One byte of quad `k` of a half block whose first word has that byte at `first`; the words are 16 bytes apart. */
export function sixBitsOf(first: usize, k: usize): i32 {
  if (k < 3) return <i32>load<u8>(first + (k << 4)) & 63;
  return <i32>load<u8>(first) >> 6 << 4 | <i32>load<u8>(first, 16) >> 6 << 2 | <i32>load<u8>(first, 32) >> 6;
}

/** An f16 that is infinite or no number. */
// @ts-ignore: decorator
@inline export function isInfinite(half: u32): i32 {
  return i32((half & 0x7c00) == 0x7c00);
}

/** acc + four rows of weights x the quad at `quad`. */
// @ts-ignore: decorator
@inline export function meet(acc: v128, w: v128, quad: usize): v128 {
  const e = quadEven(quad);
  return dotUnsigned(acc, w, e, quadOdd(quad, e));
}

/** Sums of both halves, below 2^15 in magnitude, as pairs of i16. The second ones are 2^(16 - shift) times too large. */
// @ts-ignore: decorator
@inline export function paired(first: v128, second: v128, shift: i32): v128 {
  return v128.shuffle<i16>(first, i32x4.shl(second, shift), 0, 9, 2, 11, 4, 13, 6, 15);
}

/** s0 of four rows, from pairs of i16. */
// @ts-ignore: decorator
@inline export function firstOf(pairs: v128): v128 {
  return i32x4.shr_s(i32x4.shl(pairs, 16), 16);
}

/** s1 of four rows, from pairs of i16. */
// @ts-ignore: decorator
@inline export function secondOf(pairs: v128): v128 {
  return i32x4.shr_s(pairs, 16);
}

/** f + (whole x scale) x d, for four outputs. */
// @ts-ignore: decorator
@inline export function chain(f: v128, whole: v128, scale: v128, d: v128): v128 {
  return madd(f32x4.mul(f32x4.convert_i32x4_s(whole), scale), d, f);
}

/** Outputs as they are due: times 2^-56, which d and e carried while they met the activations' 2^56. */
export function shrink(out: usize, bytes: usize): void {
  const factor = lessHalfBias();
  for (const end = out + bytes; out < end; out += 16) v128.store(out, f32x4.mul(v128.load(out), factor));
}

/** 16 outputs become zero. Stores: filling memory is a call out of the module. */
// @ts-ignore: decorator
@inline export function clear16(out: usize): void {
  const zero = f32x4.splat(0);
  v128.store(out, zero, 0);
  v128.store(out, zero, 16);
  v128.store(out, zero, 32);
  v128.store(out, zero, 48);
}
