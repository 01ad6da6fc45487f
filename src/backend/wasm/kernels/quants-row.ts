/**
 * One row of activations times a packed group of 4- or 5-bit quants. It does what `rowsQ4` does with an opened group, in the
 * same order: one chain per output along the blocks, then the refined blocks. So a row has the same bits alone and among others.
 */
import { NUMBERS, leftListAt } from './quantize';
import { firstMask, secondQuants } from './quants';
import { blockAt, blockBytes, chain, minimumsOf, runCount, runLength, scalesOf, startOf, sumOf, unitsAt } from './quants-scales';
import { QUAD, dotUnsigned, lowerMask, quadEven, quadOdd, upperMask } from './simd';

/** Dots of one vector: first columns with quad j, second ones with quad j + 4. */
// @ts-ignore: decorator
@inline function dots(
  five: bool, g: i32, i: v128, v: v128, rest: v128, mask: v128, upper: v128, lower: v128, le: v128, lo: v128, he: v128, ho: v128,
): v128 {
  const first = dotUnsigned(i, v128.and(v, mask), le, lo);
  return dotUnsigned(first, secondQuants(five, v, rest, g, mask, upper, lower), he, ho);
}

/**
 * Adds 16 outputs of one row to f32 [16] at `out`, not due yet (quants-scales.ts): all of `act` (lanes = 1), if that is not 0; then
 * what was left over.
 */
// @ts-ignore: decorator
@inline export function multiplyOne(five: bool, scales: i32, group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  const mask = firstMask(five), upper = upperMask(), lower = lowerMask();
  const quadBytes = <usize>(blocks << 3) * QUAD, list = left + leftListAt(blocks << 5);
  const runs = act ? runCount(scales, blocks) : 0, all = runs + load<i32>(list);
  let f0 = v128.load(out), f1 = v128.load(out, 16), f2 = v128.load(out, 32), f3 = v128.load(out, 48);
  for (let n = 0; n < all; n++) {
    let b = n * runLength(scales, blocks), count = runLength(scales, blocks), from = act;
    if (n >= runs) {
      b = load<i32>(list + (<usize>(n - runs) << 2), 4);
      count = 1;
      from = left;
    }
    const units = unitsAt(five, group, b);
    let w = blockAt(five, scales, group, b);
    let a = from + (<usize>b << 3) * QUAD;
    let numbers = from + quadBytes + <usize>b * NUMBERS;
    for (const end = w + <usize>count * blockBytes(five, scales); w < end; w += blockBytes(five, scales)) {
      let i0 = startOf(five, scales, numbers + 8), i1 = i0, i2 = i0, i3 = i0;
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

      const scale = v128.load32_splat(numbers), sum = sumOf(scales, numbers + 4);
      let d: v128;
      d = scalesOf(five, scales, false, 0, w, units);
      f0 = chain(scales, f0, i0, scale, sum, d, minimumsOf(five, scales, false, 0, w, units, d));
      d = scalesOf(five, scales, false, 1, w, units);
      f1 = chain(scales, f1, i1, scale, sum, d, minimumsOf(five, scales, false, 1, w, units, d));
      d = scalesOf(five, scales, false, 2, w, units);
      f2 = chain(scales, f2, i2, scale, sum, d, minimumsOf(five, scales, false, 2, w, units, d));
      d = scalesOf(five, scales, false, 3, w, units);
      f3 = chain(scales, f3, i3, scale, sum, d, minimumsOf(five, scales, false, 3, w, units, d));
      a += 8 * QUAD;
      numbers += NUMBERS;
    }
  }
  v128.store(out, f0, 0);
  v128.store(out, f1, 16);
  v128.store(out, f2, 32);
  v128.store(out, f3, 48);
}
