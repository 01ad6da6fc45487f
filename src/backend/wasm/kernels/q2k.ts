/**
 * Q2_K: w = d x s x q - e x m, q in 0..3, s and m of 4 bits for 16 columns, d and e for 256. The arithmetic is that of
 * half-blocks.ts.
 *
 * Packed group: 16 rows of K columns, as K/256 blocks of 1,408 bytes: f32 d[16] and e[16], then 8 times the 160 bytes of
 * 32 columns.
 *   128 bytes  8 vectors (g = 0..3; k = 0, 1), lanes are rows 4g..4g + 3; byte c holds, from its low bits on, column 8k + c of
 *              the first half block, that of the second, column 8k + 4 + c of the first, that of the second;
 *   32         pairs of s (low four bits) and m (high ones) of the 16 rows, as bytes of the file.
 * The second half's products are 4 times too large until its end. The file has d and e as f16: 5 % less.
 */
import {
  OPEN_HALVES, chain, clear16, firstOf, halfSumsAt, isInfinite, openScales, secondOf, shrink,
} from './half-blocks';
import { passBytes } from './quantize';
import { HALF_BIAS, QUAD, dotUnsigned, halfToFloat, nibbleMask, quadEven, quadOdd, twoBits } from './simd';

const BLOCK: usize = 160;
/** Bytes of the floats before each 8 blocks. */
const UNITS: usize = 128;
const SUPER_Q2K: usize = UNITS + 8 * BLOCK;

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
        const at = to + UNITS + b * BLOCK;
        v128.store32_lane(at + (r >> 2 << 5) + ((r & 3) << 2), words, 0);
        v128.store32_lane(at + (r >> 2 << 5) + ((r & 3) << 2), words, 2, 16);
        store<u16>(at + (r << 1), load<u16>(from + (b << 1)), 128);
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
    const block = at + UNITS + ((c >> 5) & 7) * BLOCK, second = (c >> 4) & 1;
    const four = load<u8>(block + (r >> 2 << 5) + ((c >> 3 & 1) << 4) + ((r & 3) << 2) + (c & 3));
    const q = <i32>four >> <i32>(((c >> 2 & 1) << 2) + (second << 1)) & 3;
    const both = load<u8>(block + (r << 1) + second, 128);
    const d = load<f32>(at + (r << 2)) * HALF_BIAS * <f32>(both & 15);
    const e = load<f32>(at + (r << 2), 64) * HALF_BIAS * <f32>(both >> 4);
    store<f32>(out + (c << 2), d * <f32>q - e);
  }
}

/** 16 outputs for one row. `act`: 8-bit form with lanes = 1 and its sums. Result f32 [16] times 2^-56 at `out`. */
export function rowQ2K(matrix: usize, blocks: i32, act: usize, out: usize): void {
  const low = twoBits(0), high = twoBits(2), nibble = nibbleMask();
  const length = blocks << 5, pass = passBytes(length, 1), quadBytes = <usize>(length >> 2) * QUAD;
  const list = act + 2 * pass, sums = act + halfSumsAt(length, 1);
  const steps = blocks + load<i32>(list);
  clear16(out);
  for (let n = 0; n < steps; n++) {
    let b = <usize>n, quads = act, sum = sums;
    if (n >= blocks) {
      b = <usize>load<i32>(list + (<usize>(n - blocks) << 2), 4);
      quads += pass;
      sum += <usize>blocks << 2;
    }
    const d = matrix + (b >> 3) * SUPER_Q2K;
    const w = d + UNITS + (b & 7) * BLOCK;
    const scale = v128.load32_splat(quads + quadBytes + (b << 3));
    quads += (b << 3) * QUAD;
    const pair = v128.load32_splat(sum + (b << 2));
    for (let g: usize = 0; g < 4; g++) {
      const v0 = v128.load(w + (g << 5), 0), v1 = v128.load(w + (g << 5), 16);
      const u0 = i16x8.shr_u(v0, 4), u1 = i16x8.shr_u(v1, 4);
      let e: v128, o: v128, i = i32x4.splat(0), j = i;
      e = quadEven(quads); o = quadOdd(quads, e); i = dotUnsigned(i, v128.and(v0, low), e, o);
      e = quadEven(quads + 4 * QUAD); o = quadOdd(quads + 4 * QUAD, e); j = dotUnsigned(j, v128.and(v0, high), e, o);
      e = quadEven(quads + QUAD); o = quadOdd(quads + QUAD, e); i = dotUnsigned(i, v128.and(u0, low), e, o);
      e = quadEven(quads + 5 * QUAD); o = quadOdd(quads + 5 * QUAD, e); j = dotUnsigned(j, v128.and(u0, high), e, o);
      e = quadEven(quads + 2 * QUAD); o = quadOdd(quads + 2 * QUAD, e); i = dotUnsigned(i, v128.and(v1, low), e, o);
      e = quadEven(quads + 6 * QUAD); o = quadOdd(quads + 6 * QUAD, e); j = dotUnsigned(j, v128.and(v1, high), e, o);
      e = quadEven(quads + 3 * QUAD); o = quadOdd(quads + 3 * QUAD, e); i = dotUnsigned(i, v128.and(u1, low), e, o);
      e = quadEven(quads + 7 * QUAD); o = quadOdd(quads + 7 * QUAD, e); j = dotUnsigned(j, v128.and(u1, high), e, o);
      const both = v128.load8x8_u(w + (g << 3), 128), s = v128.and(both, nibble);
      const rest = i32x4.dot_i16x8_s(i16x8.shr_u(both, 4), pair);
      i = i32x4.add(i32x4.mul(i, firstOf(s)), i32x4.mul(i32x4.shr_s(j, 2), secondOf(s)));
      const f = chain(v128.load(out + (g << 4)), rest, scale, v128.load(d + (g << 4), 64));
      v128.store(out + (g << 4), chain(f, i, scale, v128.load(d + (g << 4))));
    }
  }
  shrink(out, 64);
}

/** Opens a packed group for many rows of activations. */
export function openQ2K(group: usize, blocks: i32, out: usize): void {
  const low = twoBits(0), high = twoBits(2), nibble = nibbleMask();
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const d = group + (b >> 3) * SUPER_Q2K;
    const w = d + UNITS + (b & 7) * BLOCK;
    for (let g: usize = 0; g < 4; g++) {
      for (let k: usize = 0; k < 2; k++) {
        const v = v128.load(w + (g << 5) + (k << 4)), u = i16x8.shr_u(v, 4);
        const to = out + (g << 4) + (k << 7);
        v128.store(to, v128.and(v, low), 0);
        v128.store(to, v128.and(u, low), 64);
        v128.store(to, i16x8.shr_u(v128.and(v, high), 2), 256);
        v128.store(to, i16x8.shr_u(v128.and(u, high), 2), 320);
      }
      const both = v128.load8x8_u(w + (g << 3), 128);
      openScales(out, g, v128.and(both, nibble), i16x8.shr_u(both, 4), d, d + 64);
    }
    out += OPEN_HALVES;
  }
}
