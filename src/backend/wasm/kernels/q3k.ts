/**
 * Q3_K: w = d x s x (q - 4), q in 0..7, s of 6 bits less 32 for 16 columns, d for 256. The arithmetic is that of half-blocks.ts.
 *
 * Packed group: 16 rows of K columns, as K/256 blocks of 1,856 bytes: f32 d[16], then 8 times the 224 bytes of 32 columns.
 *   32         pairs of s of the 16 rows, as bytes;
 *   192 bytes  12 vectors (g = 0..3; k = 0..2), lanes are rows 4g..4g + 3: column 4k + c of the first half block in bits 0 to 2
 *              of byte c, of the second in bits 3 to 5; the six bits of k = 3 are in the high bits of the others.
 * The second half's products are 8 times too large until its end. The file has s in 6 bits and d as f16: 5 % less.
 */
import { chain, fourth, isInfinite, meet, paired, sixBitsOf, threeWords } from './half-blocks';
import { OPEN_HALVES, openScales } from './half-rows';
import { HALF_BIAS, QUAD, halfToFloat, sixBits, threeBits } from './simd';

export const BLOCK_Q3K: usize = 224;
/** Bytes of the floats before each 8 blocks. */
export const UNITS_Q3K: usize = 64;
const SUPER_Q3K: usize = UNITS_Q3K + 8 * BLOCK_Q3K;

const FILE_SUPER: usize = 110;

/** Packs `rows` (1..16) rows of `supers` x 110 bytes; missing rows become zero. Returns 1 for an infinite scale. */
export function packQ3K(source: usize, rows: i32, supers: i32, target: usize): i32 {
  let isWrong = 0;
  if (rows < 16) memory.fill(target, 0, SUPER_Q3K * <usize>supers);
  for (let r: usize = 0; r < <usize>rows; r++) {
    for (let s: usize = 0; s < <usize>supers; s++) {
      const from = source + (r * <usize>supers + s) * FILE_SUPER, to = target + s * SUPER_Q3K;
      for (let b: usize = 0; b < 8; b++) {
        const pairs = from + 32 + (b >> 2 << 5), shift = <i32>(b & 3) << 1;
        const low = threeBitsOf(v128.load(from), <i32>b, v128.load(pairs), shift);
        const high = threeBitsOf(v128.load(from, 16), <i32>b, v128.load(pairs, 16), shift);
        const words = threeWords(v128.or(low, i16x8.shl(high, 3)));
        const at = to + UNITS_Q3K + b * BLOCK_Q3K, first = at + (r >> 2) * 48 + ((r & 3) << 2);
        v128.store32_lane(first, words, 0, 32);
        v128.store32_lane(first, words, 1, 48);
        v128.store32_lane(first, words, 2, 64);
        store<i8>(at + (r << 1), scaleOf(from + 96, b << 1));
        store<i8>(at + (r << 1), scaleOf(from + 96, (b << 1) + 1), 1);
      }
      const d = load<u16>(from, 108);
      isWrong |= isInfinite(d);
      store<f32>(to + (r << 2), halfToFloat(d) / HALF_BIAS);
    }
  }
  return isWrong;
}

// @ts-ignore: decorator
@inline function threeBitsOf(high: v128, bit: i32, pairs: v128, shift: i32): v128 {
  const low = v128.and(i16x8.shr_u(pairs, shift), i8x16.splat(0x03));
  return v128.or(low, i16x8.shl(v128.and(i16x8.shr_u(high, bit), i8x16.splat(0x01)), 2));
}

/** Scale `index` of 16: four low bits of each in 8 bytes, then two high bits of each in 4. */
// @ts-ignore: decorator
@inline function scaleOf(scales: usize, index: usize): i8 {
  const low = load<u8>(scales + (index & 7)) >> <u8>(index >> 3 << 2) & 15;
  const high = load<u8>(scales + (index & 3), 8) >> <u8>(index >> 2 << 1) & 3;
  return <i8>(<i32>(high << 4 | low) - 32);
}

/** Row `row` of a packed group as f32. */
export function unpackRowQ3K(group: usize, row: i32, columns: i32, out: usize): void {
  const r = <usize>row;
  for (let c: usize = 0; c < <usize>columns; c++) {
    const at = group + (c >> 8) * SUPER_Q3K;
    const block = at + UNITS_Q3K + ((c >> 5) & 7) * BLOCK_Q3K, second = (c >> 4) & 1;
    const both = sixBitsOf(block + 32 + (r >> 2) * 48 + ((r & 3) << 2) + (c & 3), (c >> 2) & 3);
    const scale = load<f32>(at + (r << 2)) * HALF_BIAS * <f32>load<i8>(block + (r << 1) + second);
    store<f32>(out + (c << 2), scale * <f32>((both >> <i32>(second * 3) & 7) - 4));
  }
}

