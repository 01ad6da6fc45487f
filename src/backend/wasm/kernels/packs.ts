/**
 * The one place that knows the kinds of packed matrices. A kind says how a group of 16 rows lies in memory, which form of
 * activations it meets, and which kernels multiply the two. A new kind is a number in kinds.ts, its row of PACKS in
 * ../layout.ts, a file with its kernels, and a case in each function below.
 *
 * What all kinds keep to: a group is `groupBytes` of PACKS long, a multiple of 16 where its vectors are aligned; products are
 * returned times 2^-56 (half of what unrebiased f16 scales lack); and a row's outputs have the same bits from `multiplyRow` as
 * from `multiplyFew` and `multiplyRows`, whatever rows are beside it.
 */
import { packBlocks, unpackBlocks } from './blocks';
import { clear16, shrink } from './half-blocks';
import { BRAIN, HALF, WHOLE, packFloats, rowFloats, rowsFloats, unpackRowFloats } from './floats';
import { fewQ2K, fewQ3K, fewQ6K, rowQ2K, rowQ3K, rowQ6K } from './half-row';
import { OPEN_HALVES, OPEN_HALVES_TAIL, rowsHalves } from './half-rows';
import {
  BF16, F16, F32, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0,
} from './kinds';
import { plan } from './plan';
import { OPEN4, openQ4, packQ4, rowQ4, rowsCentred, rowsQ4, unpackRowQ4 } from './q4';
import { openQ2K, packQ2K, unpackRowQ2K } from './q2k';
import { openQ3K, packQ3K, unpackRowQ3K } from './q3k';
import { openQ6K, packQ6K, unpackRowQ6K } from './q6k';
import { fewQ8, packQ8, rowQ8, unpackRowQ8 } from './q8';
import {
  foursQ4_0, foursQ4_1, foursQ4_K, foursQ5_0, foursQ5_1, foursQ5_K, openQ4_0, openQ4_K, openQ5_0, openQ5_1, openQ5_K, pairQ4_0,
  pairQ4_1, pairQ4_K, pairQ5_0, pairQ5_1, pairQ5_K,
  rowQ4_0, rowQ4_K, rowQ5_0, rowQ5_1, rowQ5_K
} from './quants-kernels';
import { leftBytes, leftListAt, passBytes } from './quantize';
import { zeroOf } from './quants-scales';
import { RELAXED } from './simd';
import { packSupers, unpackSupers } from './supers';

/** Forms of activations, as bits: blocks of 8 bits with refinement, 14 bits with a scale per row (quantize.ts), f32. */
export const EIGHT: i32 = 1;
export const FOURTEEN: i32 = 2;
/** f32 [columns][lanes]: the activations of all rows of a group for one column lie together. */
export const FLOATS: i32 = 4;
/** With the 8 bits: sums over half blocks (half-blocks.ts). */
export const HALF_SUMS: i32 = 8;

/** The form of activations that a kind meets. */
export function formOf(kind: i32): i32 {
  if (kind == Q8_0) return FOURTEEN;
  if (kind >= F16) return FLOATS;
  return isHalves(kind) ? EIGHT | HALF_SUMS : EIGHT;
}

// @ts-ignore: decorator
@inline function isBlocks(kind: i32): bool {
  return kind == Q4_0 || kind == Q5_0 || kind == Q5_1;
}

// @ts-ignore: decorator
@inline function isSupers(kind: i32): bool {
  return kind == Q4_K || kind == Q5_K;
}

// @ts-ignore: decorator
@inline function isHalves(kind: i32): bool {
  return kind == Q6_K || kind == Q3_K || kind == Q2_K;
}

// @ts-ignore: decorator
@inline function isNibbles(kind: i32): bool {
  return kind == Q4_0 || kind == Q4_1 || kind == Q4_K;
}

/** How the weights of a kind lie that are floats. */
// @ts-ignore: decorator
@inline function floatForm(kind: i32): i32 {
  return kind == F32 ? WHOLE : kind == F16 ? HALF : BRAIN;
}

/** Bytes of an opened group: what `openGroup` writes for the use of many rows of activations. 0 for kinds used as they lie. */
export function openBytes(kind: i32, columns: i32): i32 {
  if (RELAXED && isNibbles(kind)) return 0;
  if (isHalves(kind)) return (columns >> 5) * <i32>OPEN_HALVES + <i32>OPEN_HALVES_TAIL;
  return kind != Q8_0 && kind <= Q5_K ? (columns >> 5) * <i32>OPEN4 : 0;
}

/**
 * Packs `rows` (1..16) rows of a tensor, `columns` wide, from `source` as they lie in the file into the group at `target`;
 * missing rows are zero. `offsets`: f32 [16], for kinds that meet 14-bit activations: what their offset of 8192 adds.
 * Returns 1 for a negative scale where the kind takes none, or one that is infinite.
 */
