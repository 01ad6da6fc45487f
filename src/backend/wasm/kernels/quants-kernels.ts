/**
 * The kernels of the types whose quants have 4 or 5 bits: one row (lanes = 1), two rows or any number of fours (lanes = 4), and
 * opening a group for `rowsQ4` or `rowsCentred`. Each is a function of its own, with its bits and form of scales built in.
 *
 * Results are added to f32 [rows][16] at `out`, times 2^-56 or not due yet (quants-scales.ts).
 */
import { OPEN4 } from './q4';
import { openQuants } from './quants';
import { multiplyTwo } from './quants-pair';
import { multiplyFours } from './quants-fours';
import { multiplyOne } from './quants-row';
import { AFFINE, CENTRED, SUPER, blockAt, minimumsOf, scalesOf, unitsAt } from './quants-scales';

export function rowQ4_0(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(false, CENTRED, group, blocks, act, left, out);
}

export function rowQ5_0(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(true, CENTRED, group, blocks, act, left, out);
}

export function rowQ5_1(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(true, AFFINE, group, blocks, act, left, out);
}

export function rowQ4_K(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(false, SUPER, group, blocks, act, left, out);
}

export function rowQ5_K(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(true, SUPER, group, blocks, act, left, out);
}

export function pairQ4_0(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyTwo(false, CENTRED, group, blocks, act, out);
}

export function pairQ4_1(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyTwo(false, AFFINE, group, blocks, act, out);
}

export function pairQ5_0(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyTwo(true, CENTRED, group, blocks, act, out);
}

export function pairQ5_1(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyTwo(true, AFFINE, group, blocks, act, out);
}

export function pairQ4_K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyTwo(false, SUPER, group, blocks, act, out);
}

export function pairQ5_K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiplyTwo(true, SUPER, group, blocks, act, out);
}

export function foursQ4_0(group: usize, blocks: i32, groups: i32, act: usize, actBytes: usize, out: usize): void {
  multiplyFours(false, CENTRED, group, blocks, groups, act, actBytes, out);
}

export function foursQ4_1(group: usize, blocks: i32, groups: i32, act: usize, actBytes: usize, out: usize): void {
  multiplyFours(false, AFFINE, group, blocks, groups, act, actBytes, out);
}

export function foursQ5_0(group: usize, blocks: i32, groups: i32, act: usize, actBytes: usize, out: usize): void {
  multiplyFours(true, CENTRED, group, blocks, groups, act, actBytes, out);
}

export function foursQ5_1(group: usize, blocks: i32, groups: i32, act: usize, actBytes: usize, out: usize): void {
  multiplyFours(true, AFFINE, group, blocks, groups, act, actBytes, out);
}

export function foursQ4_K(group: usize, blocks: i32, groups: i32, act: usize, actBytes: usize, out: usize): void {
  multiplyFours(false, SUPER, group, blocks, groups, act, actBytes, out);
}

export function foursQ5_K(group: usize, blocks: i32, groups: i32, act: usize, actBytes: usize, out: usize): void {
  multiplyFours(true, SUPER, group, blocks, groups, act, actBytes, out);
}

/** Bytes, f32 scales and minimums of a group, K/32 blocks of OPEN4. */
// @ts-ignore: decorator
@inline function open(five: bool, scales: i32, group: usize, blocks: i32, out: usize): void {
  for (let b = 0; b < blocks; b++) {
    const w = blockAt(five, scales, group, b), units = unitsAt(five, group, b);
    openQuants(five, w, out);
    openScales(five, scales, 0, w, units, out);
    openScales(five, scales, 1, w, units, out);
    openScales(five, scales, 2, w, units, out);
    openScales(five, scales, 3, w, units, out);
    out += OPEN4;
  }
}

// @ts-ignore: decorator
@inline function openScales(five: bool, scales: i32, g: i32, w: usize, units: usize, out: usize): void {
  const d = scalesOf(five, scales, false, g, w, units), to = out + (<usize>g << 4);
  v128.store(to, d, 512);
  if (scales != CENTRED) v128.store(to, minimumsOf(five, scales, false, g, w, units, d), 576);
}

export function openQ4_0(group: usize, blocks: i32, out: usize): void {
  open(false, CENTRED, group, blocks, out);
}

export function openQ5_0(group: usize, blocks: i32, out: usize): void {
  open(true, CENTRED, group, blocks, out);
}

export function openQ5_1(group: usize, blocks: i32, out: usize): void {
  open(true, AFFINE, group, blocks, out);
}

export function openQ4_K(group: usize, blocks: i32, out: usize): void {
  open(false, SUPER, group, blocks, out);
}

export function openQ5_K(group: usize, blocks: i32, out: usize): void {
  open(true, SUPER, group, blocks, out);
}
