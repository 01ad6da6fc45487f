/**
 * Q2_K: w = d x s x q - e x m, q in 0..3, s and m of 4 bits for 16 columns, d and e for 256. The arithmetic is that of
 * half-blocks.ts.
 *
 * Packed group: 16 rows of K columns, as K/256 blocks of 1,408 bytes: f32 d[16] and e[16], then 8 times the 160 bytes of
 * 32 columns.
 *   32         pairs of s (low four bits) and m (high ones) of the 16 rows, as bytes of the file;
 *   128 bytes  8 vectors (g = 0..3; k = 0, 1), lanes are rows 4g..4g + 3; byte c holds, from its low bits on, column 8k + c of
 *              the first half block, that of the second, column 8k + 4 + c of the first, that of the second.
 * The second half's products are 4 times too large until its end. The file has d and e as f16: 5 % less.
 */
import { chain, isInfinite, meet, paired } from './half-blocks';
import { OPEN_HALVES, openScales } from './half-rows';
import { HALF_BIAS, QUAD, halfToFloat, nibbleMask, twoBits } from './simd';

export const BLOCK_Q2K: usize = 160;
/** Bytes of the floats before each 8 blocks. */
export const UNITS_Q2K: usize = 128;
const SUPER_Q2K: usize = UNITS_Q2K + 8 * BLOCK_Q2K;

const FILE_SUPER: usize = 84;

/** Packs `rows` (1..16) rows of `supers` x 84 bytes; missing rows become zero. Returns 1 for an infinite scale. */
export function packQ2K(source: usize, rows: i32, supers: i32, target: usize): i32 {
  let isWrong = 0;
  if (rows < 16) memory.fill(target, 0, SUPER_Q2K * <usize>supers);
  const mask = i8x16.splat(0x03);
  for (let r: usize = 0; r < <usize>rows; r++) {
    for (let s: usize = 0; s < <usize>supers; s++) {
      const from = source + (r * <usize>supers + s) * FILE_SUPER, to = target + s * SUPER_Q2K;
      for (let b: usize = 0; b < 8; b++) {
        const pairs = from + 16 + (b >> 2 << 5), shift = <i32>(b & 3) << 1;
        const first = v128.and(i16x8.shr_u(v128.load(pairs), shift), mask);
        const second = v128.and(i16x8.shr_u(v128.load(pairs, 16), shift), mask);
        const both = v128.or(first, i16x8.shl(second, 2));
        const words = v128.or(both, i16x8.shl(v128.shuffle<i32>(both, both, 1, 1, 3, 3), 4));
        const at = to + UNITS_Q2K + b * BLOCK_Q2K;
        v128.store32_lane(at + (r >> 2 << 5) + ((r & 3) << 2), words, 0, 32);
        v128.store32_lane(at + (r >> 2 << 5) + ((r & 3) << 2), words, 2, 48);
        store<u16>(at + (r << 1), load<u16>(from + (b << 1)));
      }
      const d = load<u16>(from, 80), e = load<u16>(from, 82);
      isWrong |= isInfinite(d) | isInfinite(e);
      store<f32>(to + (r << 2), halfToFloat(d) / HALF_BIAS);
      store<f32>(to + (r << 2), halfToFloat(e) / HALF_BIAS, 64);
    }
  }
  return isWrong;
}

/** Row `row` of a packed group as f32. */
export function unpackRowQ2K(group: usize, row: i32, columns: i32, out: usize): void {
  const r = <usize>row;
  for (let c: usize = 0; c < <usize>columns; c++) {
    const at = group + (c >> 8) * SUPER_Q2K;
    const block = at + UNITS_Q2K + ((c >> 5) & 7) * BLOCK_Q2K, second = (c >> 4) & 1;
    const four = load<u8>(block + (r >> 2 << 5) + ((c >> 3 & 1) << 4) + ((r & 3) << 2) + (c & 3), 32);
    const q = <i32>four >> <i32>(((c >> 2 & 1) << 2) + (second << 1)) & 3;
    const both = load<u8>(block + (r << 1) + second);
    const d = load<f32>(at + (r << 2)) * HALF_BIAS * <f32>(both & 15);
    const e = load<f32>(at + (r << 2), 64) * HALF_BIAS * <f32>(both >> 4);
    store<f32>(out + (c << 2), d * <f32>q - e);
  }
}

