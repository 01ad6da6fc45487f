/**
 * The few vector operations everything else is written in, in two twins chosen when the module is compiled:
 * relaxed SIMD (one instruction multiplies and adds 16 bytes) and plain SIMD128 (widen to 16 bits first).
 * Both give the same integers.
 *
 * "Lanes are rows": a 16-byte weight vector holds 4 rows x 4 neighbouring columns, so the four i32 lanes of an
 * accumulator are four rows and nothing is ever summed across lanes.
 *
 * A "quad" is the 4 activations that meet such a vector. Relaxed: 4 bytes, splatted. Plain: 4 x i16 in the order
 * a0 a2 a1 a3, because even and odd bytes of a weight vector are widened apart.
 */

/** The module is compiled twice; the flag is folded away, so only one twin remains in each. */
export const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;

/** Bytes of one quad of 8-bit activations. */
export const QUAD: usize = RELAXED ? 4 : 8;

/** Fused where the processor has FMA; every kernel uses this one, so rows agree with each other. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  return RELAXED ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** First half of a quad, in all lanes. */
// @ts-ignore: decorator
@inline export function quadEven(p: usize): v128 {
  return v128.load32_splat(p);
}

/** Second half of a quad; the relaxed twin has all of it in the first. */
// @ts-ignore: decorator
@inline export function quadOdd(p: usize, even: v128): v128 {
  return RELAXED ? even : v128.load32_splat(p + 4);
}

/** Lane `lane` in all lanes. */
// @ts-ignore: decorator
@inline export function splatLane(v: v128, lane: i32): v128 {
  if (lane == 0) return v128.shuffle<i32>(v, v, 0, 0, 0, 0);
  if (lane == 1) return v128.shuffle<i32>(v, v, 1, 1, 1, 1);
  if (lane == 2) return v128.shuffle<i32>(v, v, 2, 2, 2, 2);
  return v128.shuffle<i32>(v, v, 3, 3, 3, 3);
}

/** acc + weights (unsigned, at most 127) x activations (signed). */
// @ts-ignore: decorator
@inline export function dotUnsigned(acc: v128, w: v128, even: v128, odd: v128): v128 {
  if (RELAXED) return i32x4.relaxed_dot_i8x16_i7x16_add_s(even, w, acc);
  return i32x4.add(
    acc,
    i32x4.add(
      i32x4.dot_i16x8_s(v128.and(w, i16x8.splat(0x00ff)), even),
      i32x4.dot_i16x8_s(i16x8.shr_u(w, 8), odd),
    ),
  );
}

/** acc + weights (signed) x one digit (0..127); the plain twin takes all 14 bits of the activation at once. */
// @ts-ignore: decorator
@inline export function dotSigned(acc: v128, w: v128, even: v128, odd: v128): v128 {
  if (RELAXED) return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, even, acc);
  return i32x4.add(
    acc,
    i32x4.add(
      i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(w, 8), 8), even),
      i32x4.dot_i16x8_s(i16x8.shr_s(w, 8), odd),
    ),
  );
}

/** Four f16 at `p`, all non-negative, as f32 times 2^-112 (the exponent is not rebiased). */
// @ts-ignore: decorator
@inline export function halfUnsigned(p: usize): v128 {
  return i32x4.shl(v128.load16x4_u(p), 13);
}

/** Four f16 at `p` as f32 times 2^-112. `mask` is 0x8fffffff in each lane. */
// @ts-ignore: decorator
@inline export function halfSigned(p: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(p), 13), mask);
}

/**
 * Of four pairs of f16, the first (non-negative) or the second of each as f32 times 2^-112. The multiplication by 2^13 is a
 * shift to the place of an f32's bits, but widens at the same time and leaves the processor's shifter to the nibbles.
 */
// @ts-ignore: decorator
@inline export function halfFirst(pairs: v128): v128 {
  return i32x4.dot_i16x8_s(pairs, constant(24));
}

// @ts-ignore: decorator
@inline export function halfSecond(pairs: v128): v128 {
  return v128.and(i32x4.dot_i16x8_s(pairs, constant(25)), constant(11));
}

