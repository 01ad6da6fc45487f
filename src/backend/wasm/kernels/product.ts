/**
 * Products of matrices and activations as phases of a step: preparing the activations, claiming groups of outputs, and
 * ending the phase. Outputs are split between threads, never sums, so the thread count leaves the bits alone.
 *
 * A phase runs one segment or several, one behind the other, of any kinds: activations are prepared in every form they meet.
 */
import { Segment, following, plan } from './plan';
import {
  EIGHT, FLOATS, FOURTEEN, HALF_SUMS, fewRows, formOf, multiplyFew, multiplyRow, multiplyRows, openGroup,
} from './packs';
import { sumHalves } from './half-blocks';
import { quantize14, quantize8, rmsNorm, spread } from './quantize';
import { gelu4, halfBias, lessHalfBias, madd, silu4 } from './simd';
import { barrier, claim, firstTile } from './sync';
import { openBuffer, privateGroup, rowBuffer, tileOut } from './workspace';

/** What happens to a product, scaled: it replaces the output, is added to it, or multiplies what the output's gate lets through. */
export const STORE: i32 = 0;
export const ADD: i32 = 1;
const SILU: i32 = 2;
const GELU: i32 = 3;

/** The forms of activations that `count` segments from `first` on meet. */
export function formsOf(first: Segment, count: i32): i32 {
  let forms = 0;
  for (let i = 0; i < count; i++, first = following(first)) forms |= formOf(first.kind);
  return forms;
}

/** Makes row `lane` of a group from `x` in all `forms`, after a norm if `weight` is not 0. */
function prepareRow(x: usize, weight: usize, length: i32, forms: i32, group: usize, lane: i32, lanes: i32, buffer: usize): void {
  const p = plan();
  if (weight) {
    rmsNorm(x, weight, length, p.epsilon, buffer);
    x = buffer;
  }
  if (forms & EIGHT) quantize8(x, length, group, lane, lanes);
  if (forms & FOURTEEN) quantize14(x, length, group + <usize>p.form14, lane, lanes);
  if (forms & FLOATS) spread(x, length, group + <usize>p.formFloats, lane, lanes);
}

/** Rows `first` to `first + rows` (at most 4) of activations into one group. `list`, if not 0, names the rows of `x`. */
function prepareFew(
  x: usize, list: usize, weight: usize, length: i32, forms: i32, first: i32, rows: i32, group: usize, lanes: i32, buffer: usize,
): void {
  for (let r = 0; r < rows; r++) {
    const row = list ? load<i32>(list + (<usize>(first + r) << 2)) : first + r;
    prepareRow(x + <usize>(row * length) * 4, weight, length, forms, group, r, lanes, buffer);
  }
  if (forms & HALF_SUMS) sumHalves(group, length, lanes, rows);
}

/**
 * Activations for the products that follow: `rows` rows of `x` (f32 [][length]), the first ones or those that `list` (i32
 * [rows]) names. Returns their address. More than 4 rows: a phase of its own, shared by all threads.
 */
export function prepare(
  x: usize, list: usize, weight: usize, length: i32, forms: i32, rows: i32, thread: i32, phase: i32,
): usize {
  const p = plan();
  const buffer = rowBuffer(thread);
  if (rows <= 4) {
    const group = privateGroup(thread);
    prepareFew(x, list, weight, length, forms, 0, rows, group, rows == 1 ? 1 : 4, buffer);
    return group;
  }
  const groups = (rows + 3) >> 2;
  let taken = 0;
  for (let g = claim(phase, groups, thread, p.threads, taken); g >= 0; g = claim(phase, groups, thread, p.threads, ++taken)) {
    const first = g << 2;
    prepareFew(x, list, weight, length, forms, first, min(4, rows - first), p.shared + <usize>(g * p.actBytes), 4, buffer);
  }
  barrier(p.threads, 0, 0);
  return p.shared;
}