/** A block's part of outputs 4g to 4g + 3, for one row or two, as in q6k.ts. */
// @ts-ignore: decorator
@inline export function fourQ3K(
  g: usize, lanes: usize, w: usize, d: usize, quads: usize, sum: usize, scale: usize, out: usize,
): void {
  const low = threeBits(0), high = threeBits(3), two = lanes == 4, step = lanes * QUAD;
  // Of the first row, first and second half; of the second row.
  let i = firstStart(sum), j = secondStart(sum), k = low, l = low, u: v128, v: v128;
  if (two) { k = firstStart(sum + 4); l = secondStart(sum + 4); }
  const v0 = v128.load(w + g * 48, 32), v1 = v128.load(w + g * 48, 48), v2 = v128.load(w + g * 48, 64);
  const v3 = fourth(v0, v1, v2, sixBits());
  u = v128.and(v0, low); v = v128.and(v0, high); i = meet(i, u, quads); j = meet(j, v, quads + 4 * step);
  if (two) { k = meet(k, u, quads + QUAD); l = meet(l, v, quads + 4 * step + QUAD); }
  u = v128.and(v1, low); v = v128.and(v1, high); i = meet(i, u, quads + step); j = meet(j, v, quads + 5 * step);
  if (two) { k = meet(k, u, quads + step + QUAD); l = meet(l, v, quads + 5 * step + QUAD); }
  u = v128.and(v2, low); v = v128.and(v2, high); i = meet(i, u, quads + 2 * step); j = meet(j, v, quads + 6 * step);
  if (two) { k = meet(k, u, quads + 2 * step + QUAD); l = meet(l, v, quads + 6 * step + QUAD); }
  u = v128.and(v3, low); v = v128.and(v3, high); i = meet(i, u, quads + 3 * step); j = meet(j, v, quads + 7 * step);
  if (two) { k = meet(k, u, quads + 3 * step + QUAD); l = meet(l, v, quads + 7 * step + QUAD); }
  const s = v128.load8x8_s(w + (g << 3));
  v = v128.load(d);
  v128.store(out, chain(v128.load(out), i32x4.dot_i16x8_s(paired(i, j, 13), s), v128.load32_splat(scale), v));
  if (two) v128.store(out, chain(v128.load(out, 64), i32x4.dot_i16x8_s(paired(k, l, 13), s), v128.load32_splat(scale, 4), v), 64);
}

/** 4 x the negative sum of the first half block, and 8 x 4 x that of the second. */
// @ts-ignore: decorator
@inline function firstStart(sum: usize): v128 {
  return i32x4.shr_s(i32x4.shl(v128.load32_splat(sum), 16), 14);
}

// @ts-ignore: decorator
@inline function secondStart(sum: usize): v128 {
  return i32x4.shl(i32x4.shr_s(v128.load32_splat(sum), 16), 5);
}

/** Opens a packed group for many rows of activations. */
export function openQ3K(group: usize, blocks: i32, out: usize): void {
  const six = sixBits(), low = threeBits(0), high = threeBits(3);
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const d = group + (b >> 3) * SUPER_Q3K;
    const w = d + UNITS_Q3K + (b & 7) * BLOCK_Q3K;
    for (let g: usize = 0; g < 4; g++) {
      const vectors = w + g * 48, to = out + (g << 4);
      const v0 = v128.load(vectors, 32), v1 = v128.load(vectors, 48), v2 = v128.load(vectors, 64);
      const v3 = fourth(v0, v1, v2, six);
      v128.store(to, v128.and(v0, low), 0);
      v128.store(to, v128.and(v1, low), 64);
      v128.store(to, v128.and(v2, low), 128);
      v128.store(to, v128.and(v3, low), 192);
      v128.store(to, i16x8.shr_u(v128.and(v0, high), 3), 256);
      v128.store(to, i16x8.shr_u(v128.and(v1, high), 3), 320);
      v128.store(to, i16x8.shr_u(v128.and(v2, high), 3), 384);
      v128.store(to, i16x8.shr_u(v128.and(v3, high), 3), 448);
      const s = v128.load8x8_s(w + (g << 3));
      openScales(out, g, s, i16x8.shl(s, 2), d, d);
    }
    out += OPEN_HALVES;
  }
}
