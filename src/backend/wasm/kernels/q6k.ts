/**
 * Q6_K: w = d x s x (q - 32), q in 0..63, a signed byte s for 16 columns, d for 256. The arithmetic is that of half-blocks.ts.
 *
 * Packed group: 16 rows of K columns, as K/256 blocks of 3,392 bytes: f32 d[16], then 8 times the 416 bytes of 32 columns.
 *   384 bytes  24 vectors (half h = 0, 1; g = 0..3; k = 0..2), lanes are rows 4g..4g + 3: six bits of the columns
 *              16h + 4k..4k + 3, and in the two high bits a third of the six of columns 16h + 12..15, the highest for k = 0;
 *   32         pairs of s of the 16 rows.
 * One percent more than in the file, for d is f16 there.
 */
import {
  OPEN_HALVES, chain, clear16, firstOf, fourth, halfSumsAt, isInfinite, openScales, secondOf, shrink, sixBitsOf, threeWords,
} from './half-blocks';
import { passBytes } from './quantize';
import { HALF_BIAS, QUAD, dotUnsigned, halfToFloat, quadEven, quadOdd, sixBits } from './simd';

const BLOCK: usize = 416;
/** Bytes of the floats before each 8 blocks. */
const UNITS: usize = 64;
const SUPER_Q6K: usize = UNITS + 8 * BLOCK;

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
        const at = to + UNITS + (h >> 1) * BLOCK + (h & 1) * 192 + (r >> 2) * 48 + ((r & 3) << 2);
        v128.store32_lane(at, words, 0);
        v128.store32_lane(at, words, 1, 16);
        v128.store32_lane(at, words, 2, 32);
        store<u8>(to + UNITS + (h >> 1) * BLOCK + (r << 1) + (h & 1), load<u8>(from + h, 192), 384);
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
    const block = at + UNITS + ((c >> 5) & 7) * BLOCK;
    const words = block + ((c >> 4) & 1) * 192 + (r >> 2) * 48 + ((r & 3) << 2) + (c & 3);
    const q = sixBitsOf(words, (c >> 2) & 3);
    const scale = load<f32>(at + (r << 2)) * HALF_BIAS * <f32>load<i8>(block + (r << 1) + ((c >> 4) & 1), 384);
    store<f32>(out + (c << 2), scale * <f32>(q - 32));
  }
}

/** acc + a half block of 4 rows x 16 activations, in four quads. */
// @ts-ignore: decorator
@inline function dots(
  acc: v128, w: usize, mask: v128, e0: v128, o0: v128, e1: v128, o1: v128, e2: v128, o2: v128, e3: v128, o3: v128,
): v128 {
  const v0 = v128.load(w, 0), v1 = v128.load(w, 16), v2 = v128.load(w, 32);
  acc = dotUnsigned(acc, v128.and(v0, mask), e0, o0);
  acc = dotUnsigned(acc, v128.and(v1, mask), e1, o1);
  acc = dotUnsigned(acc, v128.and(v2, mask), e2, o2);
  return dotUnsigned(acc, fourth(v0, v1, v2, mask), e3, o3);
}

