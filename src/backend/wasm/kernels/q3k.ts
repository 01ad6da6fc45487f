/**
 * Q3_K: w = d x s x (q - 4), q in 0..7, s of 6 bits less 32 for 16 columns, d for 256. The arithmetic is that of half-blocks.ts.
 *
 * Packed group: 16 rows of K columns, as K/256 blocks of 1,856 bytes: f32 d[16], then 8 times the 224 bytes of 32 columns.
 *   192 bytes  12 vectors (g = 0..3; k = 0..2), lanes are rows 4g..4g + 3: column 4k + c of the first half block in bits 0 to 2
 *              of byte c, of the second in bits 3 to 5; the six bits of k = 3 are in the high bits of the others;
 *   32         pairs of s of the 16 rows, as bytes.
 * The second half's products are 8 times too large until its end. The file has s in 6 bits and d as f16: 5 % less.
 */
import {
  OPEN_HALVES, chain, clear16, firstOf, fourth, halfSumsAt, isInfinite, openScales, secondOf, shrink, sixBitsOf, threeWords,
} from './half-blocks';
import { passBytes } from './quantize';
import { HALF_BIAS, QUAD, dotUnsigned, halfToFloat, quadEven, quadOdd, sixBits, threeBits } from './simd';

const BLOCK: usize = 224;
/** Bytes of the floats before each 8 blocks. */
const UNITS: usize = 64;
const SUPER_Q3K: usize = UNITS + 8 * BLOCK;

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
        const first = threeBitsOf(v128.load(from), <i32>b, v128.load(pairs), shift);
        const second = threeBitsOf(v128.load(from, 16), <i32>b, v128.load(pairs, 16), shift);
        const words = threeWords(v128.or(first, i16x8.shl(second, 3)));
        const at = to + UNITS + b * BLOCK;
        v128.store32_lane(at + (r >> 2) * 48 + ((r & 3) << 2), words, 0);
        v128.store32_lane(at + (r >> 2) * 48 + ((r & 3) << 2), words, 1, 16);
        v128.store32_lane(at + (r >> 2) * 48 + ((r & 3) << 2), words, 2, 32);
        store<i8>(at + (r << 1), scaleOf(from + 96, b << 1), 192);
        store<i8>(at + (r << 1), scaleOf(from + 96, (b << 1) + 1), 193);
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
    const block = at + UNITS + ((c >> 5) & 7) * BLOCK, second = (c >> 4) & 1;
    const both = sixBitsOf(block + (r >> 2) * 48 + ((r & 3) << 2) + (c & 3), (c >> 2) & 3);
    const scale = load<f32>(at + (r << 2)) * HALF_BIAS * <f32>load<i8>(block + (r << 1) + second, 192);
    store<f32>(out + (c << 2), scale * <f32>((both >> <i32>(second * 3) & 7) - 4));
  }
}

/** 16 outputs for one row. `act`: 8-bit form with lanes = 1 and its sums. Result f32 [16] times 2^-56 at `out`. */
export function rowQ3K(matrix: usize, blocks: i32, act: usize, out: usize): void {
  const six = sixBits(), low = threeBits(0), high = threeBits(3);
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
    const d = matrix + (b >> 3) * SUPER_Q3K;
    const w = d + UNITS + (b & 7) * BLOCK;
    const scale = v128.load32_splat(quads + quadBytes + (b << 3));
    quads += (b << 3) * QUAD;
    const pair = v128.load32_splat(sum + (b << 2));
    const start0 = i32x4.shr_s(i32x4.shl(pair, 16), 14), start1 = i32x4.shl(i32x4.shr_s(pair, 16), 5);
    for (let g: usize = 0; g < 4; g++) {
      const vectors = w + g * 48;
      const v0 = v128.load(vectors, 0), v1 = v128.load(vectors, 16), v2 = v128.load(vectors, 32);
      const v3 = fourth(v0, v1, v2, six);
      let e: v128, o: v128, i: v128, j: v128;
      e = quadEven(quads); o = quadOdd(quads, e); i = dotUnsigned(start0, v128.and(v0, low), e, o);
      e = quadEven(quads + 4 * QUAD); o = quadOdd(quads + 4 * QUAD, e); j = dotUnsigned(start1, v128.and(v0, high), e, o);
      e = quadEven(quads + QUAD); o = quadOdd(quads + QUAD, e); i = dotUnsigned(i, v128.and(v1, low), e, o);
      e = quadEven(quads + 5 * QUAD); o = quadOdd(quads + 5 * QUAD, e); j = dotUnsigned(j, v128.and(v1, high), e, o);
      e = quadEven(quads + 2 * QUAD); o = quadOdd(quads + 2 * QUAD, e); i = dotUnsigned(i, v128.and(v2, low), e, o);
      e = quadEven(quads + 6 * QUAD); o = quadOdd(quads + 6 * QUAD, e); j = dotUnsigned(j, v128.and(v2, high), e, o);
      e = quadEven(quads + 3 * QUAD); o = quadOdd(quads + 3 * QUAD, e); i = dotUnsigned(i, v128.and(v3, low), e, o);
      e = quadEven(quads + 7 * QUAD); o = quadOdd(quads + 7 * QUAD, e); j = dotUnsigned(j, v128.and(v3, high), e, o);
      const s = v128.load8x8_s(w + (g << 3), 192);
      i = i32x4.add(i32x4.mul(i, firstOf(s)), i32x4.mul(i32x4.shr_s(j, 3), secondOf(s)));
      v128.store(out + (g << 4), chain(v128.load(out + (g << 4)), i, scale, v128.load(d + (g << 4))));
    }
  }
  shrink(out, 64);
}

/** Opens a packed group for many rows of activations. */
export function openQ3K(group: usize, blocks: i32, out: usize): void {
  const six = sixBits(), low = threeBits(0), high = threeBits(3);
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const d = group + (b >> 3) * SUPER_Q3K;
    const w = d + UNITS + (b & 7) * BLOCK;
    for (let g: usize = 0; g < 4; g++) {
      const vectors = w + g * 48, to = out + (g << 4);
      const v0 = v128.load(vectors, 0), v1 = v128.load(vectors, 16), v2 = v128.load(vectors, 32);
      const v3 = fourth(v0, v1, v2, six);
      v128.store(to, v128.and(v0, low), 0);
      v128.store(to, v128.and(v1, low), 64);
      v128.store(to, v128.and(v2, low), 128);
      v128.store(to, v128.and(v3, low), 192);
      v128.store(to, i16x8.shr_u(v128.and(v0, high), 3), 256);
      v128.store(to, i16x8.shr_u(v128.and(v1, high), 3), 320);
      v128.store(to, i16x8.shr_u(v128.and(v2, high), 3), 384);
      v128.store(to, i16x8.shr_u(v128.and(v3, high), 3), 448);
      const s = v128.load8x8_s(w + (g << 3), 192);
      openScales(out, g, s, i16x8.shl(s, 2), d, d);
    }
    out += OPEN_HALVES;
  }
}
