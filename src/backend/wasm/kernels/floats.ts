/**
 * Weights that are floats in the file (F32, F16, BF16), with f32 activations, for one row and for four.
 *
 * Packed group: 16 rows of K columns, one column of all rows after the other, each weight as it is in the file. An output is
 * one chain in the order of the columns. `act`: f32 [K][lanes].
 */
import { halfBias, halfMask, halfSigned, halfToFloat, lessHalfBias, madd } from './simd';

/** How a weight lies in the file; the numbers are arbitrary. */
export const WHOLE: i32 = 0;
export const HALF: i32 = 1;
export const BRAIN: i32 = 2;

/** Columns that are transposed together: a cache line or two of each row. */
const TILE: i32 = 32;

/**
 * Packs `rows` (1..16) rows of `columns` (a multiple of 32) weights of 2 or 4 bytes; missing rows become zero.
 * Returns 1 for an infinite f16 weight, which the kernels would take for 65536.
 */
export function packFloats(form: i32, source: usize, rows: i32, columns: i32, target: usize): i32 {
  const shift: usize = form == WHOLE ? 2 : 1;
  const rowBytes = <usize>columns << shift;
  if (rows < 16) memory.fill(target, 0, rowBytes << 4);
  let isWrong = 0;
  for (let first = 0; first < columns; first += TILE) {
    for (let r = 0; r < rows; r++) {
      let from = source + <usize>r * rowBytes + (<usize>first << shift);
      let to = target + (<usize>first << (shift + 4)) + (<usize>r << shift);
      if (form == WHOLE) {
        for (const end = from + 4 * TILE; from < end; from += 4, to += 64) store<u32>(to, load<u32>(from));
      } else {
        for (const end = from + 2 * TILE; from < end; from += 2, to += 32) {
          const bits = load<u16>(from);
          store<u16>(to, bits);
          isWrong |= i32((bits & 0x7c00) == 0x7c00);
        }
      }
    }
  }
  return form == HALF ? isWrong : 0;
}

/** Row `row` of a packed group as f32. */
export function unpackRowFloats(form: i32, group: usize, row: i32, columns: i32, out: usize): void {
  for (let c = 0; c < columns; c++) {
    const at = <usize>((c << 4) + row);
    let value: f32;
    if (form == WHOLE) value = load<f32>(group + (at << 2));
    else if (form == HALF) value = halfToFloat(load<u16>(group + (at << 1)));
    else value = reinterpret<f32>(<u32>load<u16>(group + (at << 1)) << 16);
    store<f32>(out + (<usize>c << 2), value);
  }
}

/** Four weights, from the `index`th on; f16 ones lack 2^112. */
// @ts-ignore: decorator
@inline function four(form: i32, at: usize, index: usize): v128 {
  if (form == WHOLE) return v128.load(at + (index << 2));
  if (form == HALF) return halfSigned(at + (index << 1), halfMask());
  return i32x4.shl(v128.load16x4_u(at + (index << 1)), 16);
}

/** One activation, splatted: with half of what f16 weights lack. */
// @ts-ignore: decorator
@inline function activation(form: i32, at: usize): v128 {
  const a = v128.load32_splat(at);
  return form == HALF ? f32x4.mul(a, halfBias()) : a;
}

/** A sum times 2^-56, as all products are. */
// @ts-ignore: decorator
@inline function total(form: i32, f: v128): v128 {
  return form == HALF ? f : f32x4.mul(f, lessHalfBias());
}

/** 16 outputs for one row: f32 [16] times 2^-56 at `out`. */
export function rowFloats(form: i32, group: usize, columns: i32, act: usize, out: usize): void {
  if (form == WHOLE) rowOf(WHOLE, group, columns, act, out);
  else if (form == HALF) rowOf(HALF, group, columns, act, out);
  else rowOf(BRAIN, group, columns, act, out);
}

// @ts-ignore: decorator
@inline function rowOf(form: i32, w: usize, columns: i32, act: usize, out: usize): void {
  const step: usize = form == WHOLE ? 64 : 32;
  let f0 = f32x4.splat(0), f1 = f0, f2 = f0, f3 = f0;
  for (const end = act + (<usize>columns << 2); act < end; act += 8) {
    let a = activation(form, act);
    f0 = madd(four(form, w, 0), a, f0);
    f1 = madd(four(form, w, 4), a, f1);
    f2 = madd(four(form, w, 8), a, f2);
    f3 = madd(four(form, w, 12), a, f3);
    a = activation(form, act + 4);
    f0 = madd(four(form, w + step, 0), a, f0);
    f1 = madd(four(form, w + step, 4), a, f1);
    f2 = madd(four(form, w + step, 8), a, f2);
    f3 = madd(four(form, w + step, 12), a, f3);
    w += 2 * step;
  }
  v128.store(out, total(form, f0), 0);
  v128.store(out, total(form, f1), 16);
  v128.store(out, total(form, f2), 32);
  v128.store(out, total(form, f3), 48);
}

/** 16 outputs for each of 4 rows: f32 [4][16] times 2^-56 at `out`. Two passes of 8 outputs. */
export function rowsFloats(form: i32, group: usize, columns: i32, act: usize, out: usize): void {
  for (let i: usize = 0; i < 16; i += 8) {
    if (form == WHOLE) eight(WHOLE, group + (i << 2), columns, act, out + (i << 2));
    else if (form == HALF) eight(HALF, group + (i << 1), columns, act, out + (i << 2));
    else eight(BRAIN, group + (i << 1), columns, act, out + (i << 2));
  }
}

// @ts-ignore: decorator
@inline function eight(form: i32, w: usize, columns: i32, act: usize, out: usize): void {
  const step: usize = form == WHOLE ? 64 : 32;
  let r0 = f32x4.splat(0), r1 = r0, s0 = r0, s1 = r0, t0 = r0, t1 = r0, u0 = r0, u1 = r0;
  for (const end = act + (<usize>columns << 4); act < end; act += 16) {
    const w0 = four(form, w, 0), w1 = four(form, w, 4);
    let a = activation(form, act);
    r0 = madd(w0, a, r0);
    r1 = madd(w1, a, r1);
    a = activation(form, act + 4);
    s0 = madd(w0, a, s0);
    s1 = madd(w1, a, s1);
    a = activation(form, act + 8);
    t0 = madd(w0, a, t0);
    t1 = madd(w1, a, t1);
    a = activation(form, act + 12);
    u0 = madd(w0, a, u0);
    u1 = madd(w1, a, u1);
    w += step;
  }
  v128.store(out, total(form, r0), 0);
  v128.store(out, total(form, r1), 16);
  v128.store(out, total(form, s0), 64);
  v128.store(out, total(form, s1), 80);
  v128.store(out, total(form, t0), 128);
  v128.store(out, total(form, t1), 144);
  v128.store(out, total(form, u0), 192);
  v128.store(out, total(form, u1), 208);
}
