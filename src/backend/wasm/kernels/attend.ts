/**
 * Attention as phases of a step. A single row: tasks are (tile, kv head), merged by every thread for itself. Several rows: all
 * keys and values are stored first, then tasks are (4 rows, head).
 */
import { attendTile, prepareQueries } from './attention';
import { attendTileF32 } from './attention-f32';
import { layer, plan, step } from './plan';
import { prepareHead, smoothingOf, unitOf, writeKeyValue } from './rotate';
import { TILE, combine, firstTileOf } from './softmax';
import { claim, readThrough } from './sync';
import { attentionScratch, headBuffer, partialBytes, privatePartials, rowBuffer } from './workspace';

/** Attention of a single row: tasks are (tile, kv head); the one with the last tile stores the row's key and value first. */
export function attendRow(layerIndex: i32, thread: i32, phase: i32): void {
  const p = plan(), l = layer(layerIndex);
  const headBytes = <usize>p.headSize << 2;
  const position = step().position;
  const firstTile = firstTileOf(l.window, position), lastTile = position / TILE;
  const perKv = p.heads / p.kvHeads;
  const buffer = headBuffer(thread);
  const keys = p.qkv + <usize>p.heads * headBytes;
  let taken = 0;
  const tasks = (lastTile - firstTile + 1) * p.kvHeads;
  for (let t = claim(phase, tasks, thread, p.threads, taken); t >= 0; t = claim(phase, tasks, thread, p.threads, ++taken)) {
    const kvHead = t % p.kvHeads, tile = firstTile + t / p.kvHeads;
    memory.copy(buffer, p.qkv + <usize>(kvHead * perKv) * headBytes, <usize>perKv * headBytes);
    const smoothing = smoothingOf(l.querySmoothing, kvHead);
    for (let h = 0; h < perKv; h++) prepareHead(buffer + <usize>h * headBytes, l, 0, l.queryNorm, smoothing);
    if (tile == lastTile) {
      const key = buffer + <usize>perKv * headBytes;
      memory.copy(key, keys + <usize>kvHead * headBytes, headBytes);
      prepareHead(key, l, 0, l.keyNorm, smoothingOf(l.keySmoothing, kvHead));
      writeKeyValue(layerIndex, kvHead, position, key, keys + <usize>(p.kvHeads + kvHead) * headBytes);
    }
    if (kvHead == 0 || taken == 0) readTile(layerIndex, kvHead, p.kvHeads - kvHead, tile, position);
    for (let h = 0; h < perKv; h++) {
      if (p.kvInt8) prepareQueries(buffer + <usize>h * headBytes, 0, 1, attentionScratch(thread));
      const partial = p.partials + <usize>((kvHead * perKv + h) * p.maxTiles + tile) * partialBytes();
      attendHead(layerIndex, kvHead, buffer + <usize>h * headBytes, 0, 1, position, l.window, tile, thread, partial, 0);
    }
  }
}

/**
 * Reads through the keys and values of a tile, of `heads` heads, before they are used: they come from memory at full speed in
 * long runs only, not in the order of the arithmetic. A seventh less time for one row at position 1,400, 7 % for 2 to 4.
 */
function readTile(layerIndex: i32, kvHead: i32, heads: i32, tile: i32, position: i32): void {
  const bytes = <usize>(plan().unitBytes * heads);
  const start = tile * TILE, end = min(position, start + TILE);
  for (let i = start; i < end; i += 64) readThrough(unitOf(i, layerIndex, kvHead), bytes);
}

// @ts-ignore: decorator
@inline function attendHead(
  layerIndex: i32, kvHead: i32, query: usize, rowBytes: usize, rows: i32, first: i32, window: i32, tile: i32, thread: i32,
  partial: usize, rowPartialBytes: usize,
): void {
  if (plan().kvInt8) {
    attendTile(layerIndex, kvHead, rows, first, window, tile, attentionScratch(thread), partial, rowPartialBytes);
  } else {
    for (let r = 0; r < rows; r++) {
      if ((first + r) / TILE < tile || firstTileOf(window, first + r) > tile) continue;
      attendTileF32(
        layerIndex, kvHead, query + <usize>r * rowBytes, first + r, window, tile, attentionScratch(thread),
        partial + <usize>r * rowPartialBytes,
      );
    }
  }
}

