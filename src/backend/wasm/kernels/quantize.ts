/**
 * Activations, made ready for integer dots: RMS norm and quantisation, row by row.
 *
 * 8-bit form (for 4-bit weights): blocks of 32 with a scale d = max|x| / 127 and d x sum(q); both carry 2^56, half of the
 * factor that the unrebiased f16 weights lack. Beside them -sum(q), for weights whose zero is an integer. The few blocks with outliers make most of the error, since an error is as
 * large as its scale: where d is above three times the row's root mean square, what rounding left over is quantised too, and
 * met by the weights in a second pass over those blocks. On SmolLM2 that is one block in twenty (with twice the mean) and takes the divergence
 * from exact activations from 0.0025 to 0.0007.
 * Which blocks those are is each row's own matter: what is left of them lies apart, row by row, and meets the weights so.
 * 14-bit form (for 8-bit weights): one scale per row, q + 8192 in 0..16383. Relaxed twin: two 7-bit digits per value, so
 * that the unsigned operand stays within 127; the plain twin keeps the 14 bits.
 *
 * Layout of `lanes` rows together (1 or 4): quads [K/4][lanes][QUAD or 8 bytes], then
 * 8-bit: [K/32][3][lanes] (f32 scale, f32 scaled sum, i32 negative sum), then for each lane what was left over, as a row alone has it: quads [K/4][QUAD]
 * and [K/32][3] numbers (unset where nothing is refined), i32 count and [K/32] blocks to refine, i32 [K/32] for their half sums
 * (half-blocks.ts); 14-bit: f32 [lanes] scales.
 */
import { HALF_BIAS, QUAD, RELAXED, lowDigit, madd, maxLanes, rounded, sumLanes, sumLanesInt } from './simd';

/** out = x / rms(x) x weight. */
export function rmsNorm(x: usize, weight: usize, length: i32, epsilon: f32, out: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const bytes = <usize>length << 2;
  for (let i: usize = 0; i < bytes; i += 64) {
    let v = v128.load(x + i);
    a = madd(v, v, a);
    v = v128.load(x + i, 16);
    b = madd(v, v, b);
    v = v128.load(x + i, 32);
    c = madd(v, v, c);
    v = v128.load(x + i, 48);
    d = madd(v, v, d);
  }
  const scale = f32x4.splat(<f32>(1.0 / Math.sqrt(<f64>(sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d))) / <f32>length + epsilon))));
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(x + i), scale), v128.load(weight + i)));
  }
}

// @ts-ignore: decorator
@inline function storeQuad(at: usize, q: v128): void {
  if (RELAXED) {
    const n = i16x8.narrow_i32x4_s(q, q);
    v128.store32_lane(at, i8x16.narrow_i16x8_s(n, n), 0);
  } else {
    const s = v128.shuffle<i32>(q, q, 0, 2, 1, 3);
    v128.store64_lane(at, i16x8.narrow_i32x4_s(s, s), 0);
  }
}

/** Four quads, `step` bytes apart. */
// @ts-ignore: decorator
@inline function storeQuads(at: usize, step: usize, a: v128, b: v128, c: v128, d: v128): void {
  if (RELAXED) {
    const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
    if (step == QUAD) {
      v128.store(at, bytes);
      return;
    }
    v128.store32_lane(at, bytes, 0);
    v128.store32_lane(at + step, bytes, 1);
    v128.store32_lane(at + 2 * step, bytes, 2);
    v128.store32_lane(at + 3 * step, bytes, 3);
  } else {
    storeQuad(at, a);
    storeQuad(at + step, b);
    storeQuad(at + 2 * step, c);
    storeQuad(at + 3 * step, d);
  }
}

/** Largest magnitude of 16 floats, by lane. */
// @ts-ignore: decorator
@inline function magnitudes(x: usize): v128 {
  const a = f32x4.pmax(f32x4.abs(v128.load(x)), f32x4.abs(v128.load(x, 16)));
  const b = f32x4.pmax(f32x4.abs(v128.load(x, 32)), f32x4.abs(v128.load(x, 48)));
  return f32x4.pmax(a, b);
}

/** Bytes of a block's numbers, of one row. */
export const NUMBERS: usize = 12;

/** Bytes of one pass of the 8-bit form: quads and numbers. */
// @ts-ignore: decorator
@inline export function passBytes(length: i32, lanes: i32): usize {
  return ((<usize>length >> 2) * QUAD + (<usize>length >> 5) * NUMBERS) * <usize>lanes;
}

/** Bytes of what was left over of one row. */
// @ts-ignore: decorator
@inline export function leftBytes(length: i32): usize {
  return leftSumsAt(length) + (<usize>length >> 5) * 4;
}

/** Where the list of refined blocks begins in what was left over of a row, and where its half sums do. */
// @ts-ignore: decorator
@inline export function leftListAt(length: i32): usize {
  return passBytes(length, 1);
}

// @ts-ignore: decorator
@inline export function leftSumsAt(length: i32): usize {
  return leftListAt(length) + 4 + (<usize>length >> 5) * 4;
}

export function bytes8(length: i32, lanes: i32): i32 {
  return <i32>passBytes(length, lanes) + <i32>leftBytes(length) * lanes;
}

export function bytes14(length: i32, lanes: i32): i32 {
  return (length * 2 + 4) * lanes;
}

