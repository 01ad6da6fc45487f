/**
 * One row of activations, or up to four of a group of four, times weights with a scale for every 16 columns (half-blocks.ts), as
 * they are packed: what a type unpacks in registers, two rows meet. Two rows cost 1.4 times as much as one in cache, 1.2 times from
 * memory. Four rows are two pairs in turn for each block, so that weights come from memory at an even pace. Each kernel is a
 * function of its own, with its type built in.
 *
 * `act`: 8-bit form with lanes = 1, or 4 for several rows, and its sums. Results are added, not shrunk (half-blocks.ts), to f32
 * [rows][16] at `out`; also those of an even number of rows.
 */
import { halfSumsAt } from './half-blocks';
import { Q2_K, Q3_K, Q6_K } from './kinds';
import { NUMBERS, leftListAt, leftSumsAt } from './quantize';
import { BLOCK_Q2K, UNITS_Q2K, fourQ2K } from './q2k';
import { BLOCK_Q3K, UNITS_Q3K, fourQ3K } from './q3k';
import { BLOCK_Q6K, UNITS_Q6K, fourQ6K } from './q6k';
import { QUAD } from './simd';

export function rowQ6K(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(Q6_K, group, blocks, act, left, out);
}

export function rowQ3K(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(Q3_K, group, blocks, act, left, out);
}

export function rowQ2K(group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  multiplyOne(Q2_K, group, blocks, act, left, out);
}

export function fewQ6K(group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  multiplyPairs(Q6_K, group, blocks, act, rows, out);
}

export function fewQ3K(group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  multiplyPairs(Q3_K, group, blocks, act, rows, out);
}

export function fewQ2K(group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  multiplyPairs(Q2_K, group, blocks, act, rows, out);
}

// @ts-ignore: decorator
@inline function blockBytes(kind: i32): usize {
  return kind == Q6_K ? BLOCK_Q6K : kind == Q3_K ? BLOCK_Q3K : BLOCK_Q2K;
}

// @ts-ignore: decorator
@inline function unitBytes(kind: i32): usize {
  return kind == Q6_K ? UNITS_Q6K : kind == Q3_K ? UNITS_Q3K : UNITS_Q2K;
}

/** Where block `b` of a group has its floats; the block itself is at `weightsAt`. */
// @ts-ignore: decorator
@inline function unitsAt(kind: i32, group: usize, b: usize): usize {
  return group + (b >> 3) * (unitBytes(kind) + 8 * blockBytes(kind));
}

// @ts-ignore: decorator
@inline function weightsAt(kind: i32, units: usize, b: usize): usize {
  return units + unitBytes(kind) + (b & 7) * blockBytes(kind);
}

/** All of a row at `act`, if that is not 0; then what was left over. */
// @ts-ignore: decorator
@inline function multiplyOne(kind: i32, group: usize, blocks: i32, act: usize, left: usize, out: usize): void {
  const length = blocks << 5, quadBytes = <usize>(length >> 2) * QUAD;
  const whole = act ? blocks : 0, list = left + leftListAt(length);
  const steps = whole + load<i32>(list);
  for (let n = 0; n < steps; n++) {
    let b = <usize>n, from = act, sum = act + halfSumsAt(length, 1);
    if (n >= whole) {
      b = <usize>load<i32>(list + (<usize>(n - whole) << 2), 4);
      from = left;
      sum = left + leftSumsAt(length);
    }
    const units = unitsAt(kind, group, b), w = weightsAt(kind, units, b);
    const quads = from + (b << 3) * QUAD, scale = from + quadBytes + b * NUMBERS;
    for (let g: usize = 0; g < 4; g++) four(kind, g, 1, w, units, quads, sum + (b << 2), scale, out);
  }
}

/** Rows of a group of four, without what was left over. */
// @ts-ignore: decorator
@inline function multiplyPairs(kind: i32, group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  const length = blocks << 5;
  const outEnd = out + (<usize>(rows + 1 >> 1) << 7);
  let sums = act + halfSumsAt(length, 4), scales = act + <usize>length * QUAD;
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const units = unitsAt(kind, group, b), w = weightsAt(kind, units, b);
    for (let at = out, lane: usize = 0; at < outEnd; at += 128, lane += 2) {
      const sum = sums + (lane << 2), scale = scales + (lane << 2);
      for (let g: usize = 0; g < 4; g++) four(kind, g, 4, w, units, act + lane * QUAD, sum, scale, at);
    }
    act += 32 * QUAD;
    sums += 16;
    scales += 4 * NUMBERS;
  }
}

/** A block's part of outputs 4g to 4g + 3. `quads`, `sum`, `scale`: of the first row; the second one's are behind them. */
// @ts-ignore: decorator
@inline function four(
  kind: i32, g: usize, lanes: usize, w: usize, units: usize, quads: usize, sum: usize, scale: usize, out: usize,
): void {
  const to = out + (g << 4), unit = units + (g << 4);
  if (kind == Q6_K) fourQ6K(g, lanes, w, unit, quads, sum, scale, to);
  else if (kind == Q3_K) fourQ3K(g, lanes, w, unit, quads, sum, scale, to);
  else fourQ2K(g, lanes, w, unit, quads, sum, scale, to);
}
