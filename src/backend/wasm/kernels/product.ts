/**
 * Products of matrices and activations as phases of a step: preparing the activations, claiming groups of outputs, and
 * ending the phase. Outputs are split between threads, never sums, so the thread count leaves the bits alone.
 */
import { Q4, plan } from './plan';
import { chooseRefined, quantize14, quantize8, rmsNorm } from './quantize';
import { BLOCK4, openQ4, rowQ4, rowsQ4 } from './q4';
import { BLOCK8, rowQ8, rowsQ8 } from './q8';
import { halfBias, madd, silu4 } from './simd';
import { barrier, claim, firstTile } from './sync';
import { openBuffer, privateGroup, rowBuffer, tileOut } from './workspace';

/** What happens to a product: it replaces the output, is added to it, or multiplies the output's SiLU. */
export const STORE: i32 = 0;
export const ADD: i32 = 1;
export const GATE: i32 = 2;

/** Quantises row `lane` of a group from `x`, in the form that `kind` wants, after a norm if `weight` is not 0. */
export function prepareRow(x: usize, weight: usize, length: i32, kind: i32, group: usize, lane: i32, lanes: i32, buffer: usize): void {
  if (weight) {
    rmsNorm(x, weight, length, plan().epsilon, buffer);
    x = buffer;
  }
  if (kind == Q4) quantize8(x, length, group, lane, lanes);
  else quantize14(x, length, group + plan().groupBytes, lane, lanes);
}

/**
 * Activations for the products that follow: `rows` rows of `x` (f32 [rows][length]). Returns their address.
 * More than 4 rows: a phase of its own, shared by all threads.
 */
export function prepare(x: usize, weight: usize, length: i32, kind: i32, rows: i32, thread: i32, phase: i32): usize {
  const p = plan();
  const buffer = rowBuffer(thread);
  const rowBytes = <usize>length << 2;
  if (rows <= 4) {
    const group = privateGroup(thread);
    const lanes = rows == 1 ? 1 : 4;
    for (let r = 0; r < rows; r++) prepareRow(x + <usize>r * rowBytes, weight, length, kind, group, r, lanes, buffer);
    if (kind == Q4) chooseRefined(length, group, lanes, rows);
    return group;
  }
  const groups = (rows + 3) >> 2;
  let taken = 0;
  for (let g = claim(phase, groups, thread, p.threads, taken); g >= 0; g = claim(phase, groups, thread, p.threads, ++taken)) {
    const group = p.shared + <usize>(g * (p.groupBytes + p.groupBytes14));
    for (let r = g << 2; r < min(rows, (g << 2) + 4); r++) {
      prepareRow(x + <usize>r * rowBytes, weight, length, kind, group, r & 3, 4, buffer);
    }
    if (kind == Q4) chooseRefined(length, group, 4, min(4, rows - (g << 2)));
  }
  barrier(p.threads, 0, 0);
  return p.shared;
}

/** Applies products of 16 outputs of `rows` rows, which still lack 2^56, to output rows `stride` bytes apart. */
function emit(from: usize, rows: i32, out: usize, stride: usize, mode: i32): void {
  const bias = halfBias();
  const end = from + (<usize>rows << 6);
  if (mode == STORE) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(v128.load(from, 0), bias), 0);
      v128.store(out, f32x4.mul(v128.load(from, 16), bias), 16);
      v128.store(out, f32x4.mul(v128.load(from, 32), bias), 32);
      v128.store(out, f32x4.mul(v128.load(from, 48), bias), 48);
    }
  } else if (mode == ADD) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, madd(v128.load(from, 0), bias, v128.load(out, 0)), 0);
      v128.store(out, madd(v128.load(from, 16), bias, v128.load(out, 16)), 16);
      v128.store(out, madd(v128.load(from, 32), bias, v128.load(out, 32)), 32);
      v128.store(out, madd(v128.load(from, 48), bias, v128.load(out, 48)), 48);
    }
  } else {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(silu4(v128.load(out, 0)), f32x4.mul(v128.load(from, 0), bias)), 0);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 16)), f32x4.mul(v128.load(from, 16), bias)), 16);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 32)), f32x4.mul(v128.load(from, 32), bias)), 32);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 48)), f32x4.mul(v128.load(from, 48), bias)), 48);
    }
  }
}

/** Outputs of one group of 16 for all rows. `out`: first row's first output; rows are `stride` bytes apart. */
function groupProduct(
  kind: i32, w: usize, offsets: usize, columns: i32, rows: i32, act: usize, out: usize, stride: usize, mode: i32, thread: i32,
): void {
  const p = plan();
  const blocks = columns >> 5;
  const from = tileOut(thread);
  if (rows == 1) {
    if (kind == Q4) rowQ4(w, blocks, act, from);
    else rowQ8(w, blocks, act + p.groupBytes, offsets, from);
    emit(from, 1, out, stride, mode);
    return;
  }
  const open = openBuffer(thread);
  if (kind == Q4) openQ4(w, blocks, open);
  for (let first = 0; first < rows; first += 4) {
    if (kind == Q4) rowsQ4(open, blocks, act, from);
    else rowsQ8(w, blocks, act + p.groupBytes, offsets, from);
    emit(from, min(4, rows - first), out, stride, mode);
    out += stride << 2;
    act += p.groupBytes + p.groupBytes14;
  }
}

/** Most that a waiting thread reads ahead: an eighth of a small second-level cache. */
const READ_AHEAD: usize = 131072;

/** Ends a phase. For a single row, a thread that waits reads ahead in its own share of the next matrix. */
export function meet(kind: i32, w: usize, columns: i32, groups: i32, tileGroups: i32, rows: i32, thread: i32): void {
  const threads = plan().threads;
  const tiles = rows == 1 ? (groups + tileGroups - 1) / tileGroups : 0;
  const first = firstTile(tiles, thread, threads), count = firstTile(tiles, thread + 1, threads) - first;
  const tileBytes = groupBytesOf(kind, columns) * <usize>tileGroups;
  barrier(threads, w + <usize>first * tileBytes, min(<usize>count * tileBytes, READ_AHEAD));
}

// @ts-ignore: decorator
@inline function groupBytesOf(kind: i32, columns: i32): usize {
  return (kind == Q4 ? BLOCK4 : BLOCK8) * <usize>(columns >> 5);
}

/** A phase: all groups of a matrix, `perTile` at a time. `paired`: group 2i is a gate, 2i + 1 what it lets through. */
export function product(
  kind: i32, w: usize, offsets: usize, columns: i32, groups: i32, perTile: i32, paired: bool,
  rows: i32, act: usize, out: usize, stride: usize, mode: i32, thread: i32, phase: i32,
): void {
  const threads = plan().threads;
  const groupSize = groupBytesOf(kind, columns);
  const tiles = (groups + perTile - 1) / perTile;
  let taken = 0;
  for (let t = claim(phase, tiles, thread, threads, taken); t >= 0; t = claim(phase, tiles, thread, threads, ++taken)) {
    for (let g = t * perTile; g < min(groups, (t + 1) * perTile); g++) {
      const at = out + (<usize>(paired ? g >> 1 : g) << 6);
      const how = paired ? ((g & 1) ? GATE : STORE) : mode;
      groupProduct(kind, w + <usize>g * groupSize, offsets + (<usize>g << 6), columns, rows, act, at, stride, how, thread);
    }
  }
}
