/**
 * What weights with a scale for every 16 columns share (Q6_K, Q3_K, Q2_K): w = d x s x (q - zero), or d x s x q - e x m, where
 * s and m are small integers of a half block and d and e floats of 256 columns.
 *
 * Both halves of a block of 32 columns meet one scale of the activations, so a block is one integer until its end:
 *   whole = s0 x (dot0 - zero x sum0) + s1 x (dot1 - zero x sum1), below 2^24,
 * and an output is one chain in the order of the blocks, f + (whole x scale) x d, then the refined blocks (quantize.ts). With
 * minimums, f - ((m0 x sum0 + m1 x sum1) x scale) x e goes before. The sums of the activations over half blocks are negative
 * pairs of i16, behind the 8-bit form: i32 [2 passes][K/32][lanes].
 *
 * d and e are packed as f32, times 2^-56 (supers.ts says why).
 *
 * For many rows a packed group is opened to blocks of OPEN_HALVES bytes: 8 quads x 16 rows x 4 bytes of q; then for the 16 rows
 * i32 s0, i32 s1, pairs of i16 (m0, m1), f32 d, f32 e. Without minimums the pair is zero x (s0, s1), a part of the whole.
 */
import { passBytes } from './quantize';
import { QUAD, RELAXED, dotUnsigned, lessHalfBias, madd, splatLane } from './simd';

export const OPEN_HALVES: usize = 832;

/** Behind the opened blocks: 8 vectors in which the first halves wait for the second ones. */
export const OPEN_HALVES_TAIL: usize = 128;

/** Where the sums of half blocks begin in a group of activations. */
// @ts-ignore: decorator
@inline export function halfSumsAt(length: i32, lanes: i32): usize {
  return 2 * passBytes(length, lanes) + 4 + (<usize>length >> 5) * 4;
}

/** What the sums take. */
export function halfSumsBytes(length: i32, lanes: i32): i32 {
  return (length >> 5) * lanes * 8;
}

