/**
 * One row of activations, or two of a group of four, times weights with a scale for every 16 columns (half-blocks.ts), as they
 * are packed: what a type unpacks in registers, both rows meet. Two rows cost 1.4 times as much as one in cache, 1.2 times from
 * memory. Each kernel is a function of its own, with its type and rows built in.
 *
 * `act`: 8-bit form with lanes = 1, or 4 for two rows, and its sums. Results are f32 [rows][16] times 2^-56 at `out`.
 */
import { clear16, halfSumsAt, shrink } from './half-blocks';
import { Q2_K, Q3_K, Q6_K } from './kinds';
import { passBytes } from './quantize';
import { BLOCK_Q2K, UNITS_Q2K, fourQ2K } from './q2k';
import { BLOCK_Q3K, UNITS_Q3K, fourQ3K } from './q3k';
import { BLOCK_Q6K, UNITS_Q6K, fourQ6K } from './q6k';
import { QUAD } from './simd';

export function rowQ6K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiply(Q6_K, 1, group, blocks, act, 0, out);
}

export function rowQ3K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiply(Q3_K, 1, group, blocks, act, 0, out);
}

export function rowQ2K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiply(Q2_K, 1, group, blocks, act, 0, out);
}

export function pairQ6K(group: usize, blocks: i32, act: usize, lane: usize, out: usize): void {
  multiply(Q6_K, 4, group, blocks, act, lane, out);
}

export function pairQ3K(group: usize, blocks: i32, act: usize, lane: usize, out: usize): void {
  multiply(Q3_K, 4, group, blocks, act, lane, out);
}

export function pairQ2K(group: usize, blocks: i32, act: usize, lane: usize, out: usize): void {
  multiply(Q2_K, 4, group, blocks, act, lane, out);
}

// @ts-ignore: decorator
@inline function blockBytes(kind: i32): usize {
  return kind == Q6_K ? BLOCK_Q6K : kind == Q3_K ? BLOCK_Q3K : BLOCK_Q2K;
}

// @ts-ignore: decorator
@inline function unitBytes(kind: i32): usize {
  return kind == Q6_K ? UNITS_Q6K : kind == Q3_K ? UNITS_Q3K : UNITS_Q2K;
}

// @ts-ignore: decorator
@inline function multiply(kind: i32, lanes: usize, group: usize, blocks: i32, act: usize, lane: usize, out: usize): void {
  const length = blocks << 5, pass = passBytes(length, <i32>lanes), quadBytes = <usize>(length >> 2) * QUAD * lanes;
  const list = act + 2 * pass, sums = act + halfSumsAt(length, <i32>lanes);
  const steps = blocks + load<i32>(list);
  clear16(out);
  if (lanes == 4) clear16(out + 64);
  for (let n = 0; n < steps; n++) {
    let b = <usize>n, from = act, sum = sums;
    if (n >= blocks) {
      b = <usize>load<i32>(list + (<usize>(n - blocks) << 2), 4);
      from += pass;
      sum += (<usize>blocks << 2) * lanes;
    }
    const units = group + (b >> 3) * (unitBytes(kind) + 8 * blockBytes(kind));
    const w = units + unitBytes(kind) + (b & 7) * blockBytes(kind);
    sum += (b << 2) * lanes + (lane << 2);
    const scale = from + quadBytes + (b << 3) * lanes + (lane << 2);
    const quads = from + (b << 3) * QUAD * lanes + lane * QUAD;
    for (let g: usize = 0; g < 4; g++) four(kind, g, lanes, w, units, quads, sum, scale, out);
  }
  shrink(out, lanes == 4 ? 128 : 64);
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
