/**
 * 4-bit weights (w = d x q + m, q in 0..15) for one row of activations and for four.
 *
 * Packed group: 16 rows of K columns, as K/32 blocks of 320 bytes:
 *   256 bytes  16 vectors (j = 0..3, g = 0..3): lane r of vector (j, g) is row 4g + r; its byte c holds column 4j + c in the
 *              low nibble and column 16 + 4j + c in the high one (a transposition of the file's bytes);
 *   64 bytes   f16 d and m of the 16 rows, side by side.
 * As many bytes as in the file, in one stream.
 *
 * The arithmetic of an output is one chain in the order of the blocks: m x sum, then d x dot; the row's refined blocks follow
 * (quantize.ts), each row's by the kernel of one row. So a row has the same bits alone and among others.
 */
import { QUAD, RELAXED, dotUnsigned, halfFirst, halfSecond, halfToFloat, madd, nibbleMask, quadEven, quadOdd } from './simd';
import { NUMBERS, leftListAt } from './quantize';

export const BLOCK4: usize = 320;

/** Unpacked block: 8 quads x 16 rows x 4 bytes, then f32 d[16] and m[16] (both times 2^-112). */
export const OPEN4: usize = 640;

/**
 * Packs `rows` (1..16) rows of Q4_1 (`blocks` x 20 bytes each: d, m, 16 bytes) into one group; missing rows become zero.
 * Returns 0, or 1 when a scale is negative (no quantiser writes one; the kernels do not read one).
 */
export function packQ4(source: usize, rows: i32, blocks: i32, target: usize): i32 {
  let signs: u32 = 0;
  if (rows < 16) memory.fill(target, 0, BLOCK4 * <usize>blocks);
  for (let r = 0; r < rows; r++) {
    let from = source + <usize>(r * blocks) * 20;
    let to = target + (<usize>r << 2);
    for (let b = 0; b < blocks; b++) {
      const d = load<u16>(from);
      signs |= d;
      store<i32>(to, load<i32>(from, 4));
      store<i32>(to, load<i32>(from, 8), 64);
      store<i32>(to, load<i32>(from, 12), 128);
      store<i32>(to, load<i32>(from, 16), 192);
      store<i32>(to, load<i32>(from), 256);
      from += 20;
      to += BLOCK4;
    }
  }
  return signs >> 15 & 1;
}

/** Row `row` of a packed matrix as f32. */
export function unpackRowQ4(matrix: usize, row: i32, length: i32, out: usize): void {
  const blocks = length >> 5;
  const r = <usize>(row & 15);
  let at = matrix + <usize>(row >> 4) * BLOCK4 * <usize>blocks;
  for (let b = 0; b < blocks; b++) {
    const d = halfToFloat(load<u16>(at + (r << 2), 256)), m = halfToFloat(load<u16>(at + (r << 2), 258));
    for (let c: usize = 0; c < 16; c++) {
      const byte = load<u8>(at + ((c >> 2) << 6) + (r << 2) + (c & 3));
      store<f32>(out + (c << 2), d * <f32>(byte & 15) + m);
      store<f32>(out + (c << 2), d * <f32>(byte >> 4) + m, 64);
    }
    out += 128;
    at += BLOCK4;
  }
}

/** One column pair of quads (low nibbles with quad j, high ones with quad j + 4) of four vectors of 4 rows. */
// @ts-ignore: decorator
@inline function low(v: v128, mask: v128): v128 {
  return v128.and(v, mask);
}

// @ts-ignore: decorator
@inline function high(v: v128, mask: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), mask);
}

/** Adds 16 outputs of one row, times 2^-56: all of `act` (lanes = 1), if that is not 0; then what was left over. */
export function rowQ4(matrix: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  const quads = <usize>(blocks << 3) * QUAD;
  if (act) addBlocks(matrix, blocks, act, act + quads, out);
  const list = left + leftListAt(blocks << 5);
  for (let at = list, end = list + (<usize>load<i32>(list) << 2); at < end; at += 4) {
    const b = <usize>load<i32>(at, 4);
    addBlocks(matrix + b * BLOCK4, 1, left + (b << 3) * QUAD, left + quads + b * NUMBERS, out);
  }
}

