/**
 * Q4_K and Q5_K: super-blocks of 256 columns, w = d x scale x q - m x minimum, with a 6-bit scale and minimum for every 32
 * columns and f16 d and m for all.
 *
 * Packed group: 16 rows of K columns as K/256 super-blocks: f32 d[16] and -m[16], times 2^-56; then 8 blocks of quants
 * (quants.ts), each with u8 scales[16] and u8 minimums[16] behind it. As f16 they would be 3 % smaller, but d is the step of the
 * scales and often denormal there; unrebiased to f32, as in q4.ts, it would be denormal in f32 too, which is slow.
 * 5 % more bytes than in the file. d x scale and m x minimum are exact in f32 (11 and 6 bits).
 */
import { OPEN4, rowsQ4 } from './q4';
import { openQuants, quantAt, quantBytes, storeQuants } from './quants';
import { SUPER, blockAt, blockBytes, highFloats, lowFloats, multiplyOne, superBytes, unitsAt } from './quants-row';
import { HALF_BIAS, halfToFloat, lessHalfBias } from './simd';

/** Four times six bits, in the low bits of the bytes. */
const SIX: u32 = 0x3f3f3f3f;

/** Packs `rows` (1..16) rows of `supers` super-blocks each; missing rows become zero. Returns 0: any scale will do. */
export function packSupers(five: bool, source: usize, rows: i32, supers: i32, target: usize): i32 {
  memory.fill(target, 0, superBytes(five) * <usize>supers);
  let from = source;
  for (let r: usize = 0; r < <usize>rows; r++) {
    for (let s = 0; s < supers; s++) {
      if (five) packSuper(true, from, r, target + <usize>s * superBytes(true));
      else packSuper(false, from, r, target + <usize>s * superBytes(false));
      from += five ? 176 : 144;
    }
  }
  return 0;
}

/** In the file: f16 d and m, 12 bytes of scales, for 5 bits the fifth ones (bit b of byte c: block b, column c), nibbles. */
// @ts-ignore: decorator
@inline function packSuper(five: bool, from: usize, r: usize, to: usize): void {
  const units = unitsAt(five, to, 0) + (r << 2);
  store<f32>(units, halfToFloat(load<u16>(from)) / HALF_BIAS);
  store<f32>(units, -halfToFloat(load<u16>(from, 2)) / HALF_BIAS, 64);
  const a = load<u32>(from, 4), b = load<u32>(from, 8), c = load<u32>(from, 12);
  packHalf(five, from, r, to, 0, a & SIX, b & SIX);
  const upper: u32 = 0x30303030, nibble: u32 = 0x0f0f0f0f;
  packHalf(five, from, r, to, 4, c & nibble | a >> 2 & upper, c >> 4 & nibble | b >> 2 & upper);
}

/** Blocks `first` to `first + 3`, with a byte of `scales` and `minimums` each. */
// @ts-ignore: decorator
@inline function packHalf(five: bool, from: usize, r: usize, to: usize, first: i32, scales: u32, minimums: u32): void {
  const nibble = i8x16.splat(15), one = i8x16.splat(1);
  for (let b = first; b < first + 4; b++) {
    const at = blockAt(five, SUPER, to, b);
    store<u8>(at + quantBytes(five) + r, scales);
    store<u8>(at + quantBytes(five) + r, minimums, 16);
    scales >>= 8;
    minimums >>= 8;
    const pairs = from + (five ? 48 : 16) + (<usize>(b >> 1) << 5);
    const shift = (b & 1) << 2;
    let low = v128.and(i16x8.shr_u(v128.load(pairs), shift), nibble);
    let high = v128.and(i16x8.shr_u(v128.load(pairs, 16), shift), nibble);
    if (five) {
      low = v128.or(low, i16x8.shl(v128.and(i16x8.shr_u(v128.load(from, 16), b), one), 4));
      high = v128.or(high, i16x8.shl(v128.and(i16x8.shr_u(v128.load(from, 32), b), one), 4));
    }
    storeQuants(five, at, r, low, high);
  }
}

/** Row `row` of a group as f32. */
export function unpackSupers(five: bool, group: usize, row: i32, blocks: i32, out: usize): void {
  const r = <usize>row;
  for (let b = 0; b < blocks; b++) {
    const at = blockAt(five, SUPER, group, b), units = unitsAt(five, group, b) + (r << 2);
    const d = load<f32>(units) * HALF_BIAS * <f32>load<u8>(at + quantBytes(five) + r);
    const m = load<f32>(units, 64) * HALF_BIAS * <f32>load<u8>(at + quantBytes(five) + r, 16);
    for (let c: usize = 0; c < 32; c++) store<f32>(out + (c << 2), d * <f32>quantAt(five, at, r, c) + m);
    out += 128;
  }
}

// @ts-ignore: decorator
@inline function open(five: bool, group: usize, blocks: i32, out: usize): void {
  for (let b = 0; b < blocks; b++) {
    const block = blockAt(five, SUPER, group, b), units = unitsAt(five, group, b);
    openQuants(five, block, out);
    for (let g: usize = 0; g < 32; g += 16) {
      const at = block + quantBytes(five) + (g >> 1), unit = units + (g << 1), to = out + (g << 1);
      const d = v128.load8x8_u(at), m = v128.load8x8_u(at, 16);
      v128.store(to, f32x4.mul(lowFloats(d), v128.load(unit)), 512);
      v128.store(to, f32x4.mul(highFloats(d), v128.load(unit, 16)), 528);
      v128.store(to, f32x4.mul(lowFloats(m), v128.load(unit, 64)), 576);
      v128.store(to, f32x4.mul(highFloats(m), v128.load(unit, 80)), 592);
    }
    out += OPEN4;
  }
}

/** Opens a group for `rowsSupers`. */
export function openSupers(five: bool, group: usize, blocks: i32, out: usize): void {
  if (five) open(true, group, blocks, out);
  else open(false, group, blocks, out);
}

/** Products are due times 2^-56, and the scales of a super-block carry it already: it meets the activations' 2^56. */
// @ts-ignore: decorator
@inline function shrink(out: usize, bytes: usize): void {
  const factor = lessHalfBias();
  for (let end = out + bytes; out < end; out += 64) {
    v128.store(out, f32x4.mul(v128.load(out, 0), factor), 0);
    v128.store(out, f32x4.mul(v128.load(out, 16), factor), 16);
    v128.store(out, f32x4.mul(v128.load(out, 32), factor), 32);
    v128.store(out, f32x4.mul(v128.load(out, 48), factor), 48);
  }
}

/** 16 outputs for one row, f32 [16] times 2^-56. */
export function rowQ4_K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyOne(false, SUPER, group, blocks, act, out);
  shrink(out, 64);
}

export function rowQ5_K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyOne(true, SUPER, group, blocks, act, out);
  shrink(out, 64);
}

/** 16 outputs for each of 4 rows, f32 [4][16] times 2^-56. */
export function rowsSupers(opened: usize, blocks: i32, act: usize, out: usize): void {
  rowsQ4(opened, blocks, act, out);
  shrink(out, 256);
}