/** Several rows: all keys and values are stored before any row attends. */
export function storeRows(layerIndex: i32, rows: i32, thread: i32, phase: i32): void {
  const p = plan(), l = layer(layerIndex);
  const headBytes = <usize>p.headSize << 2, perKv = p.heads / p.kvHeads;
  const rowBytes = <usize>(p.heads + 2 * p.kvHeads) * headBytes;
  let taken = 0;
  for (let r = claim(phase, rows, thread, p.threads, taken); r >= 0; r = claim(phase, rows, thread, p.threads, ++taken)) {
    const row = p.qkv + <usize>r * rowBytes;
    for (let h = 0; h < p.heads; h++) {
      prepareHead(row + <usize>h * headBytes, l, r, l.queryNorm, smoothingOf(l.querySmoothing, h / perKv));
    }
    for (let h = 0; h < p.kvHeads; h++) {
      const key = row + <usize>(p.heads + h) * headBytes;
      prepareHead(key, l, r, l.keyNorm, smoothingOf(l.keySmoothing, h));
      writeKeyValue(layerIndex, h, step().position + r, key, key + <usize>p.kvHeads * headBytes);
    }
  }
}

/** Attention of several rows: tasks are (4 rows, head), the longest first. */
export function attendRows(layerIndex: i32, rows: i32, thread: i32, phase: i32): void {
  const p = plan(), window = layer(layerIndex).window;
  const size = p.headSize, headBytes = <usize>size << 2;
  const rowBytes = <usize>(p.heads + 2 * p.kvHeads) * headBytes;
  const outBytes = <usize>p.heads * headBytes;
  const perKv = p.heads / p.kvHeads;
  const partials = privatePartials(thread), rowPartials = <usize>p.maxTiles * partialBytes();
  const groups = (rows + 3) >> 2;
  const tasks = groups * p.heads;
  let taken = 0;
  for (let t = claim(phase, tasks, thread, p.threads, taken); t >= 0; t = claim(phase, tasks, thread, p.threads, ++taken)) {
    const head = t % p.heads, row = (groups - 1 - t / p.heads) << 2;
    const count = min(4, rows - row), first = step().position + row;
    const query = p.qkv + <usize>row * rowBytes + <usize>head * headBytes;
    // The first group is the longest: what it has read is near for the others.
    const isFirst = t < p.heads && (head % perKv == 0 || taken == 0);
    if (p.kvInt8) prepareQueries(query, rowBytes, count, attentionScratch(thread));
    for (let tile = firstTileOf(window, first); tile <= (first + count - 1) / TILE; tile++) {
      if (isFirst) readTile(layerIndex, head / perKv, 1, tile, first + count - 1);
      attendHead(
        layerIndex, head / perKv, query, rowBytes, count, first, window, tile, thread,
        partials + <usize>tile * partialBytes(), rowPartials,
      );
    }
    for (let r = 0; r < count; r++) {
      combineTiles(
        partials + <usize>r * rowPartials, window, first + r,
        p.attended + <usize>(row + r) * outBytes + <usize>head * headBytes,
      );
    }
  }
}

/** Merges the partials (one for each tile) of the row at `position`. */
function combineTiles(partials: usize, window: i32, position: i32, out: usize): void {
  const first = firstTileOf(window, position);
  combine(partials + <usize>first * partialBytes(), position / TILE + 1 - first, plan().headSize, out);
}

/** The attended vector of a single row, from the partials of all its heads; every thread for itself. */
export function combineRow(layerIndex: i32, thread: i32): usize {
  const p = plan();
  const out = rowBuffer(thread), window = layer(layerIndex).window;
  for (let h = 0; h < p.heads; h++) {
    combineTiles(
      p.partials + <usize>(h * p.maxTiles) * partialBytes(), window, step().position, out + (<usize>(h * p.headSize) << 2),
    );
  }
  return out;
}