/** Sums of 16 activations each, for all rows of a group in 8-bit form. */
export function sumHalves(group: usize, length: i32, lanes: i32): void {
  const blocks = length >> 5, pass = passBytes(length, lanes);
  let at = group + halfSumsAt(length, lanes);
  for (let quads = group, end = group + 2 * pass; quads < end; quads += pass) {
    let from = quads;
    for (let b = 0; b < blocks; b++) {
      if (lanes == 1) {
        v128.store32_lane(at, sumOne(from), 0);
        at += 4;
      } else {
        const first = sumFour(from), second = sumFour(from + 16 * QUAD);
        v128.store(at, v128.shuffle<i16>(first, second, 0, 8, 2, 10, 4, 12, 6, 14));
        at += 16;
      }
      from += 8 * QUAD * <usize>lanes;
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

/** Quad `k` of a row at `at`, byte by byte; the other words of its half block are 16 bytes apart from `first` on. */
export function sixBitsOf(first: usize, k: usize): i32 {
  if (k < 3) return <i32>load<u8>(first + (k << 4)) & 63;
  return <i32>load<u8>(first) >> 6 << 4 | <i32>load<u8>(first, 16) >> 6 << 2 | <i32>load<u8>(first, 32) >> 6;
}

/** An f16 that is infinite or no number. */
// @ts-ignore: decorator
@inline export function isInfinite(half: u32): i32 {
  return i32((half & 0x7c00) == 0x7c00);
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

/** Scales, minimums and floats of the 16 rows of an opened block. `m`: pairs, for four rows at a time. */
// @ts-ignore: decorator
@inline export function openScales(out: usize, g: usize, s: v128, m: v128, d: usize, e: usize): void {
  v128.store(out + (g << 4), firstOf(s), 512);
  v128.store(out + (g << 4), secondOf(s), 576);
  v128.store(out + (g << 4), m, 640);
  v128.store(out + (g << 4), v128.load(d + (g << 4)), 704);
  v128.store(out + (g << 4), v128.load(e + (g << 4)), 768);
}

/**
 * 16 outputs for each of 4 rows. `open`: an opened group with its tail; `act`: 8-bit form with lanes = 4 and its sums; result
 * f32 [4][16] times 2^-56 at `out`. Two passes of 8 outputs, as in q4.ts.
 */
export function rowsHalves(open: usize, blocks: i32, minimums: bool, act: usize, out: usize): void {
  clear16(out);
  clear16(out + 64);
  clear16(out + 128);
  clear16(out + 192);
  eight(open, open, blocks, minimums, act, out);
  eight(open, open + 32, blocks, minimums, act, out + 32);
  shrink(out, 256);
}

/** One pass: 8 outputs of 4 rows. `opened`: the group; `first`: its vectors of these outputs. */
function eight(opened: usize, first: usize, blocks: i32, minimums: bool, group: usize, out: usize): void {
  const length = blocks << 5, pass = passBytes(length, 4), quadBytes = <usize>length * QUAD;
  const waiting = opened + OPEN_HALVES * <usize>blocks;
  const list = group + 2 * pass, sums = group + halfSumsAt(length, 4);
  const steps = blocks + load<i32>(list);
  for (let n = 0; n < steps; n++) {
    let b = <usize>n, start = group, sum = sums;
    if (n >= blocks) {
      b = <usize>load<i32>(list + (<usize>(n - blocks) << 2), 4);
      start += pass;
      sum += <usize>blocks << 4;
    }
    let w = first + b * OPEN_HALVES, act = start + (b << 5) * QUAD;
    const s = w + 512, scales = start + quadBytes + (b << 5);
    sum += b << 4;
    for (let half: usize = 0; half < 128; half += 64) {
      let r0 = i32x4.splat(0), r1 = r0, s0 = r0, s1 = r0, t0 = r0, t1 = r0, u0 = r0, u1 = r0;
      let w0: v128, w1: v128, v: v128, a: v128, e: v128, o: v128;
      if (RELAXED) {
        w0 = v128.load(w, 0); w1 = v128.load(w, 16); v = v128.load(act, 0);
        a = splatLane(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
        a = splatLane(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
        a = splatLane(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
        a = splatLane(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
        w0 = v128.load(w, 64); w1 = v128.load(w, 80); v = v128.load(act, 16);
        a = splatLane(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
        a = splatLane(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
        a = splatLane(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
        a = splatLane(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
        w0 = v128.load(w, 128); w1 = v128.load(w, 144); v = v128.load(act, 32);
        a = splatLane(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
        a = splatLane(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
        a = splatLane(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
        a = splatLane(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
        w0 = v128.load(w, 192); w1 = v128.load(w, 208); v = v128.load(act, 48);
        a = splatLane(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
        a = splatLane(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
        a = splatLane(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
        a = splatLane(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      } else {
        w0 = v128.load(w, 0); w1 = v128.load(w, 16);
        e = v128.load32_splat(act, 0); o = v128.load32_splat(act, 4); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
        e = v128.load32_splat(act, 8); o = v128.load32_splat(act, 12); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
        e = v128.load32_splat(act, 16); o = v128.load32_splat(act, 20); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
        e = v128.load32_splat(act, 24); o = v128.load32_splat(act, 28); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
        w0 = v128.load(w, 64); w1 = v128.load(w, 80);
        e = v128.load32_splat(act, 32); o = v128.load32_splat(act, 36); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
        e = v128.load32_splat(act, 40); o = v128.load32_splat(act, 44); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
        e = v128.load32_splat(act, 48); o = v128.load32_splat(act, 52); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
        e = v128.load32_splat(act, 56); o = v128.load32_splat(act, 60); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
        w0 = v128.load(w, 128); w1 = v128.load(w, 144);
        e = v128.load32_splat(act, 64); o = v128.load32_splat(act, 68); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
        e = v128.load32_splat(act, 72); o = v128.load32_splat(act, 76); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
        e = v128.load32_splat(act, 80); o = v128.load32_splat(act, 84); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
        e = v128.load32_splat(act, 88); o = v128.load32_splat(act, 92); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
        w0 = v128.load(w, 192); w1 = v128.load(w, 208);
        e = v128.load32_splat(act, 96); o = v128.load32_splat(act, 100); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
        e = v128.load32_splat(act, 104); o = v128.load32_splat(act, 108); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
        e = v128.load32_splat(act, 112); o = v128.load32_splat(act, 116); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
        e = v128.load32_splat(act, 120); o = v128.load32_splat(act, 124); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      }
      w += 256;
      act += 16 * QUAD;
      const f = v128.load(s + half), g = v128.load(s + half, 16);
      if (half == 0) {
        v128.store(waiting, i32x4.mul(r0, f), 0);
        v128.store(waiting, i32x4.mul(r1, g), 16);
        v128.store(waiting, i32x4.mul(s0, f), 32);
        v128.store(waiting, i32x4.mul(s1, g), 48);
        v128.store(waiting, i32x4.mul(t0, f), 64);
        v128.store(waiting, i32x4.mul(t1, g), 80);
        v128.store(waiting, i32x4.mul(u0, f), 96);
        v128.store(waiting, i32x4.mul(u1, g), 112);
        continue;
      }
      v = v128.load32_splat(sum, 0); a = v128.load32_splat(scales, 0);
      finish(out + 0, s, minimums, i32x4.add(v128.load(waiting, 0), i32x4.mul(r0, f)), v, a);
      finish(out + 16, s + 16, minimums, i32x4.add(v128.load(waiting, 16), i32x4.mul(r1, g)), v, a);
      v = v128.load32_splat(sum, 4); a = v128.load32_splat(scales, 4);
      finish(out + 64, s, minimums, i32x4.add(v128.load(waiting, 32), i32x4.mul(s0, f)), v, a);
      finish(out + 80, s + 16, minimums, i32x4.add(v128.load(waiting, 48), i32x4.mul(s1, g)), v, a);
      v = v128.load32_splat(sum, 8); a = v128.load32_splat(scales, 8);
      finish(out + 128, s, minimums, i32x4.add(v128.load(waiting, 64), i32x4.mul(t0, f)), v, a);
      finish(out + 144, s + 16, minimums, i32x4.add(v128.load(waiting, 80), i32x4.mul(t1, g)), v, a);
      v = v128.load32_splat(sum, 12); a = v128.load32_splat(scales, 12);
      finish(out + 192, s, minimums, i32x4.add(v128.load(waiting, 96), i32x4.mul(u0, f)), v, a);
      finish(out + 208, s + 16, minimums, i32x4.add(v128.load(waiting, 112), i32x4.mul(u1, g)), v, a);
    }
  }
}

/** Ends a block for four outputs of a row. `s`: its opened scales; `dots`: both halves, `sums`: the row's pair. */
// @ts-ignore: decorator
@inline function finish(out: usize, s: usize, minimums: bool, dots: v128, sums: v128, scale: v128): void {
  const rest = i32x4.dot_i16x8_s(v128.load(s, 128), sums);
  if (minimums) {
    v128.store(out, chain(chain(v128.load(out), rest, scale, v128.load(s, 256)), dots, scale, v128.load(s, 192)));
  } else {
    v128.store(out, chain(v128.load(out), i32x4.add(dots, rest), scale, v128.load(s, 192)));
  }
}