/** Applies products of 16 outputs of `rows` rows, which still lack 2^56, to output rows `stride` bytes apart. */
function emit(from: usize, rows: i32, out: usize, stride: usize, mode: i32, scale: f32): void {
  const factor = f32x4.mul(halfBias(), f32x4.splat(scale));
  const end = from + (<usize>rows << 6);
  if (mode == STORE) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(v128.load(from, 0), factor), 0);
      v128.store(out, f32x4.mul(v128.load(from, 16), factor), 16);
      v128.store(out, f32x4.mul(v128.load(from, 32), factor), 32);
      v128.store(out, f32x4.mul(v128.load(from, 48), factor), 48);
    }
  } else if (mode == ADD) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, madd(v128.load(from, 0), factor, v128.load(out, 0)), 0);
      v128.store(out, madd(v128.load(from, 16), factor, v128.load(out, 16)), 16);
      v128.store(out, madd(v128.load(from, 32), factor, v128.load(out, 32)), 32);
      v128.store(out, madd(v128.load(from, 48), factor, v128.load(out, 48)), 48);
    }
  } else if (mode == SILU) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(silu4(v128.load(out, 0)), f32x4.mul(v128.load(from, 0), factor)), 0);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 16)), f32x4.mul(v128.load(from, 16), factor)), 16);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 32)), f32x4.mul(v128.load(from, 32), factor)), 32);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 48)), f32x4.mul(v128.load(from, 48), factor)), 48);
    }
  } else {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(gelu4(v128.load(out, 0)), f32x4.mul(v128.load(from, 0), factor)), 0);
      v128.store(out, f32x4.mul(gelu4(v128.load(out, 16)), f32x4.mul(v128.load(from, 16), factor)), 16);
      v128.store(out, f32x4.mul(gelu4(v128.load(out, 32)), f32x4.mul(v128.load(from, 32), factor)), 32);
      v128.store(out, f32x4.mul(gelu4(v128.load(out, 48)), f32x4.mul(v128.load(from, 48), factor)), 48);
    }
  }
}

/** Adds a bias to products of 16 outputs of `rows` rows, before they are emitted: it too lacks 2^56 there. */
function addBias(bias: usize, rows: i32, to: usize): void {
  for (const end = to + (<usize>rows << 6); to < end; to += 64) {
    v128.store(to, madd(v128.load(bias, 0), lessHalfBias(), v128.load(to, 0)), 0);
    v128.store(to, madd(v128.load(bias, 16), lessHalfBias(), v128.load(to, 16)), 16);
    v128.store(to, madd(v128.load(bias, 32), lessHalfBias(), v128.load(to, 32)), 32);
    v128.store(to, madd(v128.load(bias, 48), lessHalfBias(), v128.load(to, 48)), 48);
  }
}

/** Outputs of group `g` of a segment for all rows. `out`: first row's first output; rows are `stride` bytes apart. */
export function groupProduct(
  s: Segment, g: i32, columns: i32, rows: i32, act: usize, out: usize, stride: usize, mode: i32, scale: f32, thread: i32,
): void {
  const kind = s.kind, group = s.at + <usize>(g * s.stride), offsets = s.offsets + (<usize>g << 6);
  const from = tileOut(thread), bias = s.bias ? s.bias + (<usize>g << 6) : 0, actBytes = <usize>plan().actBytes;
  if (rows == 1) {
    multiplyRow(kind, group, columns, act, offsets, from);
    if (bias) addBias(bias, 1, from);
    emit(from, 1, out, stride, mode, scale);
  } else if (rows <= fewRows(kind)) {
    multiplyFew(kind, group, columns, rows, act, actBytes, offsets, from);
    if (bias) addBias(bias, rows, from);
    emit(from, rows, out, stride, mode, scale);
  } else {
    const open = openBuffer(thread);
    openGroup(kind, group, columns, open);
    for (let first = 0; first < rows; first += 4) {
      const count = min(4, rows - first);
      multiplyRows(kind, group, open, columns, count, act + <usize>(first >> 2) * actBytes, from);
      if (bias) addBias(bias, count, from);
      emit(from, count, out + <usize>first * stride, stride, mode, scale);
    }
  }
}

/** Groups per claim, so that a phase of a single row has a dozen tiles or more. */
// @ts-ignore: decorator
@inline export function perTile(groups: i32, rows: i32): i32 {
  return rows == 1 ? max(1, groups >> 5) : 1;
}

