/**
 * 8-bit weights (w = d x q, q in -128..127) with 14-bit activations, for one row and for several.
 *
 * Packed group: 16 rows of K columns, as K/32 blocks of 544 bytes: 32 vectors (quad q = 0..7, g = 0..3) whose lane r, byte c
 * is row 4g + r, column 4q + c; then f16 d of the 16 rows. Beside the matrix an f32 per row: what the activations' offset
 * of 8192 adds to the output, subtracted by starting the chain at its negative.
 *
 * The weight is the signed operand and the activation's digit (0..127) the other, which is exact on every processor.
 */
import { HALF_BIAS, RELAXED, dotSigned, halfBias, halfToFloat, halfUnsigned, madd } from './simd';

export const BLOCK8: usize = 544;

/** Packs `rows` (1..16) rows of Q8_0 (`blocks` x 34 bytes: d, 32 bytes) and their offsets (f32 [16]). Returns 1 for a negative scale. */
export function packQ8(source: usize, rows: i32, blocks: i32, target: usize, offsets: usize): i32 {
  let signs: u32 = 0;
  memory.fill(offsets, 0, 64);
  if (rows < 16) memory.fill(target, 0, BLOCK8 * <usize>blocks);
  for (let r = 0; r < rows; r++) {
    let from = source + <usize>(r * blocks) * 34;
    let to = target + (<usize>r << 2);
    let offset: f32 = 0;
    for (let b = 0; b < blocks; b++) {
      const d = load<u16>(from);
      signs |= d;
      for (let q: usize = 0; q < 8; q++) store<i32>(to + (q << 6), load<i32>(from + (q << 2), 2));
      store<u16>(to - (<usize>r << 1), d, 512);
      const pairs = i16x8.add(
        i16x8.extadd_pairwise_i8x16_s(v128.load(from, 2)),
        i16x8.extadd_pairwise_i8x16_s(v128.load(from, 18)),
      );
      const quads = i32x4.extadd_pairwise_i16x8_s(pairs);
      const sum = i32x4.extract_lane(quads, 0) + i32x4.extract_lane(quads, 1)
        + i32x4.extract_lane(quads, 2) + i32x4.extract_lane(quads, 3);
      offset += reinterpret<f32>(<u32>d << 13) * HALF_BIAS * <f32>(sum << 13);
      from += 34;
      to += BLOCK8;
    }
    store<f32>(offsets + (<usize>r << 2), -offset);
  }
  return signs >> 15 & 1;
}

/** Row `row` of a packed matrix as f32. */
export function unpackRowQ8(matrix: usize, row: i32, length: i32, out: usize): void {
  const blocks = length >> 5;
  const r = <usize>(row & 15);
  let at = matrix + <usize>(row >> 4) * BLOCK8 * <usize>blocks;
  for (let b = 0; b < blocks; b++) {
    const d = halfToFloat(load<u16>(at + (r << 1), 512));
    for (let c: usize = 0; c < 32; c++) {
      store<f32>(out + (c << 2), d * <f32>load<i8>(at + ((c >> 2) << 6) + (r << 2) + (c & 3)));
    }
    out += 128;
    at += BLOCK8;
  }
}

/** The whole sum of a block from its digits; the plain twin has it in `h` already. */
// @ts-ignore: decorator
@inline function total(h: v128, l: v128): v128 {
  return RELAXED ? i32x4.add(i32x4.shl(h, 7), l) : h;
}

// @ts-ignore: decorator
@inline function finish(f: v128, i: v128, d: v128): v128 {
  return madd(f32x4.convert_i32x4_s(i), d, f);
}

/** Scales of four rows of weights, times 2^-56. */
// @ts-ignore: decorator
@inline function scales4(p: usize): v128 {
  return f32x4.mul(halfUnsigned(p), halfBias());
}

