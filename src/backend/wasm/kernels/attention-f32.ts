/**
 * Attention of one row of one head over one tile of positions, f32 keys and values: the plain definition, for
 * `kv: 'f32'`. Same tiles, same softmax, same partials as the int8 form.
 */
import { LOG2E, madd } from './simd';
import { TILE, exponentials, lowest } from './softmax';
import { plan } from './plan';
import { unitOf } from './rotate';

/** Scores of a rotated query against 4 positions (one quad: f32 [size][4]). */
function score(keys: usize, query: usize, size: usize, factor: v128): v128 {
  let a = f32x4.splat(0);
  for (let d: usize = 0; d < size; d++) a = madd(v128.load(keys + (d << 4)), v128.load32_splat(query + (d << 2)), a);
  return f32x4.mul(a, factor);
}

/** The row at `position` over tile `tile`, of which it sees some, into its partial. `scores`: scratch f32 [TILE]. */
export function attendTileF32(
  layerIndex: i32, kvHead: i32, query: usize, position: i32, window: i32, tile: i32, scores: usize, partial: usize,
): void {
  const size = <usize>plan().headSize;
  const start = tile * TILE;
  const count = min(position + 1 - start, TILE);
  const low = lowest(window, position, tile), begin = low & ~7;
  const factor = f32x4.splat(LOG2E * plan().attentionScale);
  for (let i = begin; i < (count + 7 & ~7); i += 4) {
    const keys = unitOf(start + i, layerIndex, kvHead) + ((<usize>(i & 63) * size) << 2);
    v128.store(scores + (<usize>i << 2), score(keys, query, size, factor));
  }
  for (let i = begin; i < low; i++) store<f32>(scores + (<usize>i << 2), -f32.MAX_VALUE);
  exponentials(scores + (<usize>begin << 2), count - begin, partial);
  for (let d: usize = 0; d < size << 2; d += 16) {
    let o = f32x4.splat(0);
    for (let i = low; i < count; i++) {
      const value = unitOf(start + i, layerIndex, kvHead) + (size << 8) + ((<usize>(i & 63) * size) << 2) + d;
      o = madd(v128.load(value), v128.load32_splat(scores + (<usize>i << 2)), o);
    }
    v128.store(partial + 16 + d, o);
  }
}
