/**
 * Quants of 4 and 5 bits: how a block of 16 rows x 32 columns lies in a packed group, and how it is opened. Which scales go
 * with the quants is for blocks.ts (Q4_0, Q5_0, Q5_1) and supers.ts (Q4_K, Q5_K).
 *
 * 256 bytes   16 vectors (j = 0..3, g = 0..3): lane r of vector (j, g) is row 4g + r; its byte c holds column 4j + c in the low
 *             bits and column 16 + 4j + c in the high ones. With 4 bits each has a nibble; with 5 the first has five bits,
 *             the second its upper three.
 * 64 bytes    5 bits only: 4 vectors (j): byte (r, c) holds, for g = 0..3 from the lowest bits on, the lower two bits of the
 *             second column of vector (j, g). So one load serves four vectors, and the first half of the columns costs a
 *             single mask.
 *
 * The quants stay unsigned, 0..15 or 0..31, as the dot wants them: a negative part is a minimum.
 */
import { fiveMask, lowerMask, nibbleMask, upperMask } from './simd';

/** Bytes of the quants of a block. */
// @ts-ignore: decorator
@inline export function quantBytes(five: bool): usize {
  return five ? 320 : 256;
}

/** Writes 32 quants, a byte each (columns 0..15 and 16..31), into row `r` of a block that was zero. */
// @ts-ignore: decorator
@inline export function storeQuants(five: bool, block: usize, r: usize, low: v128, high: v128): void {
  const to = block + (r << 2);
  if (five) {
    const both = v128.or(low, v128.and(i16x8.shl(high, 3), i8x16.splat(<i8>0xe0)));
    v128.store32_lane(to, both, 0, 0);
    v128.store32_lane(to, both, 1, 64);
    v128.store32_lane(to, both, 2, 128);
    v128.store32_lane(to, both, 3, 192);
    const rest = i16x8.shl(v128.and(high, i8x16.splat(3)), <i32>((r >> 2) << 1));
    const at = block + ((r & 3) << 2);
    store<i32>(at, load<i32>(at, 256) | i32x4.extract_lane(rest, 0), 256);
    store<i32>(at, load<i32>(at, 272) | i32x4.extract_lane(rest, 1), 272);
    store<i32>(at, load<i32>(at, 288) | i32x4.extract_lane(rest, 2), 288);
    store<i32>(at, load<i32>(at, 304) | i32x4.extract_lane(rest, 3), 304);
  } else {
    const both = v128.or(low, i16x8.shl(high, 4));
    v128.store32_lane(to, both, 0, 0);
    v128.store32_lane(to, both, 1, 64);
    v128.store32_lane(to, both, 2, 128);
    v128.store32_lane(to, both, 3, 192);
  }
}

/** Quant of row `r`, column `c` (0..31) of a block. */
export function quantAt(five: bool, block: usize, r: usize, c: usize): i32 {
  const column = c & 15, quad = column >> 2;
  const byte = <i32>load<u8>(block + (quad << 6) + (r << 2) + (column & 3));
  if (!five) return c < 16 ? byte & 15 : byte >> 4;
  if (c < 16) return byte & 31;
  const rest = <i32>load<u8>(block + (quad << 4) + ((r & 3) << 2) + (column & 3), 256);
  return byte >> 5 << 2 | rest >> ((<i32>r >> 2) << 1) & 3;
}

/** The second columns of vector (j, g); `rest`: the lower bits of all (j, 0..3). */
// @ts-ignore: decorator
@inline export function secondQuants(five: bool, v: v128, rest: v128, g: i32, mask: v128, upper: v128, lower: v128): v128 {
  if (!five) return v128.and(i16x8.shr_u(v, 4), mask);
  const top = v128.and(i16x8.shr_u(v, 3), upper);
  return v128.or(top, v128.and(g == 0 ? rest : i16x8.shr_u(rest, g << 1), lower));
}

/** What is left of a vector for its first columns. */
// @ts-ignore: decorator
@inline export function firstMask(five: bool): v128 {
  return five ? fiveMask() : nibbleMask();
}

/** Writes the quants of a block as bytes: 8 quads x 16 rows x 4. */
// @ts-ignore: decorator
@inline export function openQuants(five: bool, block: usize, out: usize): void {
  const mask = firstMask(five), upper = upperMask(), lower = lowerMask();
  for (let j: usize = 0; j < 4; j++) {
    const from = block + (j << 6), to = out + (j << 6);
    const rest = five ? v128.load(block + (j << 4), 256) : mask;
    let v = v128.load(from);
    v128.store(to, v128.and(v, mask));
    v128.store(to, secondQuants(five, v, rest, 0, mask, upper, lower), 256);
    v = v128.load(from, 16);
    v128.store(to, v128.and(v, mask), 16);
    v128.store(to, secondQuants(five, v, rest, 1, mask, upper, lower), 272);
    v = v128.load(from, 32);
    v128.store(to, v128.and(v, mask), 32);
    v128.store(to, secondQuants(five, v, rest, 2, mask, upper, lower), 288);
    v = v128.load(from, 48);
    v128.store(to, v128.and(v, mask), 48);
    v128.store(to, secondQuants(five, v, rest, 3, mask, upper, lower), 304);
  }
}