export function packGroup(kind: i32, source: usize, rows: i32, columns: i32, target: usize, offsets: usize): i32 {
  if (kind == Q4_1) return packQ4(source, rows, columns >> 5, target);
  if (isBlocks(kind)) return packBlocks(kind != Q4_0, kind == Q5_1, source, rows, columns >> 5, target);
  if (isSupers(kind)) return packSupers(kind == Q5_K, source, rows, columns >> 8, target);
  if (kind == Q6_K) return packQ6K(source, rows, columns >> 8, target);
  if (kind == Q3_K) return packQ3K(source, rows, columns >> 8, target);
  if (kind == Q2_K) return packQ2K(source, rows, columns >> 8, target);
  if (kind >= F16) return packFloats(floatForm(kind), source, rows, columns, target);
  return packQ8(source, rows, columns >> 5, target, offsets);
}

/** Row `row` (0..15) of the group at `group` as f32 [columns]. */
export function unpackRow(kind: i32, group: usize, row: i32, columns: i32, out: usize): void {
  if (kind == Q4_1) unpackRowQ4(group, row, columns, out);
  else if (isBlocks(kind)) unpackBlocks(kind != Q4_0, kind == Q5_1, group, row, columns >> 5, out);
  else if (isSupers(kind)) unpackSupers(kind == Q5_K, group, row, columns >> 5, out);
  else if (kind == Q6_K) unpackRowQ6K(group, row, columns, out);
  else if (kind == Q3_K) unpackRowQ3K(group, row, columns, out);
  else if (kind == Q2_K) unpackRowQ2K(group, row, columns, out);
  else if (kind >= F16) unpackRowFloats(floatForm(kind), group, row, columns, out);
  else unpackRowQ8(group, row, columns, out);
}

/** Address of a kind's form within the activations of a group of rows. */
// @ts-ignore: decorator
@inline function formAt(kind: i32, act: usize): usize {
  const form = formOf(kind);
  if (form & EIGHT) return act;
  return act + <usize>(form == FOURTEEN ? plan().form14 : plan().formFloats);
}

/** Whether outputs are due, times 2^-56, only when all of a row was added. */
// @ts-ignore: decorator
@inline function areDueLater(kind: i32): bool {
  return isSupers(kind) || isHalves(kind);
}

/** `rows` times 16 outputs become zero. */
// @ts-ignore: decorator
@inline function clear(out: usize, rows: i32): void {
  for (const end = out + (<usize>rows << 6); out < end; out += 64) clear16(out);
}

/** Adds 16 outputs of one row in 8-bit form: all of `act` (lanes = 1), if that is not 0, and what was left over. */
// @ts-ignore: decorator
@inline function addRow(kind: i32, group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  if (kind == Q4_1) rowQ4(group, blocks, act, left, out);
  else if (kind == Q4_0) rowQ4_0(group, blocks, act, left, out);
  else if (kind == Q5_0) rowQ5_0(group, blocks, act, left, out);
  else if (kind == Q5_1) rowQ5_1(group, blocks, act, left, out);
  else if (kind == Q4_K) rowQ4_K(group, blocks, act, left, out);
  else if (kind == Q5_K) rowQ5_K(group, blocks, act, left, out);
  else if (kind == Q6_K) rowQ6K(group, blocks, act, left, out);
  else if (kind == Q3_K) rowQ3K(group, blocks, act, left, out);
  else rowQ2K(group, blocks, act, left, out);
}

/** 16 outputs of one row of activations (lanes = 1): f32 [16] at `out`. */
export function multiplyRow(kind: i32, group: usize, columns: i32, act: usize, offsets: usize, out: usize): void {
  const form = formAt(kind, act);
  if (kind >= F16) rowFloats(floatForm(kind), group, columns, form, out);
  else if (kind == Q8_0) rowQ8(group, columns >> 5, form, offsets, out);
  else {
    clear16(out);
    addRow(kind, group, columns >> 5, form, form + passBytes(columns, 1), out);
    if (areDueLater(kind)) shrink(out, 64);
  }
}

/** Adds what was left over of `rows` rows in 8-bit form (lanes = 4, a group every `actBytes`), each by itself: then outputs are due. */
function addLeft(kind: i32, group: usize, columns: i32, rows: i32, act: usize, actBytes: usize, out: usize): void {
  const step = leftBytes(columns), list = leftListAt(columns);
  for (let row = 0, at = out, left: usize = 0; row < rows; row++, at += 64, left += step) {
    if ((row & 3) == 0) left = act + <usize>(row >> 2) * actBytes + passBytes(columns, 4);
    if (load<i32>(left + list)) addRow(kind, group, columns >> 5, 0, left, at);
  }
  if (areDueLater(kind)) shrink(out, <usize>rows << 6);
}

/**
 * The most rows of a step that meet a group as it is packed; with more, an opened group is faster. 8-bit quants and floats are
 * used as they lie, and 4-bit quants cost so little to unpack that opening never pays; for 5-bit ones it does from 33 rows on, for
 * all others from 5 on. Without relaxed SIMD: from 3 on.
 */
