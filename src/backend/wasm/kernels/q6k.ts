/**
 * Q6_K: w = d x s x (q - 32), q in 0..63, a signed byte s for 16 columns, d for 256. The arithmetic is that of half-blocks.ts.
 *
 * Packed group: 16 rows of K columns, as K/256 blocks of 3,392 bytes: f32 d[16], then 8 times the 416 bytes of 32 columns.
 *   32         pairs of s of the 16 rows;
 *   384 bytes  24 vectors (g = 0..3; half h = 0, 1; k = 0..2), lanes are rows 4g..4g + 3: six bits of the columns
 *              16h + 4k..4k + 3, and in the two high bits a third of the six of columns 16h + 12..15, the highest for k = 0.
 * All in the order in which one row reads it: floats behind their blocks cost half of the speed from memory.
 * One percent more than in the file, for d is f16 there.
 */
import {
  chain, firstOf, fourth, isInfinite, meet, secondOf, sixBitsOf, threeWords,
} from './half-blocks';
import { OPEN_HALVES, openScales } from './half-rows';
import { HALF_BIAS, QUAD, halfToFloat, sixBits } from './simd';

export const BLOCK_Q6K: usize = 416;
/** Bytes of the floats before each 8 blocks. */
export const UNITS_Q6K: usize = 64;
const SUPER_Q6K: usize = UNITS_Q6K + 8 * BLOCK_Q6K;

const FILE_SUPER: usize = 210;

/** Packs `rows` (1..16) rows of `supers` x 210 bytes; missing rows become zero. Returns 1 for an infinite scale. */
export function packQ6K(source: usize, rows: i32, supers: i32, target: usize): i32 {
  let isWrong = 0;
  if (rows < 16) memory.fill(target, 0, SUPER_Q6K * <usize>supers);
  const high = i8x16.splat(0x03), low = i8x16.splat(0x0f);
  for (let r: usize = 0; r < <usize>rows; r++) {
    for (let s: usize = 0; s < <usize>supers; s++) {
      const from = source + (r * <usize>supers + s) * FILE_SUPER, to = target + s * SUPER_Q6K;
      for (let h: usize = 0; h < 16; h++) {
        const part = h >> 3, quarter = (h >> 1) & 3, byte = (h & 1) << 4;
        const nibbles = v128.load(from + (part << 6) + ((quarter & 1) << 5) + byte);
        const pairs = v128.load(from + (part << 5) + byte, 128);
        const q = v128.or(
          v128.and(i16x8.shr_u(nibbles, <i32>(quarter >> 1) << 2), low),
          i16x8.shl(v128.and(i16x8.shr_u(pairs, <i32>quarter << 1), high), 4),
        );
        const words = threeWords(q);
        const at = to + UNITS_Q6K + (h >> 1) * BLOCK_Q6K;
        const first = at + (r >> 2) * 96 + (h & 1) * 48 + ((r & 3) << 2);
        v128.store32_lane(first, words, 0, 32);
        v128.store32_lane(first, words, 1, 48);
        v128.store32_lane(first, words, 2, 64);
        store<u8>(at + (r << 1) + (h & 1), load<u8>(from + h, 192));
      }
      const d = load<u16>(from, 208);
      isWrong |= isInfinite(d);
      store<f32>(to + (r << 2), halfToFloat(d) / HALF_BIAS);
    }
  }
  return isWrong;
}

/** Row `row` of a packed group as f32. */
export function unpackRowQ6K(group: usize, row: i32, columns: i32, out: usize): void {
  const r = <usize>row;
  for (let c: usize = 0; c < <usize>columns; c++) {
    const at = group + (c >> 8) * SUPER_Q6K;
    const block = at + UNITS_Q6K + ((c >> 5) & 7) * BLOCK_Q6K;
    const words = block + 32 + (r >> 2) * 96 + ((c >> 4) & 1) * 48 + ((r & 3) << 2) + (c & 3);
    const q = sixBitsOf(words, (c >> 2) & 3);
    const scale = load<f32>(at + (r << 2)) * HALF_BIAS * <f32>load<i8>(block + (r << 1) + ((c >> 4) & 1));
    store<f32>(out + (c << 2), scale * <f32>(q - 32));
  }
}