/** Adds `blocks` blocks, one behind the other, to f32 [16] at `out`. A loop that does nothing else keeps its pointers in registers. */
function addBlocks(w: usize, blocks: i32, act: usize, scales: usize, out: usize): void {
  const mask = nibbleMask();
  let f0 = v128.load(out), f1 = v128.load(out, 16), f2 = v128.load(out, 32), f3 = v128.load(out, 48);
  for (const end = w + <usize>blocks * BLOCK4; w < end; w += BLOCK4) {
    let i0 = i32x4.splat(0), i1 = i0, i2 = i0, i3 = i0;
    let le: v128, lo: v128, he: v128, ho: v128, v: v128;

    le = quadEven(act); lo = quadOdd(act, le);
    he = quadEven(act + 4 * QUAD); ho = quadOdd(act + 4 * QUAD, he);
    v = v128.load(w, 0); i0 = dotUnsigned(dotUnsigned(i0, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 16); i1 = dotUnsigned(dotUnsigned(i1, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 32); i2 = dotUnsigned(dotUnsigned(i2, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 48); i3 = dotUnsigned(dotUnsigned(i3, low(v, mask), le, lo), high(v, mask), he, ho);

    le = quadEven(act + QUAD); lo = quadOdd(act + QUAD, le);
    he = quadEven(act + 5 * QUAD); ho = quadOdd(act + 5 * QUAD, he);
    v = v128.load(w, 64); i0 = dotUnsigned(dotUnsigned(i0, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 80); i1 = dotUnsigned(dotUnsigned(i1, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 96); i2 = dotUnsigned(dotUnsigned(i2, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 112); i3 = dotUnsigned(dotUnsigned(i3, low(v, mask), le, lo), high(v, mask), he, ho);

    le = quadEven(act + 2 * QUAD); lo = quadOdd(act + 2 * QUAD, le);
    he = quadEven(act + 6 * QUAD); ho = quadOdd(act + 6 * QUAD, he);
    v = v128.load(w, 128); i0 = dotUnsigned(dotUnsigned(i0, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 144); i1 = dotUnsigned(dotUnsigned(i1, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 160); i2 = dotUnsigned(dotUnsigned(i2, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 176); i3 = dotUnsigned(dotUnsigned(i3, low(v, mask), le, lo), high(v, mask), he, ho);

    le = quadEven(act + 3 * QUAD); lo = quadOdd(act + 3 * QUAD, le);
    he = quadEven(act + 7 * QUAD); ho = quadOdd(act + 7 * QUAD, he);
    v = v128.load(w, 192); i0 = dotUnsigned(dotUnsigned(i0, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 208); i1 = dotUnsigned(dotUnsigned(i1, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 224); i2 = dotUnsigned(dotUnsigned(i2, low(v, mask), le, lo), high(v, mask), he, ho);
    v = v128.load(w, 240); i3 = dotUnsigned(dotUnsigned(i3, low(v, mask), le, lo), high(v, mask), he, ho);
    const scale = v128.load32_splat(scales), sum = v128.load32_splat(scales, 4);
    v = v128.load(w, 256);
    f0 = madd(halfSecond(v), sum, f0);
    f0 = madd(f32x4.mul(f32x4.convert_i32x4_s(i0), scale), halfFirst(v), f0);
    v = v128.load(w, 272);
    f1 = madd(halfSecond(v), sum, f1);
    f1 = madd(f32x4.mul(f32x4.convert_i32x4_s(i1), scale), halfFirst(v), f1);
    v = v128.load(w, 288);
    f2 = madd(halfSecond(v), sum, f2);
    f2 = madd(f32x4.mul(f32x4.convert_i32x4_s(i2), scale), halfFirst(v), f2);
    v = v128.load(w, 304);
    f3 = madd(halfSecond(v), sum, f3);
    f3 = madd(f32x4.mul(f32x4.convert_i32x4_s(i3), scale), halfFirst(v), f3);
    act += 8 * QUAD;
    scales += NUMBERS;
  }
  v128.store(out, f0, 0);
  v128.store(out, f1, 16);
  v128.store(out, f2, 32);
  v128.store(out, f3, 48);
}

/** Opens a packed group to bytes and f32 scales, K/32 blocks of OPEN4, to be used by many rows of activations. */
export function openQ4(w: usize, blocks: i32, out: usize): void {
  const mask = nibbleMask();
  for (let b = 0; b < blocks; b++) {
    for (let i: usize = 0; i < 256; i += 16) {
      const v = v128.load(w + i);
      v128.store(out + i, low(v, mask));
      v128.store(out + i, high(v, mask), 256);
    }
    for (let g: usize = 0; g < 4; g++) {
      const v = v128.load(w + (g << 4), 256);
      v128.store(out + (g << 4), halfFirst(v), 512);
      v128.store(out + (g << 4), halfSecond(v), 576);
    }
    w += BLOCK4;
    out += OPEN4;
  }
}

/** The four activations of quad `q` of a group of 4 rows, each splatted; the relaxed twin loads once and shuffles. */
// @ts-ignore: decorator
@inline function splat(v: v128, lane: i32): v128 {
  if (lane == 0) return v128.shuffle<i32>(v, v, 0, 0, 0, 0);
  if (lane == 1) return v128.shuffle<i32>(v, v, 1, 1, 1, 1);
  if (lane == 2) return v128.shuffle<i32>(v, v, 2, 2, 2, 2);
  return v128.shuffle<i32>(v, v, 3, 3, 3, 3);
}

/**
 * Adds 16 outputs of each of 4 rows, times 2^-56 or not due yet (quants-scales.ts), to f32 [4][16] at `out`, without what was left
 * over. `open`: an opened group; `act`: 8-bit form with lanes = 4. Two passes of 8 outputs: 8 accumulators, 2 weight vectors and the
 * activations stay in 16 registers.
 */
export function rowsQ4(open: usize, blocks: i32, act: usize, out: usize): void {
  halfAffine(open, blocks, act, out);
  halfAffine(open + 32, blocks, act, out + 32);
}

/** The same for w = d x (q - 2^zero): the zero is taken off the integers, and there are no minimums. */
export function rowsCentred(open: usize, blocks: i32, zero: i32, act: usize, out: usize): void {
  halfCentred(open, blocks, zero, act, out);
  halfCentred(open + 32, blocks, zero, act, out + 32);
}

function halfAffine(w: usize, blocks: i32, act: usize, out: usize): void {
  half(false, w, blocks, 0, act, out);
}

function halfCentred(w: usize, blocks: i32, zero: i32, act: usize, out: usize): void {
  half(true, w, blocks, zero, act, out);
}

// @ts-ignore: decorator
@inline function finish(centred: bool, out: usize, i: v128, scale: v128, sum: v128, d: usize): void {
  let f = v128.load(out);
  if (!centred) f = madd(v128.load(d, 64), sum, f);
  v128.store(out, madd(f32x4.mul(f32x4.convert_i32x4_s(i), scale), v128.load(d), f));
}

/**
 * One pass: 8 outputs of 4 rows. Unrolled by hand: V8 checks for interrupts in every loop, and does not unroll this one.
 * Scale vectors are loaded where they are used, since holding them across the dots would spill an accumulator.
 */
// @ts-ignore: decorator
@inline function half(centred: bool, w: usize, blocks: i32, zero: i32, act: usize, out: usize): void {
  let scales = act + <usize>(blocks << 5) * QUAD;
  for (const end = w + <usize>blocks * OPEN4; w < end; w += OPEN4) {
    const d = w + 512;
    let r0 = i32x4.splat(0), s0 = r0, t0 = r0, u0 = r0;
    if (centred) {
      r0 = i32x4.shl(v128.load32_splat(scales, 32), zero);
      s0 = i32x4.shl(v128.load32_splat(scales, 36), zero);
      t0 = i32x4.shl(v128.load32_splat(scales, 40), zero);
      u0 = i32x4.shl(v128.load32_splat(scales, 44), zero);
    }
    let r1 = r0, s1 = s0, t1 = t0, u1 = u0;
    let w0: v128, w1: v128, v: v128, a: v128, e: v128, o: v128;
    if (RELAXED) {
      w0 = v128.load(w, 0); w1 = v128.load(w, 16); v = v128.load(act, 0);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 64); w1 = v128.load(w, 80); v = v128.load(act, 16);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 128); w1 = v128.load(w, 144); v = v128.load(act, 32);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 192); w1 = v128.load(w, 208); v = v128.load(act, 48);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 256); w1 = v128.load(w, 272); v = v128.load(act, 64);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 320); w1 = v128.load(w, 336); v = v128.load(act, 80);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 384); w1 = v128.load(w, 400); v = v128.load(act, 96);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
      w0 = v128.load(w, 448); w1 = v128.load(w, 464); v = v128.load(act, 112);
      a = splat(v, 0); r0 = dotUnsigned(r0, w0, a, a); r1 = dotUnsigned(r1, w1, a, a);
      a = splat(v, 1); s0 = dotUnsigned(s0, w0, a, a); s1 = dotUnsigned(s1, w1, a, a);
      a = splat(v, 2); t0 = dotUnsigned(t0, w0, a, a); t1 = dotUnsigned(t1, w1, a, a);
      a = splat(v, 3); u0 = dotUnsigned(u0, w0, a, a); u1 = dotUnsigned(u1, w1, a, a);
    } else {
      w0 = v128.load(w, 0); w1 = v128.load(w, 16);
      e = v128.load32_splat(act, 0); o = v128.load32_splat(act, 4); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 8); o = v128.load32_splat(act, 12); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 16); o = v128.load32_splat(act, 20); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 24); o = v128.load32_splat(act, 28); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 64); w1 = v128.load(w, 80);
      e = v128.load32_splat(act, 32); o = v128.load32_splat(act, 36); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 40); o = v128.load32_splat(act, 44); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 48); o = v128.load32_splat(act, 52); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 56); o = v128.load32_splat(act, 60); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 128); w1 = v128.load(w, 144);
      e = v128.load32_splat(act, 64); o = v128.load32_splat(act, 68); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 72); o = v128.load32_splat(act, 76); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 80); o = v128.load32_splat(act, 84); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 88); o = v128.load32_splat(act, 92); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 192); w1 = v128.load(w, 208);
      e = v128.load32_splat(act, 96); o = v128.load32_splat(act, 100); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 104); o = v128.load32_splat(act, 108); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 112); o = v128.load32_splat(act, 116); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 120); o = v128.load32_splat(act, 124); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 256); w1 = v128.load(w, 272);
      e = v128.load32_splat(act, 128); o = v128.load32_splat(act, 132); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 136); o = v128.load32_splat(act, 140); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 144); o = v128.load32_splat(act, 148); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 152); o = v128.load32_splat(act, 156); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 320); w1 = v128.load(w, 336);
      e = v128.load32_splat(act, 160); o = v128.load32_splat(act, 164); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 168); o = v128.load32_splat(act, 172); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 176); o = v128.load32_splat(act, 180); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 184); o = v128.load32_splat(act, 188); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 384); w1 = v128.load(w, 400);
      e = v128.load32_splat(act, 192); o = v128.load32_splat(act, 196); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 200); o = v128.load32_splat(act, 204); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 208); o = v128.load32_splat(act, 212); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 216); o = v128.load32_splat(act, 220); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
      w0 = v128.load(w, 448); w1 = v128.load(w, 464);
      e = v128.load32_splat(act, 224); o = v128.load32_splat(act, 228); r0 = dotUnsigned(r0, w0, e, o); r1 = dotUnsigned(r1, w1, e, o);
      e = v128.load32_splat(act, 232); o = v128.load32_splat(act, 236); s0 = dotUnsigned(s0, w0, e, o); s1 = dotUnsigned(s1, w1, e, o);
      e = v128.load32_splat(act, 240); o = v128.load32_splat(act, 244); t0 = dotUnsigned(t0, w0, e, o); t1 = dotUnsigned(t1, w1, e, o);
      e = v128.load32_splat(act, 248); o = v128.load32_splat(act, 252); u0 = dotUnsigned(u0, w0, e, o); u1 = dotUnsigned(u1, w1, e, o);
    }
    act += 32 * QUAD;
    let scale: v128, sum = r0;
    scale = v128.load32_splat(scales, 0); if (!centred) sum = v128.load32_splat(scales, 16);
    finish(centred, out + 0, r0, scale, sum, d);
    finish(centred, out + 16, r1, scale, sum, d + 16);
    scale = v128.load32_splat(scales, 4); if (!centred) sum = v128.load32_splat(scales, 20);
    finish(centred, out + 64, s0, scale, sum, d);
    finish(centred, out + 80, s1, scale, sum, d + 16);
    scale = v128.load32_splat(scales, 8); if (!centred) sum = v128.load32_splat(scales, 24);
    finish(centred, out + 128, t0, scale, sum, d);
    finish(centred, out + 144, t1, scale, sum, d + 16);
    scale = v128.load32_splat(scales, 12); if (!centred) sum = v128.load32_splat(scales, 28);
    finish(centred, out + 192, u0, scale, sum, d);
    finish(centred, out + 208, u1, scale, sum, d + 16);
    scales += 4 * NUMBERS;
  }
}