/** The same by shifts, where it is the multipliers that are busy. */
// @ts-ignore: decorator
@inline export function shiftedFirst(pairs: v128): v128 {
  return i32x4.shl(v128.and(pairs, constant(30)), 13);
}

// @ts-ignore: decorator
@inline export function shiftedSecond(pairs: v128): v128 {
  return v128.and(i32x4.shr_s(pairs, 3), constant(31));
}

/** Undoes half of the missing 2^112: the activations carry it once, and the result is multiplied by it once. */
export const HALF_BIAS: f32 = 7.205759403792794e16; // 2^56

/** One f16 as f32, exactly. */
// @ts-ignore: decorator
@inline export function halfToFloat(h: u32): f32 {
  return reinterpret<f32>(((h << 13) & 0x0fffe000) | ((h & 0x8000) << 16)) * HALF_BIAS * HALF_BIAS;
}

/** Sum of four lanes, always in the order (0+2) + (1+3). */
// @ts-ignore: decorator
@inline export function sumLanes(v: v128): f32 {
  const s = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1);
}

// @ts-ignore: decorator
@inline export function maxLanes(v: v128): f32 {
  const s = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  const a = f32x4.extract_lane(s, 0), b = f32x4.extract_lane(s, 1);
  return a > b ? a : b;
}

// @ts-ignore: decorator
@inline export function sumLanesInt(v: v128): i32 {
  const s = i32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1);
}

/**
 * Vector constants live in memory: V8 builds a v128 constant afresh at every use, in three instructions; a load is one.
 */
const CONSTANTS_AT: usize = 512;

// @ts-ignore: decorator
@inline function constant(index: usize): v128 {
  return v128.load(CONSTANTS_AT + (index << 4));
}

/** 1.5 x 2^23: added to a small float it leaves the nearest integer (ties to even) in the low bits. */
const MAGIC: f32 = 12582912;

/** Scores are kept in units of ln 2, so that exponentials are powers of two. */
export const LOG2E: f32 = 1.4426950408889634;

/** Written once, before anything runs. */
export function initConstants(): void {
  const at = CONSTANTS_AT;
  v128.store(at, f32x4.splat(-80), 0);
  v128.store(at, f32x4.splat(80), 16);
  v128.store(at, f32x4.splat(MAGIC), 32);
  v128.store(at, f32x4.splat(1.33335581464284e-3), 48);
  v128.store(at, f32x4.splat(9.61812910762848e-3), 64);
  v128.store(at, f32x4.splat(5.55041086648216e-2), 80);
  v128.store(at, f32x4.splat(2.40226506959101e-1), 96);
  v128.store(at, f32x4.splat(6.93147180559945e-1), 112);
  v128.store(at, f32x4.splat(1), 128);
  v128.store(at, i32x4.splat(127), 144);
  v128.store(at, i8x16.splat(0x0f), 160);
  v128.store(at, i32x4.splat(0x8fffffff), 176);
  v128.store(at, f32x4.splat(-LOG2E), 192);
  v128.store(at, f32x4.splat(HALF_BIAS), 208);
  // -2 sqrt(2 / pi) log2(e), and 0.044715 of it.
  v128.store(at, f32x4.splat(-2.302208198), 224);
  v128.store(at, f32x4.splat(-0.1029432397), 240);
  v128.store(at, i32x4.splat(0xff), 256);
  v128.store(at, i32x4.splat(0xff00), 272);
  v128.store(at, i32x4.splat(0xff0000), 288);
  v128.store(at, i32x4.splat(0x7f000000), 304);
  v128.store(at, i8x16.splat(0x0c), 320);
  v128.store(at, i8x16.splat(0x07), 336);
  v128.store(at, i8x16.splat(0x38), 352);
  v128.store(at, i8x16.splat(0x3f), 368);
  v128.store(at, i32x4.splat(1 << 13), 384);
  v128.store(at, i32x4.splat(1 << 29), 400);
  v128.store(at, i8x16.splat(0x1f), 416);
  v128.store(at, i8x16.splat(0x1c), 432);
  v128.store(at, i8x16.splat(0x03), 448);
  v128.store(at, f32x4.splat(<f32>1 / HALF_BIAS), 464);
  v128.store(at, i32x4.splat(0xffff), 480);
  v128.store(at, i32x4.splat(0x8fffe000), 496);
}

