/**
 * Q4_K and Q5_K: super-blocks of 256 columns, w = d x scale x q - m x minimum, with a 6-bit scale and minimum for every 32
 * columns and f16 d and m for all.
 *
 * Packed group: 16 rows of K columns as K/256 super-blocks: f32 d[16] and -m[16] in the units of quants-scales.ts, times 2^-56;
 * then 8 blocks of quants (quants.ts) and scales. As f16, d and m would be 3 % smaller, but d is the step of the scales and often
 * denormal there; unrebiased to f32, as in q4.ts, it would be denormal in f32 too, which is slow. 5 % more bytes than in the file.
 * d x scale and m x minimum are exact in f32 (11 and 6 bits).
 */
import { quantAt, storeQuants } from './quants';
import { SUPER, blockAt, scaleAt, superBytes, unitsAt } from './quants-scales';
import { HALF_BIAS, halfToFloat } from './simd';

/** Four times six bits, in the low bits of the bytes. */
const SIX: u32 = 0x3f3f3f3f;

/** What a scale of row `r` is too large by when the kernels have read it (a minimum 256 times more), and 2^56. */
// @ts-ignore: decorator
@inline function scaleUnit(r: usize): f32 {
  return r & 4 ? HALF_BIAS * 65536 : HALF_BIAS;
}

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
  store<f32>(units, halfToFloat(load<u16>(from)) / scaleUnit(r));
  store<f32>(units, -halfToFloat(load<u16>(from, 2)) / scaleUnit(r) / 256, 64);
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
    const scale = scaleAt(five, SUPER, at, r);
    store<u8>(scale, scales);
    store<u8>(scale, minimums, 1);
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
    const at = blockAt(five, SUPER, group, b), scale = scaleAt(five, SUPER, at, r), units = unitsAt(five, group, b) + (r << 2);
    const d = load<f32>(units) * scaleUnit(r) * <f32>load<u8>(scale);
    const m = load<f32>(units, 64) * scaleUnit(r) * 256 * <f32>load<u8>(scale, 1);
    for (let c: usize = 0; c < 32; c++) store<f32>(out + (c << 2), d * <f32>quantAt(five, at, r, c) + m);
    out += 128;
  }
}