/** 16 outputs for one row. `act`: 8-bit form with lanes = 1 and its sums. Result f32 [16] times 2^-56 at `out`. */
export function rowQ6K(matrix: usize, blocks: i32, act: usize, out: usize): void {
  const mask = sixBits();
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
    const d = matrix + (b >> 3) * SUPER_Q6K;
    const w = d + UNITS + (b & 7) * BLOCK;
    const scales = quads + quadBytes + (b << 3);
    quads += (b << 3) * QUAD;
    const pair = v128.load32_splat(sum + (b << 2));
    let start: v128, e0: v128, o0: v128, e1: v128, o1: v128, e2: v128, o2: v128, e3: v128, o3: v128;
    let i0: v128, i1: v128, i2: v128, i3: v128;

    start = i32x4.shr_s(i32x4.shl(pair, 16), 11);
    e0 = quadEven(quads); o0 = quadOdd(quads, e0);
    e1 = quadEven(quads + QUAD); o1 = quadOdd(quads + QUAD, e1);
    e2 = quadEven(quads + 2 * QUAD); o2 = quadOdd(quads + 2 * QUAD, e2);
    e3 = quadEven(quads + 3 * QUAD); o3 = quadOdd(quads + 3 * QUAD, e3);
    i0 = dots(start, w, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i0 = i32x4.mul(i0, firstOf(v128.load8x8_s(w, 384)));
    i1 = dots(start, w + 48, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i1 = i32x4.mul(i1, firstOf(v128.load8x8_s(w, 392)));
    i2 = dots(start, w + 96, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i2 = i32x4.mul(i2, firstOf(v128.load8x8_s(w, 400)));
    i3 = dots(start, w + 144, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i3 = i32x4.mul(i3, firstOf(v128.load8x8_s(w, 408)));

    start = i32x4.shl(i32x4.shr_s(pair, 16), 5);
    e0 = quadEven(quads + 4 * QUAD); o0 = quadOdd(quads + 4 * QUAD, e0);
    e1 = quadEven(quads + 5 * QUAD); o1 = quadOdd(quads + 5 * QUAD, e1);
    e2 = quadEven(quads + 6 * QUAD); o2 = quadOdd(quads + 6 * QUAD, e2);
    e3 = quadEven(quads + 7 * QUAD); o3 = quadOdd(quads + 7 * QUAD, e3);
    const scale = v128.load32_splat(scales);
    let i: v128;
    i = dots(start, w + 192, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i0 = i32x4.add(i0, i32x4.mul(i, secondOf(v128.load8x8_s(w, 384))));
    v128.store(out, chain(v128.load(out, 0), i0, scale, v128.load(d, 0)), 0);
    i = dots(start, w + 240, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i1 = i32x4.add(i1, i32x4.mul(i, secondOf(v128.load8x8_s(w, 392))));
    v128.store(out, chain(v128.load(out, 16), i1, scale, v128.load(d, 16)), 16);
    i = dots(start, w + 288, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i2 = i32x4.add(i2, i32x4.mul(i, secondOf(v128.load8x8_s(w, 400))));
    v128.store(out, chain(v128.load(out, 32), i2, scale, v128.load(d, 32)), 32);
    i = dots(start, w + 336, mask, e0, o0, e1, o1, e2, o2, e3, o3);
    i3 = i32x4.add(i3, i32x4.mul(i, secondOf(v128.load8x8_s(w, 408))));
    v128.store(out, chain(v128.load(out, 48), i3, scale, v128.load(d, 48)), 48);
  }
  shrink(out, 64);
}

/** Opens a packed group for many rows of activations. */
export function openQ6K(group: usize, blocks: i32, out: usize): void {
  const mask = sixBits();
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const d = group + (b >> 3) * SUPER_Q6K;
    let w = d + UNITS + (b & 7) * BLOCK;
    const pairs = w + 384;
    for (let half: usize = 0; half < 512; half += 256) {
      for (let g: usize = 0; g < 64; g += 16) {
        const v0 = v128.load(w, 0), v1 = v128.load(w, 16), v2 = v128.load(w, 32);
        const to = out + half + g;
        v128.store(to, v128.and(v0, mask), 0);
        v128.store(to, v128.and(v1, mask), 64);
        v128.store(to, v128.and(v2, mask), 128);
        v128.store(to, fourth(v0, v1, v2, mask), 192);
        w += 48;
      }
    }
    for (let g: usize = 0; g < 4; g++) {
      const s = v128.load8x8_s(pairs + (g << 3));
      openScales(out, g, s, i16x8.shl(s, 5), d, d);
    }
    out += OPEN_HALVES;
  }
}