/** 5-bit quants (quants.ts): five bits, the upper three of five, the lower two, in every byte. */
// @ts-ignore: decorator
@inline export function fiveMask(): v128 {
  return constant(26);
}

// @ts-ignore: decorator
@inline export function upperMask(): v128 {
  return constant(27);
}

// @ts-ignore: decorator
@inline export function lowerMask(): v128 {
  return constant(28);
}

/** Byte `n` of every i32 lane; of the highest, 7 bits. */
// @ts-ignore: decorator
@inline export function byteMask(n: usize): v128 {
  return constant(16 + n);
}

/** 1 / HALF_BIAS in every lane. */
// @ts-ignore: decorator
@inline export function lessHalfBias(): v128 {
  return constant(29);
}

/** HALF_BIAS in every lane. */
// @ts-ignore: decorator
@inline export function halfBias(): v128 {
  return constant(13);
}

/** 127 in every i32 lane: the low digit. */
// @ts-ignore: decorator
@inline export function lowDigit(): v128 {
  return constant(9);
}

/** 0x0f in every byte. */
// @ts-ignore: decorator
@inline export function nibbleMask(): v128 {
  return constant(10);
}

/** Bits 0 and 1 of every byte, or 2 and 3. */
// @ts-ignore: decorator
@inline export function twoBits(first: usize): v128 {
  return constant(first ? 20 : 28);
}

/** Bits 0 to 2 of every byte, or 3 to 5. */
// @ts-ignore: decorator
@inline export function threeBits(first: usize): v128 {
  return constant(first ? 22 : 21);
}

/** The upper four bits of every byte, and the middle of what the lower four can add to them. */
// @ts-ignore: decorator
@inline export function upperNibble(bytes: v128): v128 {
  return v128.xor(v128.or(bytes, constant(10)), constant(21));
}

/** Bits 0 to 5 of every byte. */
// @ts-ignore: decorator
@inline export function sixBits(): v128 {
  return constant(23);
}

/** What stays of a shifted, sign-extended f16. */
// @ts-ignore: decorator
@inline export function halfMask(): v128 {
  return constant(11);
}

/**
 * 2^x for four x <= 80, relative error about 3e-6: a polynomial of degree 5 on [-1/2, 1/2], its exponent raised. Below -80
 * the result stays at 2^-80, so that none is denormal: what is smaller than that part of the largest counts for nothing.
 */
// @ts-ignore: decorator
@inline export function exp2(x: v128): v128 {
  x = f32x4.pmax(x, leastExponent());
  const t = f32x4.add(x, magic());
  const r = f32x4.sub(x, f32x4.sub(t, magic()));
  let p = madd(power(0), r, power(1));
  p = madd(p, r, power(2));
  p = madd(p, r, power(3));
  p = madd(p, r, power(4));
  p = madd(p, r, power(5));
  return i32x4.add(p, i32x4.shl(t, 23));
}

// @ts-ignore: decorator
@inline export function leastExponent(): v128 {
  return constant(0);
}

// @ts-ignore: decorator
@inline export function magic(): v128 {
  return constant(2);
}

/** Coefficient of 2^x, the highest power first. */
// @ts-ignore: decorator
@inline export function power(index: usize): v128 {
  return constant(3 + index);
}

/** x / (1 + e^-x). */
// @ts-ignore: decorator
@inline export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(8), exp2(f32x4.pmin(f32x4.mul(x, constant(12)), constant(1)))));
}

/** Half of x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is x / (1 + e^-2u) where u is what the tanh takes. */
// @ts-ignore: decorator
@inline export function gelu4(x: v128): v128 {
  const u = f32x4.mul(x, madd(f32x4.mul(x, x), constant(15), constant(14)));
  return f32x4.div(x, f32x4.add(constant(8), exp2(f32x4.pmin(u, constant(1)))));
}

/** x times `factor`, rounded to the nearest integer (ties to even), below 2^22 in magnitude. */
// @ts-ignore: decorator
@inline export function rounded(x: v128, factor: v128): v128 {
  return i32x4.sub(madd(x, factor, magic()), magic());
}