/** Groups of `count` segments from `first` on. */
export function groupsOf(first: Segment, count: i32): i32 {
  let groups = 0;
  for (let i = 0; i < count; i++, first = following(first)) groups += first.groups;
  return groups;
}

/** A phase: all groups of `count` segments, `tileGroups` at a time. Outputs of a segment follow those of the one before. */
export function product(
  first: Segment, count: i32, tileGroups: i32, columns: i32,
  rows: i32, act: usize, out: usize, stride: usize, mode: i32, scale: f32, thread: i32, phase: i32,
): void {
  const threads = plan().threads;
  const groups = groupsOf(first, count);
  const tiles = (groups + tileGroups - 1) / tileGroups;
  let taken = 0;
  for (let t = claim(phase, tiles, thread, threads, taken); t >= 0; t = claim(phase, tiles, thread, threads, ++taken)) {
    for (let g = t * tileGroups; g < min(groups, (t + 1) * tileGroups); g++) {
      let s = first, index = g;
      for (; index >= s.groups; s = following(s)) index -= s.groups;
      groupProduct(s, index, columns, rows, act, out + (<usize>g << 6), stride, mode, scale, thread);
    }
  }
}

/** A phase: gate and what it lets through, group by group. */
export function gatedProduct(
  gate: Segment, tileGroups: i32, columns: i32, rows: i32, act: usize, out: usize, stride: usize, thread: i32, phase: i32,
): void {
  const threads = plan().threads;
  const up = following(gate), groups = gate.groups, mode = plan().gelu ? GELU : SILU;
  const tiles = (groups + tileGroups - 1) / tileGroups;
  let taken = 0;
  for (let t = claim(phase, tiles, thread, threads, taken); t >= 0; t = claim(phase, tiles, thread, threads, ++taken)) {
    for (let g = t * tileGroups; g < min(groups, (t + 1) * tileGroups); g++) {
      const at = out + (<usize>g << 6);
      groupProduct(gate, g, columns, rows, act, at, stride, STORE, 1, thread);
      groupProduct(up, g, columns, rows, act, at, stride, mode, 1, thread);
    }
  }
}

/** A phase: what a block adds to the stream goes through a norm of its own, and is added. */
export function addNormed(weight: usize, rows: i32, thread: i32, phase: i32): void {
  const p = plan();
  const bytes = <usize>p.hidden << 2, buffer = rowBuffer(thread);
  const scale = f32x4.splat(p.residualScale);
  let taken = 0;
  for (let r = claim(phase, rows, thread, p.threads, taken); r >= 0; r = claim(phase, rows, thread, p.threads, ++taken)) {
    const x = p.x + <usize>r * bytes;
    rmsNorm(p.branch + <usize>r * bytes, weight, p.hidden, p.epsilon, buffer);
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(x + i, madd(v128.load(buffer + i), scale, v128.load(x + i)));
    }
  }
}

/** Most that a waiting thread reads ahead: an eighth of a small second-level cache. */
const READ_AHEAD: usize = 131072;

/** Address of group `g` of segments in a row. Their end, for a group behind the last. */
function addressOf(s: Segment, count: i32, g: i32): usize {
  for (; count > 1 && g >= s.groups; s = following(s), count--) g -= s.groups;
  return s.at + <usize>(g * s.stride);
}

/**
 * Ends a phase. For a single row, a thread that waits reads ahead in its own share of the `count` segments that it meets next,
 * `tileGroups` groups at a time.
 */
export function meet(first: Segment, count: i32, tileGroups: i32, rows: i32, thread: i32): void {
  const threads = plan().threads;
  if (rows > 1) {
    barrier(threads, 0, 0);
    return;
  }
  const groups = groupsOf(first, count);
  const tiles = (groups + tileGroups - 1) / tileGroups;
  const from = addressOf(first, count, firstTile(tiles, thread, threads) * tileGroups);
  const to = addressOf(first, count, min(groups, firstTile(tiles, thread + 1, threads) * tileGroups));
  barrier(threads, from, min(to - from, READ_AHEAD));
}
