/**
 * What the keys of a layer and head have in common, found by running a few tokens at load (wasm/kernels/rotate.ts says what
 * for). Only pairs that hardly turn within a long context keep their part in common, so only those are centred.
 */
import type { ModelShape } from './session.ts';
import { pairOf } from './rotation.ts';
import type { Rotation } from './rotation.ts';

/** The first position often has a key unlike all others (an attention sink) and is left out. */
const POSITIONS = 24;
const FIRST_POSITION = 1;
/** A pair counts as still when it turns by less than one radian in this many positions. */
export const STILL_POSITIONS = 4096;

/** Whether a pair of a head hardly turns. Pair -1, which is not rotated, does not turn at all. */
function isStill({ frequencies }: Rotation, pair: number): boolean {
  return pair < 0 || frequencies[pair]! * STILL_POSITIONS < 1;
}

/** Tokens spread over the vocabulary, the same for every session of a model. */
export function calibrationIds(shape: ModelShape): number[] {
  return Array.from({ length: POSITIONS }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 0) % shape.vocabSize);
}

/**
 * The centres of one layer's head, from the int8 keys of `positions` of those tokens, into `out` [headSize]. `keys` and `scales`
 * are the parts of its unit (wasm/kernels/rotate.ts). `rotation` is the layer's, if it has one.
 */
export function writeCentres(
  rotation: Rotation | undefined,
  keys: Uint8Array,
  scales: Float32Array,
  positions: number,
  out: Float32Array,
): void {
  const headSize = out.length;
  const mean = new Float64Array(headSize);
  for (let dim = 0; dim < headSize; dim++) {
    let sum = 0;
    for (let position = FIRST_POSITION; position < positions; position++) {
      const at = (position >> 2) * headSize * 4 + (dim >> 2) * 16 + (position & 3) * 4 + (dim & 3);
      sum += (keys[at]! - 128) * scales[position]!;
    }
    mean[dim] = sum / Math.max(1, positions - FIRST_POSITION);
  }
  undoHadamard(mean);
  mean.forEach((value, dim) => {
    if (!rotation || isStill(rotation, pairOf(rotation, dim))) out[dim] = value;
  });
}

/** Undoes what keys go through before they are rounded (wasm/kernels/hadamard.ts), in place. */
function undoHadamard(x: Float64Array): void {
  const quads = x.length / 4;
  const end = 4 * (quads & -quads);
  for (let half = 4; half < end; half *= 2) {
    for (let i = 0; i < x.length; i++) {
      if ((i / half) & 1) continue;
      const [a, b] = [x[i]!, x[i + half]!];
      x[i] = (a + b) / 2;
      x[i + half] = (a - b) / 2;
    }
  }
}

/** FNV-1a over words, to be continued with `hash`: tells models and their centres apart in a snapshot's header. */
export function checksum(words: Int32Array, hash = 0x811c9dc5): number {
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  return hash >>> 0;
}