/** 16 outputs for one row (14-bit form, lanes = 1). Result f32 [16] times 2^-56 at `out`. */
export function rowQ8(w: usize, blocks: i32, act: usize, offsets: usize, out: usize): void {
  const scale = v128.load32_splat(act + <usize>(blocks << 6));
  let f0 = v128.load(offsets, 0), f1 = v128.load(offsets, 16), f2 = v128.load(offsets, 32), f3 = v128.load(offsets, 48);
  for (let b = 0; b < blocks; b++) {
    let h0 = i32x4.splat(0), h1 = h0, h2 = h0, h3 = h0, l0 = h0, l1 = h0, l2 = h0, l3 = h0;
    let u: v128, v: v128, w0: v128, w1: v128, w2: v128, w3: v128;
    u = v128.load32_splat(act, 0); v = v128.load32_splat(act, 4);
    w0 = v128.load(w, 0); w1 = v128.load(w, 16); w2 = v128.load(w, 32); w3 = v128.load(w, 48);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 8); v = v128.load32_splat(act, 12);
    w0 = v128.load(w, 64); w1 = v128.load(w, 80); w2 = v128.load(w, 96); w3 = v128.load(w, 112);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 16); v = v128.load32_splat(act, 20);
    w0 = v128.load(w, 128); w1 = v128.load(w, 144); w2 = v128.load(w, 160); w3 = v128.load(w, 176);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 24); v = v128.load32_splat(act, 28);
    w0 = v128.load(w, 192); w1 = v128.load(w, 208); w2 = v128.load(w, 224); w3 = v128.load(w, 240);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 32); v = v128.load32_splat(act, 36);
    w0 = v128.load(w, 256); w1 = v128.load(w, 272); w2 = v128.load(w, 288); w3 = v128.load(w, 304);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 40); v = v128.load32_splat(act, 44);
    w0 = v128.load(w, 320); w1 = v128.load(w, 336); w2 = v128.load(w, 352); w3 = v128.load(w, 368);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 48); v = v128.load32_splat(act, 52);
    w0 = v128.load(w, 384); w1 = v128.load(w, 400); w2 = v128.load(w, 416); w3 = v128.load(w, 432);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    u = v128.load32_splat(act, 56); v = v128.load32_splat(act, 60);
    w0 = v128.load(w, 448); w1 = v128.load(w, 464); w2 = v128.load(w, 480); w3 = v128.load(w, 496);
    h0 = dotSigned(h0, w0, u, v); h1 = dotSigned(h1, w1, u, v); h2 = dotSigned(h2, w2, u, v); h3 = dotSigned(h3, w3, u, v);
    if (RELAXED) {
      l0 = dotSigned(l0, w0, v, v); l1 = dotSigned(l1, w1, v, v); l2 = dotSigned(l2, w2, v, v); l3 = dotSigned(l3, w3, v, v);
    }
    act += 64;
    w += 512;
    f0 = finish(f0, total(h0, l0), scales4(w));
    f1 = finish(f1, total(h1, l1), scales4(w + 8));
    f2 = finish(f2, total(h2, l2), scales4(w + 16));
    f3 = finish(f3, total(h3, l3), scales4(w + 24));
    w += 32;
  }
  v128.store(out, f32x4.mul(f0, scale), 0);
  v128.store(out, f32x4.mul(f1, scale), 16);
  v128.store(out, f32x4.mul(f2, scale), 32);
  v128.store(out, f32x4.mul(f3, scale), 48);
}

/**
 * 16 outputs for each of `rows` rows (14-bit form, lanes = 4, a group every `actBytes`). Result f32 [rows][16] times 2^-56 at
 * `out`, which is also written for an even number of rows. Two rows and 8 outputs of a block at a time: both digits make 8
 * accumulators, and the outputs' floats wait in memory. All rows meet a block before the next one is read, so that weights come
 * from memory at an even pace.
 */
