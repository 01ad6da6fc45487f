/**
 * Rows of activations, four at a time, times a packed group of 4- or 5-bit quants: unpacked in registers, each quant is met by all
 * four. The chain of an output is that of a row alone (quants-row.ts).
 *
 * Eight outputs of a block at a time: 8 accumulators, 2 weight vectors, the activations and the mask stay in 16 registers; the
 * outputs' floats wait in memory. All rows meet a block before the next one is read, so that weights come from memory at an even
 * pace: with a pass over the group for each four rows or each half, memory is idle in all passes but the first, and the
 * processor's prefetcher has lost the stream before the next group.
 */
import { NUMBERS } from './quantize';
import { firstMask, secondQuants } from './quants';
import { blockAt, blockBytes, chain, minimumsOf, runCount, runLength, scalesOf, startOf, sumOf, unitsAt } from './quants-scales';
import { QUAD, RELAXED, dotUnsigned, lowerMask, splatLane, upperMask } from './simd';

/** Quad of row `lane`, splatted: from the vector of all four, or, in the plain twin, from memory. */
// @ts-ignore: decorator
@inline function even(v: v128, at: usize, lane: i32): v128 {
  return RELAXED ? splatLane(v, lane) : v128.load32_splat(at + <usize>lane * QUAD);
}

// @ts-ignore: decorator
@inline function odd(v: v128, at: usize, lane: i32): v128 {
  return RELAXED ? v : v128.load32_splat(at + <usize>lane * QUAD, 4);
}

/**
 * 16 outputs for each row of `fours` groups of four. `act`: 8-bit form with lanes = 4, a group every `actBytes`. Adds to f32
 * [4 fours][16] at `out`, not due yet (quants-scales.ts), without what was left over.
 */
// @ts-ignore: decorator
@inline export function multiplyFours(
  five: bool, scales: i32, group: usize, blocks: i32, fours: i32, act: usize, actBytes: usize, out: usize,
): void {
  const mask = firstMask(five), upper = upperMask(), lower = lowerMask();
  const runs = runCount(scales, blocks), outEnd = out + (<usize>fours << 8);
  let quads = act, numbers = act + <usize>(blocks << 5) * QUAD;
  for (let n = 0; n < runs; n++) {
    const b = n * runLength(scales, blocks), units = unitsAt(five, group, b);
    let w = blockAt(five, scales, group, b);
    for (const end = w + <usize>runLength(scales, blocks) * blockBytes(five, scales); w < end; w += blockBytes(five, scales)) {
      for (let at = out, a = quads, m = numbers; at < outEnd; at += 256, a += actBytes, m += actBytes) {
        eight(five, scales, 0, w, units, a, m, mask, upper, lower, at);
        eight(five, scales, 2, w, units, a, m, mask, upper, lower, at);
      }
      quads += 32 * QUAD;
      numbers += 4 * NUMBERS;
    }
  }
}