/**
 * A block's part of outputs 4g to 4g + 3, for one row (`lanes` = 1) or two (4): `d` is theirs, as is `out`; the second row's are
 * 64 bytes behind, its quads, sums and scales behind the first one's.
 */
// @ts-ignore: decorator
@inline export function fourQ6K(
  g: usize, lanes: usize, w: usize, d: usize, quads: usize, sum: usize, scale: usize, out: usize,
): void {
  const mask = sixBits(), two = lanes == 4, step = lanes * QUAD;
  const s = v128.load8x8_s(w + (g << 3));
  let i: v128, j = mask, whole: v128, other = mask, v: v128;
  let v0 = v128.load(w + g * 96, 32), v1 = v128.load(w + g * 96, 48), v2 = v128.load(w + g * 96, 64);
  i = i32x4.shr_s(i32x4.shl(v128.load32_splat(sum), 16), 11);
  if (two) j = i32x4.shr_s(i32x4.shl(v128.load32_splat(sum, 4), 16), 11);
  v = v128.and(v0, mask); i = meet(i, v, quads); if (two) j = meet(j, v, quads + QUAD);
  v = v128.and(v1, mask); i = meet(i, v, quads + step); if (two) j = meet(j, v, quads + step + QUAD);
  v = v128.and(v2, mask); i = meet(i, v, quads + 2 * step); if (two) j = meet(j, v, quads + 2 * step + QUAD);
  v = fourth(v0, v1, v2, mask); i = meet(i, v, quads + 3 * step); if (two) j = meet(j, v, quads + 3 * step + QUAD);
  whole = i32x4.mul(i, firstOf(s));
  if (two) other = i32x4.mul(j, firstOf(s));

  v0 = v128.load(w + g * 96, 80); v1 = v128.load(w + g * 96, 96); v2 = v128.load(w + g * 96, 112);
  i = i32x4.shl(i32x4.shr_s(v128.load32_splat(sum), 16), 5);
  if (two) j = i32x4.shl(i32x4.shr_s(v128.load32_splat(sum, 4), 16), 5);
  v = v128.and(v0, mask); i = meet(i, v, quads + 4 * step); if (two) j = meet(j, v, quads + 4 * step + QUAD);
  v = v128.and(v1, mask); i = meet(i, v, quads + 5 * step); if (two) j = meet(j, v, quads + 5 * step + QUAD);
  v = v128.and(v2, mask); i = meet(i, v, quads + 6 * step); if (two) j = meet(j, v, quads + 6 * step + QUAD);
  v = fourth(v0, v1, v2, mask); i = meet(i, v, quads + 7 * step); if (two) j = meet(j, v, quads + 7 * step + QUAD);
  whole = i32x4.add(whole, i32x4.mul(i, secondOf(s)));
  v = v128.load(d);
  v128.store(out, chain(v128.load(out), whole, v128.load32_splat(scale), v));
  if (two) {
    other = i32x4.add(other, i32x4.mul(j, secondOf(s)));
    v128.store(out, chain(v128.load(out, 64), other, v128.load32_splat(scale, 4), v), 64);
  }
}

/** Opens a packed group for many rows of activations. */
export function openQ6K(group: usize, blocks: i32, out: usize): void {
  const mask = sixBits();
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const d = group + (b >> 3) * SUPER_Q6K;
    const w = d + UNITS_Q6K + (b & 7) * BLOCK_Q6K;
    for (let g: usize = 0; g < 4; g++) {
      for (let half: usize = 0; half < 2; half++) {
        const from = w + g * 96 + half * 48, to = out + (half << 8) + (g << 4);
        const v0 = v128.load(from, 32), v1 = v128.load(from, 48), v2 = v128.load(from, 64);
        v128.store(to, v128.and(v0, mask), 0);
        v128.store(to, v128.and(v1, mask), 64);
        v128.store(to, v128.and(v2, mask), 128);
        v128.store(to, fourth(v0, v1, v2, mask), 192);
      }
      const s = v128.load8x8_s(w + (g << 3));
      openScales(out, g, s, i16x8.shl(s, 5), d, d);
    }
    out += OPEN_HALVES;
  }
}