export function fewQ8(w: usize, blocks: i32, rows: i32, act: usize, actBytes: usize, offsets: usize, out: usize): void {
  const pairs = <usize>(rows + 1 >> 1), outEnd = out + (pairs << 7);
  for (let at = out; at < outEnd; at += 64) {
    v128.store(at, v128.load(offsets, 0), 0);
    v128.store(at, v128.load(offsets, 16), 16);
    v128.store(at, v128.load(offsets, 32), 32);
    v128.store(at, v128.load(offsets, 48), 48);
  }
  let from = act;
  for (const end = w + <usize>blocks * BLOCK8; w < end; w += BLOCK8) {
    // The second pair of a group follows the first; then the next group.
    for (let at = out, pair = from, step: usize = 16; at < outEnd; at += 128, pair += step, step = actBytes - step) {
      eight(w, w + 512, pair, at);
      eight(w + 32, w + 528, pair, at + 32);
    }
    from += 256;
  }
  for (let at = out, scale = from, step: usize = 8; at < outEnd; at += 128, scale += step, step = actBytes - step) {
    scale16(at, v128.load32_splat(scale));
    scale16(at + 64, v128.load32_splat(scale, 4));
  }
}

// @ts-ignore: decorator
@inline function scale16(at: usize, factor: v128): void {
  v128.store(at, f32x4.mul(v128.load(at, 0), factor), 0);
  v128.store(at, f32x4.mul(v128.load(at, 16), factor), 16);
  v128.store(at, f32x4.mul(v128.load(at, 32), factor), 32);
  v128.store(at, f32x4.mul(v128.load(at, 48), factor), 48);
}

/** A block's part of 8 outputs of two rows. `d`: their scales. */
// @ts-ignore: decorator
@inline function eight(w: usize, d: usize, act: usize, out: usize): void {
  let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, e0 = a0, e1 = a0;
  let w0: v128, w1: v128, u: v128, v: v128;
  w0 = v128.load(w, 0); w1 = v128.load(w, 16);
  u = v128.load32_splat(act, 0); v = v128.load32_splat(act, 4);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 8); v = v128.load32_splat(act, 12);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 64); w1 = v128.load(w, 80);
  u = v128.load32_splat(act, 32); v = v128.load32_splat(act, 36);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 40); v = v128.load32_splat(act, 44);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 128); w1 = v128.load(w, 144);
  u = v128.load32_splat(act, 64); v = v128.load32_splat(act, 68);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 72); v = v128.load32_splat(act, 76);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 192); w1 = v128.load(w, 208);
  u = v128.load32_splat(act, 96); v = v128.load32_splat(act, 100);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 104); v = v128.load32_splat(act, 108);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 256); w1 = v128.load(w, 272);
  u = v128.load32_splat(act, 128); v = v128.load32_splat(act, 132);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 136); v = v128.load32_splat(act, 140);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 320); w1 = v128.load(w, 336);
  u = v128.load32_splat(act, 160); v = v128.load32_splat(act, 164);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 168); v = v128.load32_splat(act, 172);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 384); w1 = v128.load(w, 400);
  u = v128.load32_splat(act, 192); v = v128.load32_splat(act, 196);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 200); v = v128.load32_splat(act, 204);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = v128.load(w, 448); w1 = v128.load(w, 464);
  u = v128.load32_splat(act, 224); v = v128.load32_splat(act, 228);
  a0 = dotSigned(a0, w0, u, v); a1 = dotSigned(a1, w1, u, v);
  if (RELAXED) { c0 = dotSigned(c0, w0, v, v); c1 = dotSigned(c1, w1, v, v); }
  u = v128.load32_splat(act, 232); v = v128.load32_splat(act, 236);
  b0 = dotSigned(b0, w0, u, v); b1 = dotSigned(b1, w1, u, v);
  if (RELAXED) { e0 = dotSigned(e0, w0, v, v); e1 = dotSigned(e1, w1, v, v); }
  w0 = scales4(d); w1 = scales4(d + 8);
  v128.store(out, finish(v128.load(out), total(a0, c0), w0));
  v128.store(out, finish(v128.load(out, 16), total(a1, c1), w1), 16);
  v128.store(out, finish(v128.load(out, 64), total(b0, e0), w0), 64);
  v128.store(out, finish(v128.load(out, 80), total(b1, e1), w1), 80);
}
