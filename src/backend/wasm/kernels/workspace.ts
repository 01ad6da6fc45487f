/**
 * Private scratch of a thread, in this order: a tile's outputs, a row, one group of activations, an opened group of weights,
 * rotated heads, an attention task, its partials. No two threads write into one cache line.
 */
import { ATTENTION_SCRATCH } from './attention';
import { plan } from './plan';
import { bytes14, bytes8 } from './quantize';
import { halfSumsBytes } from './half-blocks';
import { EIGHT, FLOATS, FOURTEEN, HALF_SUMS } from './packs';

/** 16 outputs of each of the 128 rows of the widest step (MAX_BATCH of ../layout.ts). */
const TILE_OUT: usize = 8192;

function align(bytes: i32): i32 {
  return (bytes + 63) & ~63;
}

function widest(): i32 {
  const p = plan();
  return max(max(p.hidden, p.ffn), p.heads * p.headSize);
}

// @ts-ignore: decorator
@inline export function partialBytes(): usize {
  return <usize>(plan().headSize + 4) << 2;
}

/**
 * Makes room for the forms of activations that the model's matrices meet (bits of packs.ts), and for its largest opened group:
 * for the host that lays memory out, after the shape.
 */
export function setForms(forms: i32, openBytes: i32): void {
  const p = plan();
  const w = widest();
  p.form14 = forms & EIGHT ? align(bytes8(w, 4) + (forms & HALF_SUMS ? halfSumsBytes(w, 4) : 0)) : 0;
  p.formFloats = p.form14 + (forms & FOURTEEN ? align(bytes14(w, 4)) : 0);
  p.actBytes = p.formFloats + (forms & FLOATS ? align(w * 16) : 0);
  p.openBytes = align(openBytes);
}

/** Bytes of a group of 4 rows of activations. */
export function actBytes(): i32 {
  return plan().actBytes;
}

/** Bytes of private scratch one thread needs. */
export function scratchBytes(): i32 {
  const p = plan();
  const heads = p.heads / p.kvHeads + 2;
  return <i32>TILE_OUT + align(widest() * 4) + p.actBytes + p.openBytes + align(heads * p.headSize * 4)
    + align(<i32>ATTENTION_SCRATCH) + align(4 * p.maxTiles * <i32>partialBytes());
}

// @ts-ignore: decorator
@inline export function tileOut(thread: i32): usize {
  return plan().scratch + <usize>(thread * plan().scratchBytes);
}

// @ts-ignore: decorator
@inline export function rowBuffer(thread: i32): usize {
  return tileOut(thread) + TILE_OUT;
}

// @ts-ignore: decorator
@inline export function privateGroup(thread: i32): usize {
  return rowBuffer(thread) + <usize>align(widest() * 4);
}

// @ts-ignore: decorator
@inline export function openBuffer(thread: i32): usize {
  return privateGroup(thread) + <usize>plan().actBytes;
}

// @ts-ignore: decorator
@inline export function headBuffer(thread: i32): usize {
  return openBuffer(thread) + <usize>plan().openBytes;
}

// @ts-ignore: decorator
@inline export function attentionScratch(thread: i32): usize {
  const p = plan();
  return headBuffer(thread) + <usize>align((p.heads / p.kvHeads + 2) * p.headSize * 4);
}

// @ts-ignore: decorator
@inline export function privatePartials(thread: i32): usize {
  return attentionScratch(thread) + <usize>align(<i32>ATTENTION_SCRATCH);
}
