/**
 * Many rows of activations times weights with a scale for every 16 columns (half-blocks.ts): four rows at a time meet a group
 * that was opened to blocks of OPEN_HALVES bytes of 32 columns:
 *   512 bytes  8 quads x 16 rows x 4 bytes of q;
 *   5 x 64     for the 16 rows i32 s0, i32 s1, pairs of i16 (m0, m1), f32 d, f32 e.
 * Without minimums the pair is zero x (s0, s1), a part of the whole sum.
 */
import { chain, firstOf, halfSumsAt, secondOf } from './half-blocks';
import { NUMBERS } from './quantize';
import { QUAD, RELAXED, dotUnsigned, splatLane } from './simd';

export const OPEN_HALVES: usize = 832;

/** Behind the opened blocks: 8 vectors in which the first halves wait for the second ones. */
export const OPEN_HALVES_TAIL: usize = 128;

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
 * added, not shrunk, to f32 [4][16] at `out`, without what was left over. Two passes of 8 outputs, as in q4.ts.
 */
export function rowsHalves(open: usize, blocks: i32, minimums: bool, act: usize, out: usize): void {
  eight(open, open, blocks, minimums, act, out);
  eight(open, open + 32, blocks, minimums, act, out + 32);
}

/** One pass: 8 outputs of 4 rows. `opened`: the group; `w`: its vectors of these outputs. */
function eight(opened: usize, w: usize, blocks: i32, minimums: bool, act: usize, out: usize): void {
  const length = blocks << 5, waiting = opened + OPEN_HALVES * <usize>blocks;
  let sum = act + halfSumsAt(length, 4), scales = act + <usize>length * QUAD;
  for (let b = 0; b < blocks; b++) {
    const s = w + 512;
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
    w += OPEN_HALVES - 512;
    sum += 16;
    scales += 4 * NUMBERS;
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
