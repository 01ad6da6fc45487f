/**
 * Queries and keys made ready: norm, rotary positions, smoothing; and the write of a row's keys and values into its page.
 *
 * A page holds 64 positions of all layers; a unit is one (layer, kv head) of it:
 *   int8: K [16 position quads][headSize/4 dim quads][4 positions][4 dims] bytes (k + 128), V [16 position quads][headSize][4 positions]
 *         bytes, f32 key scales [64], f32 value scales [64];
 *   f32:  K [16 position quads][headSize][4 positions], V [64][headSize].
 * What a later row reads of a position depends on that position alone.
 *
 * int8 keys are stored less a centre that is fixed for the session: keys of all positions have a large part in common, and
 * taking it off moves all scores of a query by the same amount, which the softmax does not see, but lets the 8 bits hold
 * what differs. Where biases make some pairs of all keys large, those are divided by a factor that the queries are multiplied
 * with (../key-smoothing.ts).
 */
import { hadamard } from './hadamard';
import { rmsNorm } from './quantize';
import { maxLanes, rounded } from './simd';
import { Layer, plan, step } from './plan';

/** Rotates a head vector (neighbouring dims form a pair) in place. `rotation`: f32 [length / 2][2] cosine, sine. */
function rotateNeighbours(x: usize, length: i32, rotation: usize): void {
  const flip = i32x4(i32.MIN_VALUE, 0, i32.MIN_VALUE, 0);
  for (let i: usize = 0; i < <usize>length << 2; i += 16) {
    const v = v128.load(x + i), r = v128.load(rotation + i);
    const cosine = v128.shuffle<i32>(r, r, 0, 0, 2, 2), sine = v128.shuffle<i32>(r, r, 1, 1, 3, 3);
    const swapped = v128.shuffle<i32>(v, v, 1, 0, 3, 2);
    v128.store(x + i, f32x4.add(f32x4.mul(v, cosine), f32x4.mul(swapped, v128.xor(sine, flip))));
  }
}

/** The same for pairs of dims i and i + length / 2. `rotation`: f32 [2][length / 2], cosines and sines. */
function rotateHalves(x: usize, length: i32, rotation: usize): void {
  const half = <usize>length << 1;
  for (let i: usize = 0; i < half; i += 16) {
    const a = v128.load(x + i), b = v128.load(x + half + i);
    const cosine = v128.load(rotation + i), sine = v128.load(rotation + half + i);
    v128.store(x + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)));
    v128.store(x + half + i, f32x4.add(f32x4.mul(b, cosine), f32x4.mul(a, sine)));
  }
}

/** A head of a query or key of row `row` of the step, in place: norm and smoothing (if not 0), and rotation. */
export function prepareHead(x: usize, l: Layer, row: i32, norm: usize, smoothing: usize): void {
  const size = plan().headSize;
  if (norm) rmsNorm(x, norm, size, plan().epsilon, x);
  if (l.ropeSize) {
    const rotation = step().rotation + <usize>l.rotation + (<usize>(row * l.ropeSize) << 2);
    if (l.ropeHalves) rotateHalves(x, l.ropeSize, rotation);
    else rotateNeighbours(x, l.ropeSize, rotation);
  }
  if (smoothing == 0) return;
  for (let i: usize = 0; i < <usize>size << 2; i += 16) {
    v128.store(x + i, f32x4.mul(v128.load(x + i), v128.load(smoothing + i)));
  }
}

/** The part of a smoothing that is a kv head's, 0 if there is none. */
// @ts-ignore: decorator
@inline export function smoothingOf(smoothing: usize, kvHead: i32): usize {
  return smoothing ? smoothing + (<usize>(kvHead * plan().headSize) << 2) : 0;
}

/** Address of the unit of (layer, kv head) that holds `position`. */
// @ts-ignore: decorator
@inline export function unitOf(position: i32, layerIndex: i32, kvHead: i32): usize {
  const p = plan();
  return load<usize>(step().pages + (<usize>(position >> 6) << 2))
    + <usize>(layerIndex * p.kvHeads + kvHead) * <usize>p.unitBytes;
}

// @ts-ignore: decorator
@inline function scaleOf(x: usize, length: i32): f32 {
  let m = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>length << 2; i += 16) m = f32x4.pmax(m, f32x4.abs(v128.load(x + i)));
  return maxLanes(m) / <f32>127;
}

/** Four dims as int8, in the low bytes. */
// @ts-ignore: decorator
@inline function bytesOf(x: usize, inverse: v128): v128 {
  const q = rounded(v128.load(x), inverse);
  const n = i16x8.narrow_i32x4_s(q, q);
  return i8x16.narrow_i16x8_s(n, n);
}

/** A key (less its centre, transformed) as k + 128, dim quads 16 bytes apart. Returns its scale. */
function storeKey(x: usize, centre: usize, length: i32, out: usize): f32 {
  const bytes = <usize>length << 2;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(x + i, f32x4.sub(v128.load(x + i), v128.load(centre + i)));
  hadamard(x, length);
  const scale = scaleOf(x, length);
  const inverse = f32x4.splat(scale > 0 ? <f32>1 / scale : 0);
  const flip = i8x16.splat(-128);
  for (let i: usize = 0; i < bytes; i += 16) v128.store32_lane(out + i, v128.xor(bytesOf(x + i, inverse), flip), 0);
  return scale;
}

/** A value as int8, dims 4 bytes apart. Returns its scale. */
function storeValue(x: usize, length: i32, out: usize): f32 {
  const scale = scaleOf(x, length);
  const inverse = f32x4.splat(scale > 0 ? <f32>1 / scale : 0);
  for (let i: usize = 0; i < <usize>length << 2; i += 16) {
    const q = bytesOf(x + i, inverse);
    v128.store8_lane(out + i, q, 0);
    v128.store8_lane(out + i, q, 1, 4);
    v128.store8_lane(out + i, q, 2, 8);
    v128.store8_lane(out + i, q, 3, 12);
  }
  return scale;
}

/** Stores a key made ready and a value (f32 [headSize] each) of one position and kv head. The key is used up. */
export function writeKeyValue(layerIndex: i32, kvHead: i32, position: i32, key: usize, value: usize): void {
  const size = plan().headSize;
  const unit = unitOf(position, layerIndex, kvHead);
  const slot = <usize>(position & 63), quad = slot >> 2, lane = slot & 3;
  if (plan().kvInt8) {
    const values = unit + (<usize>size << 6), scales = values + (<usize>size << 6);
    const centre = plan().centres + ((<usize>(layerIndex * plan().kvHeads + kvHead) * <usize>size) << 2);
    const keyScale = storeKey(key, centre, size, unit + (quad * <usize>size << 2) + (lane << 2));
    const valueScale = storeValue(value, size, values + (quad * <usize>size << 2) + lane);
    store<f32>(scales + (slot << 2), keyScale);
    store<f32>(scales + (slot << 2), valueScale, 256);
    return;
  }
  const keys = unit + (quad * <usize>size << 4) + (lane << 2);
  for (let d: usize = 0; d < <usize>size; d++) store<f32>(keys + (d << 4), load<f32>(key + (d << 2)));
  memory.copy(unit + (<usize>size << 8) + (slot * <usize>size << 2), value, <usize>size << 2);
}