/** Outputs 4g to 4g + 7 of a block. */
// @ts-ignore: decorator
@inline function eight(
  five: bool, scales: i32, g: i32, w: usize, units: usize, a: usize, numbers: usize, mask: v128, upper: v128, lower: v128, out: usize,
): void {
  let r0 = startOf(five, scales, numbers + 32), r1 = r0, s0 = startOf(five, scales, numbers + 36), s1 = s0;
  let t0 = startOf(five, scales, numbers + 40), t1 = t0, u0 = startOf(five, scales, numbers + 44), u1 = u0;
  let w0: v128, w1: v128, v: v128, e: v128, o: v128, rest = mask;

  w0 = v128.load(w + (<usize>g << 4), 0); w1 = v128.load(w + (<usize>g << 4), 16); v = v128.load(a);
  w0 = v128.and(w0, mask); w1 = v128.and(w1, mask);
  e = even(v, a, 0); o = odd(e, a, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a, 1); o = odd(e, a, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a, 2); o = odd(e, a, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a, 3); o = odd(e, a, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
  w0 = v128.load(w + (<usize>g << 4), 0); w1 = v128.load(w + (<usize>g << 4), 16); v = v128.load(a + 16 * QUAD);
  if (five) rest = v128.load(w, 256);
  w0 = secondQuants(five, w0, rest, g, mask, upper, lower); w1 = secondQuants(five, w1, rest, g + 1, mask, upper, lower);
  e = even(v, a + 16 * QUAD, 0); o = odd(e, a + 16 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 16 * QUAD, 1); o = odd(e, a + 16 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 16 * QUAD, 2); o = odd(e, a + 16 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 16 * QUAD, 3); o = odd(e, a + 16 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);

  w0 = v128.load(w + (<usize>g << 4), 64); w1 = v128.load(w + (<usize>g << 4), 80); v = v128.load(a + 4 * QUAD);
  w0 = v128.and(w0, mask); w1 = v128.and(w1, mask);
  e = even(v, a + 4 * QUAD, 0); o = odd(e, a + 4 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 4 * QUAD, 1); o = odd(e, a + 4 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 4 * QUAD, 2); o = odd(e, a + 4 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 4 * QUAD, 3); o = odd(e, a + 4 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
  w0 = v128.load(w + (<usize>g << 4), 64); w1 = v128.load(w + (<usize>g << 4), 80); v = v128.load(a + 20 * QUAD);
  if (five) rest = v128.load(w, 272);
  w0 = secondQuants(five, w0, rest, g, mask, upper, lower); w1 = secondQuants(five, w1, rest, g + 1, mask, upper, lower);
  e = even(v, a + 20 * QUAD, 0); o = odd(e, a + 20 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 20 * QUAD, 1); o = odd(e, a + 20 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 20 * QUAD, 2); o = odd(e, a + 20 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 20 * QUAD, 3); o = odd(e, a + 20 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);

  w0 = v128.load(w + (<usize>g << 4), 128); w1 = v128.load(w + (<usize>g << 4), 144); v = v128.load(a + 8 * QUAD);
  w0 = v128.and(w0, mask); w1 = v128.and(w1, mask);
  e = even(v, a + 8 * QUAD, 0); o = odd(e, a + 8 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 8 * QUAD, 1); o = odd(e, a + 8 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 8 * QUAD, 2); o = odd(e, a + 8 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 8 * QUAD, 3); o = odd(e, a + 8 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
  w0 = v128.load(w + (<usize>g << 4), 128); w1 = v128.load(w + (<usize>g << 4), 144); v = v128.load(a + 24 * QUAD);
  if (five) rest = v128.load(w, 288);
  w0 = secondQuants(five, w0, rest, g, mask, upper, lower); w1 = secondQuants(five, w1, rest, g + 1, mask, upper, lower);
  e = even(v, a + 24 * QUAD, 0); o = odd(e, a + 24 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 24 * QUAD, 1); o = odd(e, a + 24 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 24 * QUAD, 2); o = odd(e, a + 24 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 24 * QUAD, 3); o = odd(e, a + 24 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);

  w0 = v128.load(w + (<usize>g << 4), 192); w1 = v128.load(w + (<usize>g << 4), 208); v = v128.load(a + 12 * QUAD);
  w0 = v128.and(w0, mask); w1 = v128.and(w1, mask);
  e = even(v, a + 12 * QUAD, 0); o = odd(e, a + 12 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 12 * QUAD, 1); o = odd(e, a + 12 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 12 * QUAD, 2); o = odd(e, a + 12 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 12 * QUAD, 3); o = odd(e, a + 12 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
  w0 = v128.load(w + (<usize>g << 4), 192); w1 = v128.load(w + (<usize>g << 4), 208); v = v128.load(a + 28 * QUAD);
  if (five) rest = v128.load(w, 304);
  w0 = secondQuants(five, w0, rest, g, mask, upper, lower); w1 = secondQuants(five, w1, rest, g + 1, mask, upper, lower);
  e = even(v, a + 28 * QUAD, 0); o = odd(e, a + 28 * QUAD, 0); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
  e = even(v, a + 28 * QUAD, 1); o = odd(e, a + 28 * QUAD, 1); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
  e = even(v, a + 28 * QUAD, 2); o = odd(e, a + 28 * QUAD, 2); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
  e = even(v, a + 28 * QUAD, 3); o = odd(e, a + 28 * QUAD, 3); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);

  let d = scalesOf(five, scales, true, g, w, units), m = minimumsOf(five, scales, true, g, w, units, d);
  v = v128.load32_splat(numbers, 0); e = sumOf(scales, numbers + 16);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 0), r0, v, e, d, m), 0);
  v = v128.load32_splat(numbers, 4); e = sumOf(scales, numbers + 20);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 64), s0, v, e, d, m), 64);
  v = v128.load32_splat(numbers, 8); e = sumOf(scales, numbers + 24);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 128), t0, v, e, d, m), 128);
  v = v128.load32_splat(numbers, 12); e = sumOf(scales, numbers + 28);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 192), u0, v, e, d, m), 192);
  d = scalesOf(five, scales, true, g + 1, w, units); m = minimumsOf(five, scales, true, g + 1, w, units, d);
  v = v128.load32_splat(numbers, 0); e = sumOf(scales, numbers + 16);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 16), r1, v, e, d, m), 16);
  v = v128.load32_splat(numbers, 4); e = sumOf(scales, numbers + 20);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 80), s1, v, e, d, m), 80);
  v = v128.load32_splat(numbers, 8); e = sumOf(scales, numbers + 24);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 144), t1, v, e, d, m), 144);
  v = v128.load32_splat(numbers, 12); e = sumOf(scales, numbers + 28);
  v128.store(out + (<usize>g << 4), chain(scales, v128.load(out + (<usize>g << 4), 208), u1, v, e, d, m), 208);
}