/** Row `lane` of a group, in 8-bit form. `length` is a multiple of 32. */
export function quantize8(x: usize, length: i32, out: usize, lane: i32, lanes: i32): void {
  const quadStep = QUAD * <usize>lanes, sumOffset = <usize>lanes << 2;
  const blocks = length >> 5;
  let quad = out + <usize>lane * QUAD;
  const scales = out + (<usize>length >> 2) * quadStep + (<usize>lane << 2);
  let squares: f32 = 0;
  for (let b = 0; b < blocks; b++) {
    const at = x + (<usize>b << 7), scaleAt = scales + <usize>b * NUMBERS * <usize>lanes;
    const largest = maxLanes(f32x4.pmax(magnitudes(at), magnitudes(at + 64)));
    const scale = largest / <f32>127;
    const inverse = f32x4.splat(scale > 0 ? <f32>1 / scale : 0);
    let sum = i32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 64) {
      const a = rounded(v128.load(at + i), inverse), b = rounded(v128.load(at + i, 16), inverse);
      const c = rounded(v128.load(at + i, 32), inverse), d = rounded(v128.load(at + i, 48), inverse);
      sum = i32x4.add(i32x4.add(sum, i32x4.add(a, b)), i32x4.add(c, d));
      storeQuads(quad, quadStep, a, b, c, d);
      quad += 4 * quadStep;
    }
    squares += scale * scale;
    store<f32>(scaleAt, scale * HALF_BIAS);
    const total = sumLanesInt(sum);
    store<f32>(scaleAt + sumOffset, scale * HALF_BIAS * <f32>total);
    store<i32>(scaleAt + 2 * sumOffset, -total);
  }
  const rest = out + passBytes(length, lanes) + <usize>lane * leftBytes(length);
  refine8(x, length, rest, scales, NUMBERS * <usize>lanes, <f32>9 * squares / <f32>blocks);
}

/**
 * Quantises what is left of the blocks whose squared scale is above `limit`, and lists them. `scales`: those of the first pass,
 * `scaleStep` bytes apart.
 */
function refine8(x: usize, length: i32, out: usize, scales: usize, scaleStep: usize, limit: f32): void {
  const numbers = out + (<usize>length >> 2) * QUAD, list = out + leftListAt(length);
  let count: usize = 0;
  for (let block: usize = 0; block < <usize>length >> 5; block++) {
    const scale = load<f32>(scales + block * scaleStep) * (<f32>1 / HALF_BIAS);
    if (scale * scale <= limit) continue;
    const inverse = f32x4.splat(<f32>1 / scale), minus = f32x4.splat(-scale), finer = f32x4.splat(<f32>254 / scale);
    let quad = out + (block << 3) * QUAD;
    let sum = i32x4.splat(0);
    for (let at = x + (block << 7), end = at + 128; at < end; at += 64) {
      const a = left(v128.load(at), inverse, minus, finer), b = left(v128.load(at, 16), inverse, minus, finer);
      const c = left(v128.load(at, 32), inverse, minus, finer), d = left(v128.load(at, 48), inverse, minus, finer);
      sum = i32x4.add(i32x4.add(sum, i32x4.add(a, b)), i32x4.add(c, d));
      storeQuads(quad, QUAD, a, b, c, d);
      quad += 4 * QUAD;
    }
    const finest = scale * (<f32>1 / 254) * HALF_BIAS;
    const total = sumLanesInt(sum), at = numbers + block * NUMBERS;
    store<f32>(at, finest);
    store<f32>(at, finest * <f32>total, 4);
    store<i32>(at, -total, 8);
    store<i32>(list + (count << 2), <i32>block, 4);
    count++;
  }
  store<i32>(list, <i32>count);
}

/** (x - scale x round(x / scale)) in units of scale / 254. */
// @ts-ignore: decorator
@inline function left(x: v128, inverse: v128, minus: v128, finer: v128): v128 {
  return rounded(madd(f32x4.convert_i32x4_s(rounded(x, inverse)), minus, x), finer);
}

/** Row `lane` of a group, in 14-bit form. */
export function quantize14(x: usize, length: i32, out: usize, lane: i32, lanes: i32): void {
  let m = f32x4.splat(0);
  const bytes = <usize>length << 2;
  for (let i: usize = 0; i < bytes; i += 64) m = f32x4.pmax(m, magnitudes(x + i));
  const largest = maxLanes(m);
  const inverse = f32x4.splat(largest > 0 ? <f32>8191 / largest : 0);
  const offset = i32x4.splat(8192);
  let quad = out + (<usize>lane << 3);
  for (let i: usize = 0; i < bytes; i += 16) {
    const q = i32x4.add(rounded(v128.load(x + i), inverse), offset);
    if (RELAXED) {
      storeQuad(quad, i32x4.shr_u(q, 7));
      storeQuad(quad + 4, v128.and(q, lowDigit()));
    } else {
      storeQuad(quad, q);
    }
    quad += <usize>lanes << 3;
  }
  store<f32>(out + (<usize>length << 1) * <usize>lanes + (<usize>lane << 2), largest / <f32>8191);
}

/** Row `lane` of a group as f32, a column of all rows together. */
export function spread(x: usize, length: i32, out: usize, lane: i32, lanes: i32): void {
  if (lanes == 1) {
    memory.copy(out, x, <usize>length << 2);
    return;
  }
  out += <usize>lane << 2;
  for (const end = x + (<usize>length << 2); x < end; x += 4, out += <usize>lanes << 2) store<f32>(out, load<f32>(x));
}