/** A block's part of outputs 4g to 4g + 3, for one row or two, as in q6k.ts. */
// @ts-ignore: decorator
@inline export function fourQ2K(
  g: usize, lanes: usize, w: usize, d: usize, quads: usize, sum: usize, scale: usize, out: usize,
): void {
  const low = twoBits(0), high = twoBits(2), two = lanes == 4, step = lanes * QUAD;
  // Of the first row, first and second half; of the second row.
  let i = i32x4.splat(0), j = i, k = i, l = i, t: v128, u: v128, v: v128;
  t = v128.load(w + (g << 5), 32);
  u = v128.and(t, low); v = v128.and(t, high); i = meet(i, u, quads); j = meet(j, v, quads + 4 * step);
  if (two) { k = meet(k, u, quads + QUAD); l = meet(l, v, quads + 4 * step + QUAD); }
  t = i16x8.shr_u(t, 4);
  u = v128.and(t, low); v = v128.and(t, high); i = meet(i, u, quads + step); j = meet(j, v, quads + 5 * step);
  if (two) { k = meet(k, u, quads + step + QUAD); l = meet(l, v, quads + 5 * step + QUAD); }
  t = v128.load(w + (g << 5), 48);
  u = v128.and(t, low); v = v128.and(t, high); i = meet(i, u, quads + 2 * step); j = meet(j, v, quads + 6 * step);
  if (two) { k = meet(k, u, quads + 2 * step + QUAD); l = meet(l, v, quads + 6 * step + QUAD); }
  t = i16x8.shr_u(t, 4);
  u = v128.and(t, low); v = v128.and(t, high); i = meet(i, u, quads + 3 * step); j = meet(j, v, quads + 7 * step);
  if (two) { k = meet(k, u, quads + 3 * step + QUAD); l = meet(l, v, quads + 7 * step + QUAD); }
  t = v128.load8x8_u(w + (g << 3));
  const s = v128.and(t, nibbleMask()), m = i16x8.shr_u(t, 4);
  add(out, i32x4.dot_i16x8_s(paired(i, j, 14), s), i32x4.dot_i16x8_s(m, v128.load32_splat(sum)), v128.load32_splat(scale), d);
  if (two) add(out + 64, i32x4.dot_i16x8_s(paired(k, l, 14), s), i32x4.dot_i16x8_s(m, v128.load32_splat(sum, 4)), v128.load32_splat(scale, 4), d);
}

// @ts-ignore: decorator
@inline function add(out: usize, whole: v128, rest: v128, scale: v128, d: usize): void {
  v128.store(out, chain(chain(v128.load(out), rest, scale, v128.load(d, 64)), whole, scale, v128.load(d)));
}

/** Opens a packed group for many rows of activations. */
export function openQ2K(group: usize, blocks: i32, out: usize): void {
  const low = twoBits(0), high = twoBits(2), nibble = nibbleMask();
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const d = group + (b >> 3) * SUPER_Q2K;
    const w = d + UNITS_Q2K + (b & 7) * BLOCK_Q2K;
    for (let g: usize = 0; g < 4; g++) {
      for (let k: usize = 0; k < 2; k++) {
        const v = v128.load(w + (g << 5) + (k << 4), 32), u = i16x8.shr_u(v, 4);
        const to = out + (g << 4) + (k << 7);
        v128.store(to, v128.and(v, low), 0);
        v128.store(to, v128.and(u, low), 64);
        v128.store(to, i16x8.shr_u(v128.and(v, high), 2), 256);
        v128.store(to, i16x8.shr_u(v128.and(u, high), 2), 320);
      }
      const both = v128.load8x8_u(w + (g << 3));
      openScales(out, g, v128.and(both, nibble), i16x8.shr_u(both, 4), d, d + 64);
    }
    out += OPEN_HALVES;
  }
}
