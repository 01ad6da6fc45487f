/**
 * One row of activations, or up to four of a group of four, times weights with a scale for every 16 columns (half-blocks.ts), as
 * they are packed: what a type unpacks in registers, two rows meet. Two rows cost 1.4 times as much as one in cache, 1.2 times from
 * memory. Four rows are two pairs in turn for each block, so that weights come from memory at an even pace. Each kernel is a
 * function of its own, with its type built in.
 *
 * `act`: 8-bit form with lanes = 1, or 4 for several rows, and its sums. Results are f32 [rows][16] times 2^-56 at `out`, which is
 * also written for an even number of rows.
 */
import { clear16, halfSumsAt, shrink } from './half-blocks';
import { Q2_K, Q3_K, Q6_K } from './kinds';
import { passBytes } from './quantize';
import { BLOCK_Q2K, UNITS_Q2K, fourQ2K } from './q2k';
import { BLOCK_Q3K, UNITS_Q3K, fourQ3K } from './q3k';
import { BLOCK_Q6K, UNITS_Q6K, fourQ6K } from './q6k';
import { QUAD } from './simd';

export function rowQ6K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiply(Q6_K, 1, group, blocks, act, 1, out);
}

export function rowQ3K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiply(Q3_K, 1, group, blocks, act, 1, out);
}

export function rowQ2K(group: usize, blocks: i32, act: usize, out: usize): void {
  multiply(Q2_K, 1, group, blocks, act, 1, out);
}

export function fewQ6K(group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  multiply(Q6_K, 4, group, blocks, act, rows, out);
}

export function fewQ3K(group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  multiply(Q3_K, 4, group, blocks, act, rows, out);
}

export function fewQ2K(group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  multiply(Q2_K, 4, group, blocks, act, rows, out);
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
@inline function multiply(kind: i32, lanes: usize, group: usize, blocks: i32, act: usize, rows: i32, out: usize): void {
  const length = blocks << 5, pass = passBytes(length, <i32>lanes), quadBytes = <usize>(length >> 2) * QUAD * lanes;
  const list = act + 2 * pass, sums = act + halfSumsAt(length, <i32>lanes);
  const steps = blocks + load<i32>(list);
  const outEnd = lanes == 4 ? out + (<usize>(rows + 1 >> 1) << 7) : out + 64;
  for (let at = out; at < outEnd; at += 64) clear16(at);
  for (let n = 0; n < steps; n++) {
    let b = <usize>n, from = act, sum = sums;
    if (n >= blocks) {
      b = <usize>load<i32>(list + (<usize>(n - blocks) << 2), 4);
      from += pass;
      sum += (<usize>blocks << 2) * lanes;
    }
    const units = group + (b >> 3) * (unitBytes(kind) + 8 * blockBytes(kind));
    const w = units + unitBytes(kind) + (b & 7) * blockBytes(kind);
    sum += (b << 2) * lanes;
    let scale = from + quadBytes + (b << 3) * lanes;
    let quads = from + (b << 3) * QUAD * lanes;
    if (lanes == 1) {
      for (let g: usize = 0; g < 4; g++) four(kind, g, lanes, w, units, quads, sum, scale, out);
    } else {
      for (let at = out; at < outEnd; at += 128) {
        for (let g: usize = 0; g < 4; g++) four(kind, g, lanes, w, units, quads, sum, scale, at);
        quads += 2 * QUAD;
        sum += 8;
        scale += 8;
      }
    }
  }
  shrink(out, outEnd - out);
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
