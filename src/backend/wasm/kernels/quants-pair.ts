/**
 * Two rows of activations times a packed group of 4- or 5-bit quants: unpacked in registers, each quant is met by both. In cache
 * two rows cost 1.5 times as much as one. The chain of an output is that of a row alone.
 */
import { NUMBERS } from './quantize';
import { firstMask, secondQuants } from './quants';
import { blockAt, blockBytes, chain, minimumsOf, runCount, runLength, scalesOf, startOf, sumOf, unitsAt } from './quants-scales';
import { QUAD, dotUnsigned, lowerMask, quadEven, quadOdd, upperMask } from './simd';

/**
 * 16 outputs for each of the first two rows of a group of four. `act`: 8-bit form with lanes = 4. Adds to
 * f32 [2][16] at `out`, not due yet (quants-scales.ts), without what was left over.
 */
// @ts-ignore: decorator
@inline export function multiplyTwo(five: bool, scales: i32, group: usize, blocks: i32, act: usize, out: usize): void {
  const mask = firstMask(five), upper = upperMask(), lower = lowerMask();
  const runs = runCount(scales, blocks);
  let a = act, numbers = act + <usize>(blocks << 5) * QUAD;
  let f0 = v128.load(out), f1 = v128.load(out, 16), f2 = v128.load(out, 32), f3 = v128.load(out, 48);
  let h0 = v128.load(out, 64), h1 = v128.load(out, 80), h2 = v128.load(out, 96), h3 = v128.load(out, 112);
  for (let n = 0; n < runs; n++) {
    const b = n * runLength(scales, blocks), units = unitsAt(five, group, b);
    let w = blockAt(five, scales, group, b);
    for (const end = w + <usize>runLength(scales, blocks) * blockBytes(five, scales); w < end; w += blockBytes(five, scales)) {
      let r0 = startOf(five, scales, numbers + 32), r1 = r0, r2 = r0, r3 = r0;
      let s0 = startOf(five, scales, numbers + 36), s1 = s0, s2 = s0, s3 = s0;
      // Quads of the first row, first and second columns, then of the second row.
      let le: v128, lo: v128, he: v128, ho: v128, me: v128, mo: v128, ne: v128, no: v128;
      let v: v128, u: v128, rest = mask;

      le = quadEven(a); lo = quadOdd(a, le); he = quadEven(a + 16 * QUAD); ho = quadOdd(a + 16 * QUAD, he);
      me = quadEven(a + 1 * QUAD); mo = quadOdd(a + 1 * QUAD, me); ne = quadEven(a + 17 * QUAD); no = quadOdd(a + 17 * QUAD, ne);
      if (five) rest = v128.load(w, 256);
      v = v128.load(w, 0); u = secondQuants(five, v, rest, 0, mask, upper, lower); v = v128.and(v, mask);
      r0 = dotUnsigned(r0, v, le, lo); s0 = dotUnsigned(s0, v, me, mo); r0 = dotUnsigned(r0, u, he, ho); s0 = dotUnsigned(s0, u, ne, no);
      v = v128.load(w, 16); u = secondQuants(five, v, rest, 1, mask, upper, lower); v = v128.and(v, mask);
      r1 = dotUnsigned(r1, v, le, lo); s1 = dotUnsigned(s1, v, me, mo); r1 = dotUnsigned(r1, u, he, ho); s1 = dotUnsigned(s1, u, ne, no);
      v = v128.load(w, 32); u = secondQuants(five, v, rest, 2, mask, upper, lower); v = v128.and(v, mask);
      r2 = dotUnsigned(r2, v, le, lo); s2 = dotUnsigned(s2, v, me, mo); r2 = dotUnsigned(r2, u, he, ho); s2 = dotUnsigned(s2, u, ne, no);
      v = v128.load(w, 48); u = secondQuants(five, v, rest, 3, mask, upper, lower); v = v128.and(v, mask);
      r3 = dotUnsigned(r3, v, le, lo); s3 = dotUnsigned(s3, v, me, mo); r3 = dotUnsigned(r3, u, he, ho); s3 = dotUnsigned(s3, u, ne, no);

      le = quadEven(a + 4 * QUAD); lo = quadOdd(a + 4 * QUAD, le); he = quadEven(a + 20 * QUAD); ho = quadOdd(a + 20 * QUAD, he);
      me = quadEven(a + 5 * QUAD); mo = quadOdd(a + 5 * QUAD, me); ne = quadEven(a + 21 * QUAD); no = quadOdd(a + 21 * QUAD, ne);
      if (five) rest = v128.load(w, 272);
      v = v128.load(w, 64); u = secondQuants(five, v, rest, 0, mask, upper, lower); v = v128.and(v, mask);
      r0 = dotUnsigned(r0, v, le, lo); s0 = dotUnsigned(s0, v, me, mo); r0 = dotUnsigned(r0, u, he, ho); s0 = dotUnsigned(s0, u, ne, no);
      v = v128.load(w, 80); u = secondQuants(five, v, rest, 1, mask, upper, lower); v = v128.and(v, mask);
      r1 = dotUnsigned(r1, v, le, lo); s1 = dotUnsigned(s1, v, me, mo); r1 = dotUnsigned(r1, u, he, ho); s1 = dotUnsigned(s1, u, ne, no);
      v = v128.load(w, 96); u = secondQuants(five, v, rest, 2, mask, upper, lower); v = v128.and(v, mask);
      r2 = dotUnsigned(r2, v, le, lo); s2 = dotUnsigned(s2, v, me, mo); r2 = dotUnsigned(r2, u, he, ho); s2 = dotUnsigned(s2, u, ne, no);
      v = v128.load(w, 112); u = secondQuants(five, v, rest, 3, mask, upper, lower); v = v128.and(v, mask);
      r3 = dotUnsigned(r3, v, le, lo); s3 = dotUnsigned(s3, v, me, mo); r3 = dotUnsigned(r3, u, he, ho); s3 = dotUnsigned(s3, u, ne, no);

      le = quadEven(a + 8 * QUAD); lo = quadOdd(a + 8 * QUAD, le); he = quadEven(a + 24 * QUAD); ho = quadOdd(a + 24 * QUAD, he);
      me = quadEven(a + 9 * QUAD); mo = quadOdd(a + 9 * QUAD, me); ne = quadEven(a + 25 * QUAD); no = quadOdd(a + 25 * QUAD, ne);
      if (five) rest = v128.load(w, 288);
      v = v128.load(w, 128); u = secondQuants(five, v, rest, 0, mask, upper, lower); v = v128.and(v, mask);
      r0 = dotUnsigned(r0, v, le, lo); s0 = dotUnsigned(s0, v, me, mo); r0 = dotUnsigned(r0, u, he, ho); s0 = dotUnsigned(s0, u, ne, no);
      v = v128.load(w, 144); u = secondQuants(five, v, rest, 1, mask, upper, lower); v = v128.and(v, mask);
      r1 = dotUnsigned(r1, v, le, lo); s1 = dotUnsigned(s1, v, me, mo); r1 = dotUnsigned(r1, u, he, ho); s1 = dotUnsigned(s1, u, ne, no);
      v = v128.load(w, 160); u = secondQuants(five, v, rest, 2, mask, upper, lower); v = v128.and(v, mask);
      r2 = dotUnsigned(r2, v, le, lo); s2 = dotUnsigned(s2, v, me, mo); r2 = dotUnsigned(r2, u, he, ho); s2 = dotUnsigned(s2, u, ne, no);
      v = v128.load(w, 176); u = secondQuants(five, v, rest, 3, mask, upper, lower); v = v128.and(v, mask);
      r3 = dotUnsigned(r3, v, le, lo); s3 = dotUnsigned(s3, v, me, mo); r3 = dotUnsigned(r3, u, he, ho); s3 = dotUnsigned(s3, u, ne, no);

      le = quadEven(a + 12 * QUAD); lo = quadOdd(a + 12 * QUAD, le); he = quadEven(a + 28 * QUAD); ho = quadOdd(a + 28 * QUAD, he);
      me = quadEven(a + 13 * QUAD); mo = quadOdd(a + 13 * QUAD, me); ne = quadEven(a + 29 * QUAD); no = quadOdd(a + 29 * QUAD, ne);
      if (five) rest = v128.load(w, 304);
      v = v128.load(w, 192); u = secondQuants(five, v, rest, 0, mask, upper, lower); v = v128.and(v, mask);
      r0 = dotUnsigned(r0, v, le, lo); s0 = dotUnsigned(s0, v, me, mo); r0 = dotUnsigned(r0, u, he, ho); s0 = dotUnsigned(s0, u, ne, no);
      v = v128.load(w, 208); u = secondQuants(five, v, rest, 1, mask, upper, lower); v = v128.and(v, mask);
      r1 = dotUnsigned(r1, v, le, lo); s1 = dotUnsigned(s1, v, me, mo); r1 = dotUnsigned(r1, u, he, ho); s1 = dotUnsigned(s1, u, ne, no);
      v = v128.load(w, 224); u = secondQuants(five, v, rest, 2, mask, upper, lower); v = v128.and(v, mask);
      r2 = dotUnsigned(r2, v, le, lo); s2 = dotUnsigned(s2, v, me, mo); r2 = dotUnsigned(r2, u, he, ho); s2 = dotUnsigned(s2, u, ne, no);
      v = v128.load(w, 240); u = secondQuants(five, v, rest, 3, mask, upper, lower); v = v128.and(v, mask);
      r3 = dotUnsigned(r3, v, le, lo); s3 = dotUnsigned(s3, v, me, mo); r3 = dotUnsigned(r3, u, he, ho); s3 = dotUnsigned(s3, u, ne, no);

      const scale = v128.load32_splat(numbers), sum = sumOf(scales, numbers + 16);
      const scale2 = v128.load32_splat(numbers, 4), sum2 = sumOf(scales, numbers + 20);
      let d: v128, m: v128;
      d = scalesOf(five, scales, true, 0, w, units); m = minimumsOf(five, scales, true, 0, w, units, d);
      f0 = chain(scales, f0, r0, scale, sum, d, m); h0 = chain(scales, h0, s0, scale2, sum2, d, m);
      d = scalesOf(five, scales, true, 1, w, units); m = minimumsOf(five, scales, true, 1, w, units, d);
      f1 = chain(scales, f1, r1, scale, sum, d, m); h1 = chain(scales, h1, s1, scale2, sum2, d, m);
      d = scalesOf(five, scales, true, 2, w, units); m = minimumsOf(five, scales, true, 2, w, units, d);
      f2 = chain(scales, f2, r2, scale, sum, d, m); h2 = chain(scales, h2, s2, scale2, sum2, d, m);
      d = scalesOf(five, scales, true, 3, w, units); m = minimumsOf(five, scales, true, 3, w, units, d);
      f3 = chain(scales, f3, r3, scale, sum, d, m); h3 = chain(scales, h3, s3, scale2, sum2, d, m);
      a += 32 * QUAD;
      numbers += 4 * NUMBERS;
    }
  }
  v128.store(out, f0, 0);
  v128.store(out, f1, 16);
  v128.store(out, f2, 32);
  v128.store(out, f3, 48);
  v128.store(out, h0, 64);
  v128.store(out, h1, 80);
  v128.store(out, h2, 96);
  v128.store(out, h3, 112);
}