export function fewRows(kind: i32): i32 {
  if (kind == Q8_0 || kind >= F16 || (RELAXED && isNibbles(kind))) return i32.MAX_VALUE;
  if (!RELAXED) return 2;
  return isHalves(kind) ? 4 : 32;
}

/**
 * 16 outputs of each of `rows` rows of activations (lanes = 4, a group every `actBytes`) with the group as it is packed: f32
 * [rows][16] at `out`, up to a multiple of four rows.
 */
export function multiplyFew(
  kind: i32, group: usize, columns: i32, rows: i32, act: usize, actBytes: usize, offsets: usize, out: usize,
): void {
  const form = formAt(kind, act), blocks = columns >> 5;
  if (kind >= F16) {
    const end = out + (<usize>rows << 6);
    for (let from = form; out < end; out += 256, from += actBytes) rowsFloats(floatForm(kind), group, columns, from, out);
    return;
  }
  if (kind == Q8_0) {
    fewQ8(group, blocks, rows, form, actBytes, offsets, out);
    return;
  }
  clear(out, (rows + 3) & ~3);
  if (kind == Q6_K) fewQ6K(group, blocks, form, rows, out);
  else if (kind == Q3_K) fewQ3K(group, blocks, form, rows, out);
  else if (kind == Q2_K) fewQ2K(group, blocks, form, rows, out);
  else {
    const fours = RELAXED ? (rows + 1) >> 2 : 0, rest = rows - (fours << 2);
    if (RELAXED && fours > 0) multiplyFours(kind, group, blocks, fours, form, actBytes, out);
    if (rest > 0) multiplyTwo(kind, group, blocks, form + <usize>fours * actBytes, out + (<usize>fours << 8));
  }
  addLeft(kind, group, columns, rows, form, actBytes, out);
}

// @ts-ignore: decorator
@inline function multiplyTwo(kind: i32, group: usize, blocks: i32, act: usize, out: usize): void {
  if (kind == Q4_1) pairQ4_1(group, blocks, act, out);
  else if (kind == Q4_0) pairQ4_0(group, blocks, act, out);
  else if (kind == Q5_0) pairQ5_0(group, blocks, act, out);
  else if (kind == Q5_1) pairQ5_1(group, blocks, act, out);
  else if (kind == Q4_K) pairQ4_K(group, blocks, act, out);
  else pairQ5_K(group, blocks, act, out);
}

// @ts-ignore: decorator
@inline function multiplyFours(kind: i32, group: usize, blocks: i32, fours: i32, act: usize, actBytes: usize, out: usize): void {
  if (kind == Q4_1) foursQ4_1(group, blocks, fours, act, actBytes, out);
  else if (kind == Q4_0) foursQ4_0(group, blocks, fours, act, actBytes, out);
  else if (kind == Q5_0) foursQ5_0(group, blocks, fours, act, actBytes, out);
  else if (kind == Q5_1) foursQ5_1(group, blocks, fours, act, actBytes, out);
  else if (kind == Q4_K) foursQ4_K(group, blocks, fours, act, actBytes, out);
  else foursQ5_K(group, blocks, fours, act, actBytes, out);
}

/** Opens a group for `multiplyRows`. */
export function openGroup(kind: i32, group: usize, columns: i32, open: usize): void {
  if (!RELAXED && kind == Q4_1) openQ4(group, columns >> 5, open);
  else if (!RELAXED && kind == Q4_0) openQ4_0(group, columns >> 5, open);
  else if (!RELAXED && kind == Q4_K) openQ4_K(group, columns >> 5, open);
  else if (kind == Q5_0) openQ5_0(group, columns >> 5, open);
  else if (kind == Q5_1) openQ5_1(group, columns >> 5, open);
  else if (kind == Q5_K) openQ5_K(group, columns >> 5, open);
  else if (kind == Q6_K) openQ6K(group, columns >> 5, open);
  else if (kind == Q3_K) openQ3K(group, columns >> 5, open);
  else if (kind == Q2_K) openQ2K(group, columns >> 5, open);
}

/**
 * 16 outputs of each of 1 to 4 rows of activations (lanes = 4): f32 [4][16] at `out`. `open`: the group as `openGroup` left it.
 */
export function multiplyRows(kind: i32, group: usize, open: usize, columns: i32, rows: i32, act: usize, out: usize): void {
  const form = formAt(kind, act), blocks = columns >> 5;
  clear(out, 4);
  if (isHalves(kind)) rowsHalves(open, blocks, kind == Q2_K, form, out);
  else if (kind == Q4_0 || kind == Q5_0) rowsCentred(open, blocks, zeroOf(kind == Q5_0), form, out);
  else rowsQ4(open, blocks, form, out);
  addLeft(kind, group, columns, rows, form, 0, out);
}
