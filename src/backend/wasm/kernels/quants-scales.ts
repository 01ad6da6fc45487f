/**
 * What stands behind the quants of a block (quants.ts): scales and minimums, in three forms. They are parameters of inlined
 * functions and known when the module is built, as is the number of bits (`five`), so that nothing asks for them at run time.
 *
 * The kernels read all three as f32 scales and minimums of 4 rows; those of CENTRED and AFFINE lack 2^112, as in q4.ts, those of
 * SUPER 2^56: their outputs are due, times 2^-56, when all of a row was added.
 */
import { quantBytes } from './quants';
import { byteMask, halfFirst, halfMask, halfSecond, madd, shiftedFirst, shiftedSecond } from './simd';

/**
 * f16 d of rows 0 and 4, 1 and 5, … 7 and 11, 8 and 12 …: side by side what a vector widens to two. No minimum: the zero, 8 or 16, is
 * taken off the integers.
 */
export const CENTRED: i32 = 0;
/** f16 d and m of each row, side by side, as in q4.ts. */
export const AFFINE: i32 = 1;
/**
 * 6 bits, a byte each: scale and minimum of rows 0 and 4, of 1 and 5, … as with CENTRED; in units of the f32 d[16] and m[16] before
 * each 8 blocks (supers.ts).
 */
export const SUPER: i32 = 2;

/** Bytes of 16 rows x 32 columns. */
// @ts-ignore: decorator
@inline export function blockBytes(five: bool, scales: i32): usize {
  return quantBytes(five) + (scales == AFFINE ? 64 : 32);
}

/** Bytes of the f32 d[16] and m[16] at the beginning of a super-block. */
const UNITS: usize = 128;

/** Bytes of 16 rows x 256 columns of a super-block. */
// @ts-ignore: decorator
@inline export function superBytes(five: bool): usize {
  return UNITS + 8 * blockBytes(five, SUPER);
}

/** Where block `b` of a group begins. */
// @ts-ignore: decorator
@inline export function blockAt(five: bool, scales: i32, group: usize, b: i32): usize {
  if (scales != SUPER) return group + <usize>b * blockBytes(five, scales);
  return unitsAt(five, group, b) + UNITS + <usize>(b & 7) * blockBytes(five, scales);
}

/** Where the super-block of block `b` begins: with its f32 d and m, so that they come in the order of the stream. */
// @ts-ignore: decorator
@inline export function unitsAt(five: bool, group: usize, b: i32): usize {
  return group + <usize>(b >> 3) * superBytes(five);
}

/** Blocks that lie one behind the other with the same units: a super-block, or all. */
// @ts-ignore: decorator
@inline export function runLength(scales: i32, blocks: i32): i32 {
  return scales == SUPER ? 8 : blocks;
}

// @ts-ignore: decorator
@inline export function runCount(scales: i32, blocks: i32): i32 {
  return scales == SUPER ? blocks >> 3 : 1;
}

/**
 * Scales of rows 4g to 4g + 3 of the block at `w`. `units`: of its super-block. `several`: for several rows of activations, whose dots
 * keep the multipliers busy.
 */
// @ts-ignore: decorator
@inline export function scalesOf(five: bool, scales: i32, several: bool, g: i32, w: usize, units: usize): v128 {
  const at = w + quantBytes(five);
  if (scales == SUPER) return f32x4.mul(byteAsFloat((g & 1) << 1, at + (<usize>(g >> 1) << 4)), v128.load(units + (<usize>g << 4)));
  if (scales == AFFINE) {
    const pairs = v128.load(at + (<usize>g << 4));
    return isShifted(five, several) ? shiftedFirst(pairs) : signedFirst(pairs);
  }
  const pairs = v128.load(at + (<usize>(g >> 1) << 4));
  return g & 1 ? halfSecond(pairs) : signedFirst(pairs);
}

/** Minimums of the same rows, whose scales are `d`; nothing for CENTRED. */
// @ts-ignore: decorator
@inline export function minimumsOf(five: bool, scales: i32, several: bool, g: i32, w: usize, units: usize, d: v128): v128 {
  const at = w + quantBytes(five);
  if (scales == SUPER) {
    return f32x4.mul(byteAsFloat((g & 1) << 1 | 1, at + (<usize>(g >> 1) << 4)), v128.load(units + (<usize>g << 4), 64));
  }
  if (scales != AFFINE) return d;
  const pairs = v128.load(at + (<usize>g << 4));
  return isShifted(five, several) ? shiftedSecond(pairs) : halfSecond(pairs);
}

/** Where the scale of row `r` is; a minimum follows it. */
// @ts-ignore: decorator
@inline export function scaleAt(five: bool, scales: i32, w: usize, r: usize): usize {
  const at = w + quantBytes(five);
  if (scales == AFFINE) return at + (r << 2);
  return at + (r >> 3 << 4) + ((r & 3) << 2) + ((r & 4) >> 1);
}

/** Q4_1, whose scales are not negative, for several rows: 4 % faster with shifts, where one row alone is 8 % slower. */
// @ts-ignore: decorator
@inline function isShifted(five: bool, several: bool): bool {
  return several && !five;
}

/** The first of four pairs of f16, of either sign. */
// @ts-ignore: decorator
@inline function signedFirst(pairs: v128): v128 {
  return v128.and(halfFirst(pairs), halfMask());
}

/** Byte `n` of each of four i32 at `at`, times 2^8n, which the units take back: a mask instead of a shift and two widenings. */
// @ts-ignore: decorator
@inline function byteAsFloat(n: i32, at: usize): v128 {
  return f32x4.convert_i32x4_s(v128.and(v128.load(at), byteMask(n)));
}

/** log2 of the zero of CENTRED quants. */
// @ts-ignore: decorator
@inline export function zeroOf(five: bool): i32 {
  return five ? 4 : 3;
}

/** Where the dots of a block begin: what the zero takes off. `sum`: address of the row's i32 negative sum (quantize.ts). */
// @ts-ignore: decorator
@inline export function startOf(five: bool, scales: i32, sum: usize): v128 {
  return scales == CENTRED ? i32x4.shl(v128.load32_splat(sum), zeroOf(five)) : i32x4.splat(0);
}

/** The row's scaled sum, for minimums. */
// @ts-ignore: decorator
@inline export function sumOf(scales: i32, sum: usize): v128 {
  return scales == CENTRED ? i32x4.splat(0) : v128.load32_splat(sum);
}

/** The step of an output along the blocks: f + m x sum, if there are minimums, then + d x (dot x scale). */
// @ts-ignore: decorator
@inline export function chain(scales: i32, f: v128, i: v128, scale: v128, sum: v128, d: v128, m: v128): v128 {
  return madd(f32x4.mul(f32x4.convert_i32x4_s(i), scale), d, scales == CENTRED ? f : madd(m, sum, f));
}
