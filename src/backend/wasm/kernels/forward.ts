/**
 * One step of the model, run by every thread at once: all layers inside one call. A layer of a single row has five
 * phases, each ended by a barrier:
 *   norm, query/key/value | attention | output | norm, gate/up | down
 * Preparing activations (norm, quantisation) is done by every thread for itself when the step has at most 4 rows; for more
 * it is a phase of its own. Outputs are split between threads, never sums, so the thread count leaves the bits alone.
 */
import { ATTENTION_SCRATCH, attendTile, prepareQueries } from './attention';
import { attendTileF32 } from './attention-f32';
import { Q4, layer, plan, step } from './plan';
import { bytes14, bytes8, chooseRefined, quantize14, quantize8, rmsNorm } from './quantize';
import { BLOCK4, OPEN4, openQ4, rowQ4, rowsQ4, unpackRowQ4 } from './q4';
import { BLOCK8, rowQ8, rowsQ8, unpackRowQ8 } from './q8';
import { rotate, writeKeyValue } from './rotate';
import { halfBias, madd, silu4 } from './simd';
import { TILE, combine } from './softmax';
import { barrier, claim, firstTile, startThreads } from './sync';

/** What happens to a product: it replaces the output, is added to it, or multiplies the output's SiLU. */
const STORE: i32 = 0;
const ADD: i32 = 1;
const GATE: i32 = 2;

// Private scratch of a thread, in order.
const TILE_OUT: usize = 256;

function align(bytes: i32): i32 {
  return (bytes + 63) & ~63;
}

function widest(): i32 {
  const p = plan();
  return max(max(p.hidden, p.ffn), p.heads * p.headSize);
}

// @ts-ignore: decorator
@inline function partialBytes(): usize {
  return <usize>(plan().headSize + 4) << 2;
}

/** Bytes of private scratch one thread needs: for the host that lays memory out. */
export function scratchBytes(): i32 {
  const p = plan();
  const w = widest();
  const heads = p.heads / p.kvHeads + 2;
  return <i32>TILE_OUT + align(w * 4) + align(bytes8(w, 4)) + align(bytes14(w, 4))
    + align((w >> 5) * <i32>OPEN4) + align(heads * p.headSize * 4) + align(<i32>ATTENTION_SCRATCH)
    + align(4 * p.maxTiles * <i32>partialBytes());
}

export function groupBytes(): i32 {
  return align(bytes8(widest(), 4));
}

export function groupBytes14(): i32 {
  return align(bytes14(widest(), 4));
}

// @ts-ignore: decorator
@inline function tileOut(thread: i32): usize {
  return plan().scratch + <usize>(thread * plan().scratchBytes);
}

// @ts-ignore: decorator
@inline function rowBuffer(thread: i32): usize {
  return tileOut(thread) + TILE_OUT;
}

// @ts-ignore: decorator
@inline function privateGroup(thread: i32): usize {
  return rowBuffer(thread) + <usize>align(widest() * 4);
}

// @ts-ignore: decorator
@inline function openBuffer(thread: i32): usize {
  return privateGroup(thread) + <usize>(plan().groupBytes + plan().groupBytes14);
}

// @ts-ignore: decorator
@inline function headBuffer(thread: i32): usize {
  return openBuffer(thread) + <usize>align((widest() >> 5) * <i32>OPEN4);
}

// @ts-ignore: decorator
@inline function attentionScratch(thread: i32): usize {
  const p = plan();
  return headBuffer(thread) + <usize>align((p.heads / p.kvHeads + 2) * p.headSize * 4);
}

// @ts-ignore: decorator
@inline function privatePartials(thread: i32): usize {
  return attentionScratch(thread) + <usize>align(<i32>ATTENTION_SCRATCH);
}

/** Puts the embeddings of the step's ids into x, clears the claims and wakes the threads. Thread 0 only. */
export function beginStep(): void {
  const p = plan(), s = step();
  for (let r = 0; r < s.rows; r++) {
    const id = load<i32>(s.ids + (<usize>r << 2));
    const out = p.x + <usize>(r * p.hidden) * 4;
    if (p.embeddingKind == Q4) unpackRowQ4(p.embedding, id, p.hidden, out);
    else unpackRowQ8(p.embedding, id, p.hidden, out);
  }
  if (p.threads == 1) return;
  memory.fill(p.counters, 0, <usize>(p.counterCount * p.threads) << 6);
  startThreads(p.threads);
}

/** Quantises row `lane` of a group from `x`, in the form that `kind` wants, after a norm if `weight` is not 0. */
function prepareRow(x: usize, weight: usize, length: i32, kind: i32, group: usize, lane: i32, lanes: i32, buffer: usize): void {
  if (weight) {
    rmsNorm(x, weight, length, plan().epsilon, buffer);
    x = buffer;
  }
  if (kind == Q4) quantize8(x, length, group, lane, lanes);
  else quantize14(x, length, group + plan().groupBytes, lane, lanes);
}

/**
 * Activations for the products that follow: `rows` rows of `x` (f32 [rows][length]). Returns their address.
 * More than 4 rows: a phase of its own, shared by all threads.
 */
function prepare(x: usize, weight: usize, length: i32, kind: i32, rows: i32, thread: i32, phase: i32): usize {
  const p = plan();
  const buffer = rowBuffer(thread);
  const rowBytes = <usize>length << 2;
  if (rows <= 4) {
    const group = privateGroup(thread);
    const lanes = rows == 1 ? 1 : 4;
    for (let r = 0; r < rows; r++) prepareRow(x + <usize>r * rowBytes, weight, length, kind, group, r, lanes, buffer);
    if (kind == Q4) chooseRefined(length, group, lanes, rows);
    return group;
  }
  const groups = (rows + 3) >> 2;
  let taken = 0;
  for (let g = claim(phase, groups, thread, p.threads, taken); g >= 0; g = claim(phase, groups, thread, p.threads, ++taken)) {
    const group = p.shared + <usize>(g * (p.groupBytes + p.groupBytes14));
    for (let r = g << 2; r < min(rows, (g << 2) + 4); r++) {
      prepareRow(x + <usize>r * rowBytes, weight, length, kind, group, r & 3, 4, buffer);
    }
    if (kind == Q4) chooseRefined(length, group, 4, min(4, rows - (g << 2)));
  }
  barrier(p.threads, 0, 0);
  return p.shared;
}

/** Applies products of 16 outputs of `rows` rows, which still lack 2^56, to output rows `stride` bytes apart. */
function emit(from: usize, rows: i32, out: usize, stride: usize, mode: i32): void {
  const bias = halfBias();
  const end = from + (<usize>rows << 6);
  if (mode == STORE) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(v128.load(from, 0), bias), 0);
      v128.store(out, f32x4.mul(v128.load(from, 16), bias), 16);
      v128.store(out, f32x4.mul(v128.load(from, 32), bias), 32);
      v128.store(out, f32x4.mul(v128.load(from, 48), bias), 48);
    }
  } else if (mode == ADD) {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, madd(v128.load(from, 0), bias, v128.load(out, 0)), 0);
      v128.store(out, madd(v128.load(from, 16), bias, v128.load(out, 16)), 16);
      v128.store(out, madd(v128.load(from, 32), bias, v128.load(out, 32)), 32);
      v128.store(out, madd(v128.load(from, 48), bias, v128.load(out, 48)), 48);
    }
  } else {
    for (; from < end; from += 64, out += stride) {
      v128.store(out, f32x4.mul(silu4(v128.load(out, 0)), f32x4.mul(v128.load(from, 0), bias)), 0);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 16)), f32x4.mul(v128.load(from, 16), bias)), 16);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 32)), f32x4.mul(v128.load(from, 32), bias)), 32);
      v128.store(out, f32x4.mul(silu4(v128.load(out, 48)), f32x4.mul(v128.load(from, 48), bias)), 48);
    }
  }
}

/** Outputs of one group of 16 for all rows. `out`: first row's first output; rows are `stride` bytes apart. */
function groupProduct(
  kind: i32, w: usize, offsets: usize, columns: i32, rows: i32, act: usize, out: usize, stride: usize, mode: i32, thread: i32,
): void {
  const p = plan();
  const blocks = columns >> 5;
  const from = tileOut(thread);
  if (rows == 1) {
    if (kind == Q4) rowQ4(w, blocks, act, from);
    else rowQ8(w, blocks, act + p.groupBytes, offsets, from);
    emit(from, 1, out, stride, mode);
    return;
  }
  const open = openBuffer(thread);
  if (kind == Q4) openQ4(w, blocks, open);
  for (let first = 0; first < rows; first += 4) {
    if (kind == Q4) rowsQ4(open, blocks, act, from);
    else rowsQ8(w, blocks, act + p.groupBytes, offsets, from);
    emit(from, min(4, rows - first), out, stride, mode);
    out += stride << 2;
    act += p.groupBytes + p.groupBytes14;
  }
}

/** Most that a waiting thread reads ahead: an eighth of a small second-level cache. */
const READ_AHEAD: usize = 131072;

/** Ends a phase. For a single row, a thread that waits reads ahead in its own share of the next matrix. */
function meet(kind: i32, w: usize, columns: i32, groups: i32, tileGroups: i32, rows: i32, thread: i32): void {
  const threads = plan().threads;
  const tiles = rows == 1 ? (groups + tileGroups - 1) / tileGroups : 0;
  const first = firstTile(tiles, thread, threads), count = firstTile(tiles, thread + 1, threads) - first;
  const tileBytes = groupBytesOf(kind, columns) * <usize>tileGroups;
  barrier(threads, w + <usize>first * tileBytes, min(<usize>count * tileBytes, READ_AHEAD));
}

// @ts-ignore: decorator
@inline function groupBytesOf(kind: i32, columns: i32): usize {
  return (kind == Q4 ? BLOCK4 : BLOCK8) * <usize>(columns >> 5);
}

/** A phase: all groups of a matrix, `perTile` at a time. `paired`: group 2i is a gate, 2i + 1 what it lets through. */
function product(
  kind: i32, w: usize, offsets: usize, columns: i32, groups: i32, perTile: i32, paired: bool,
  rows: i32, act: usize, out: usize, stride: usize, mode: i32, thread: i32, phase: i32,
): void {
  const threads = plan().threads;
  const groupSize = groupBytesOf(kind, columns);
  const tiles = (groups + perTile - 1) / perTile;
  let taken = 0;
  for (let t = claim(phase, tiles, thread, threads, taken); t >= 0; t = claim(phase, tiles, thread, threads, ++taken)) {
    for (let g = t * perTile; g < min(groups, (t + 1) * perTile); g++) {
      const at = out + (<usize>(paired ? g >> 1 : g) << 6);
      const how = paired ? ((g & 1) ? GATE : STORE) : mode;
      groupProduct(kind, w + <usize>g * groupSize, offsets + (<usize>g << 6), columns, rows, act, at, stride, how, thread);
    }
  }
}

// @ts-ignore: decorator
@inline function rotationOf(row: i32): usize {
  return step().rotation + ((<usize>row * <usize>plan().headSize) << 2);
}

/** Attention of a single row: tasks are (tile, kv head); the one with the last tile stores the row's key and value first. */
function attendRow(layerIndex: i32, thread: i32, phase: i32): void {
  const p = plan();
  const size = p.headSize, headBytes = <usize>size << 2;
  const position = step().position;
  const tiles = position / TILE + 1;
  const perKv = p.heads / p.kvHeads;
  const buffer = headBuffer(thread);
  const keys = p.qkv + <usize>p.heads * headBytes;
  let taken = 0;
  const tasks = tiles * p.kvHeads;
  for (let t = claim(phase, tasks, thread, p.threads, taken); t >= 0; t = claim(phase, tasks, thread, p.threads, ++taken)) {
    const kvHead = t % p.kvHeads, tile = t / p.kvHeads;
    memory.copy(buffer, p.qkv + <usize>(kvHead * perKv) * headBytes, <usize>perKv * headBytes);
    for (let h = 0; h < perKv; h++) rotate(buffer + <usize>h * headBytes, size, rotationOf(0));
    if (tile == tiles - 1) {
      const key = buffer + <usize>perKv * headBytes;
      memory.copy(key, keys + <usize>kvHead * headBytes, headBytes);
      rotate(key, size, rotationOf(0));
      writeKeyValue(layerIndex, kvHead, position, key, keys + <usize>(p.kvHeads + kvHead) * headBytes);
    }
    for (let h = 0; h < perKv; h++) {
      if (p.kvInt8) prepareQueries(buffer + <usize>h * headBytes, 0, 1, attentionScratch(thread));
      const partial = p.partials + <usize>((kvHead * perKv + h) * p.maxTiles + tile) * partialBytes();
      attendHead(layerIndex, kvHead, buffer + <usize>h * headBytes, 0, 1, position, tile, thread, partial, 0);
    }
  }
}

// @ts-ignore: decorator
@inline function attendHead(
  layerIndex: i32, kvHead: i32, query: usize, rowBytes: usize, rows: i32, first: i32, tile: i32, thread: i32,
  partial: usize, rowPartialBytes: usize,
): void {
  if (plan().kvInt8) {
    attendTile(layerIndex, kvHead, rows, first, tile, attentionScratch(thread), partial, rowPartialBytes);
  } else {
    for (let r = 0; r < rows; r++) {
      if ((first + r) / TILE < tile) continue;
      attendTileF32(
        layerIndex, kvHead, query + <usize>r * rowBytes, first + r, tile, attentionScratch(thread),
        partial + <usize>r * rowPartialBytes,
      );
    }
  }
}

/** Several rows: all keys and values are stored before any row attends. */
function storeRows(layerIndex: i32, rows: i32, thread: i32, phase: i32): void {
  const p = plan();
  const size = p.headSize, headBytes = <usize>size << 2;
  const rowBytes = <usize>(p.heads + 2 * p.kvHeads) * headBytes;
  let taken = 0;
  for (let r = claim(phase, rows, thread, p.threads, taken); r >= 0; r = claim(phase, rows, thread, p.threads, ++taken)) {
    const row = p.qkv + <usize>r * rowBytes;
    for (let h = 0; h < p.heads + p.kvHeads; h++) rotate(row + <usize>h * headBytes, size, rotationOf(r));
    for (let h = 0; h < p.kvHeads; h++) {
      const key = row + <usize>(p.heads + h) * headBytes;
      writeKeyValue(layerIndex, h, step().position + r, key, key + <usize>p.kvHeads * headBytes);
    }
  }
}

/** Attention of several rows: tasks are (4 rows, head), the longest first. */
function attendRows(layerIndex: i32, rows: i32, thread: i32, phase: i32): void {
  const p = plan();
  const size = p.headSize, headBytes = <usize>size << 2;
  const rowBytes = <usize>(p.heads + 2 * p.kvHeads) * headBytes;
  const outBytes = <usize>p.heads * headBytes;
  const partials = privatePartials(thread), rowPartials = <usize>p.maxTiles * partialBytes();
  const groups = (rows + 3) >> 2;
  const tasks = groups * p.heads;
  let taken = 0;
  for (let t = claim(phase, tasks, thread, p.threads, taken); t >= 0; t = claim(phase, tasks, thread, p.threads, ++taken)) {
    const head = t % p.heads, row = (groups - 1 - t / p.heads) << 2;
    const count = min(4, rows - row), first = step().position + row;
    const query = p.qkv + <usize>row * rowBytes + <usize>head * headBytes;
    if (p.kvInt8) prepareQueries(query, rowBytes, count, attentionScratch(thread));
    for (let tile = 0; tile <= (first + count - 1) / TILE; tile++) {
      attendHead(
        layerIndex, head / (p.heads / p.kvHeads), query, rowBytes, count, first, tile, thread,
        partials + <usize>tile * partialBytes(), rowPartials,
      );
    }
    for (let r = 0; r < count; r++) {
      combine(
        partials + <usize>r * rowPartials, (first + r) / TILE + 1, size,
        p.attended + <usize>(row + r) * outBytes + <usize>head * headBytes,
      );
    }
  }
}

/** The attended vector of a single row, from the partials of all its heads; every thread for itself. */
function combineRow(thread: i32): usize {
  const p = plan();
  const out = rowBuffer(thread);
  for (let h = 0; h < p.heads; h++) {
    combine(
      p.partials + <usize>(h * p.maxTiles) * partialBytes(), step().position / TILE + 1, p.headSize,
      out + (<usize>(h * p.headSize) << 2),
    );
  }
  return out;
}

/** Groups per claim, so that a phase of a single row has a dozen tiles or more. */
// @ts-ignore: decorator
@inline function perTile(groups: i32, rows: i32): i32 {
  return rows == 1 ? max(1, groups >> 5) : 1;
}

/** Groups of the head per claim. */
const HEAD_TILE: i32 = 16;

/** One layer. Returns the number of phases used. */
function runLayer(index: i32, rows: i32, thread: i32, phase: i32): i32 {
  const p = plan(), l = layer(index);
  const attentionWidth = p.heads * p.headSize;
  const qkvWidth = attentionWidth + 2 * p.kvHeads * p.headSize;
  const hiddenBytes = <usize>p.hidden << 2;
  const qkvGroups = qkvWidth >> 4, hiddenGroups = p.hidden >> 4, ffnGroups = p.ffn >> 3;
  const qkvTile = perTile(qkvGroups, rows), hiddenTile = perTile(hiddenGroups, rows);
  const ffnTile = max(2, perTile(ffnGroups, rows) & ~1);

  let act = prepare(p.x, l.attentionNorm, p.hidden, l.queryKind, rows, thread, phase);
  product(l.queryKind, l.query, l.queryOffsets, p.hidden, qkvGroups, qkvTile, false, rows, act,
    p.qkv, <usize>qkvWidth << 2, STORE, thread, phase + 1);
  meet(l.outputKind, l.output, attentionWidth, hiddenGroups, hiddenTile, rows, thread);

  if (rows == 1) {
    attendRow(index, thread, phase + 2);
    meet(l.outputKind, l.output, attentionWidth, hiddenGroups, hiddenTile, rows, thread);
    act = prepare(combineRow(thread), 0, attentionWidth, l.outputKind, 1, thread, phase + 4);
  } else {
    storeRows(index, rows, thread, phase + 2);
    barrier(p.threads, 0, 0);
    attendRows(index, rows, thread, phase + 3);
    barrier(p.threads, 0, 0);
    act = prepare(p.attended, 0, attentionWidth, l.outputKind, rows, thread, phase + 4);
  }
  product(l.outputKind, l.output, l.outputOffsets, attentionWidth, hiddenGroups, hiddenTile, false, rows, act,
    p.x, hiddenBytes, ADD, thread, phase + 5);
  meet(l.gateUpKind, l.gateUp, p.hidden, ffnGroups, ffnTile, rows, thread);

  act = prepare(p.x, l.ffnNorm, p.hidden, l.gateUpKind, rows, thread, phase + 6);
  product(l.gateUpKind, l.gateUp, l.gateUpOffsets, p.hidden, ffnGroups, ffnTile, true, rows, act,
    p.inner, <usize>p.ffn << 2, STORE, thread, phase + 7);
  meet(l.downKind, l.down, p.ffn, hiddenGroups, hiddenTile, rows, thread);

  act = prepare(p.inner, 0, p.ffn, l.downKind, rows, thread, phase + 8);
  product(l.downKind, l.down, l.downOffsets, p.ffn, hiddenGroups, hiddenTile, false, rows, act,
    p.x, hiddenBytes, ADD, thread, phase + 9);
  if (index + 1 < p.layers) {
    const next = layer(index + 1);
    meet(next.queryKind, next.query, p.hidden, qkvGroups, qkvTile, rows, thread);
  } else {
    meet(p.headKind, p.head, p.hidden, (p.vocab + 15) >> 4, HEAD_TILE, rows, thread);
  }
  return phase + 10;
}

/** Logits of the `wanted` rows, up to 4 at a time. */
function runHead(wanted: i32, thread: i32, phase: i32): void {
  const p = plan(), s = step();
  const groups = (p.vocab + 15) >> 4;
  const stride = <usize>groups << 6;
  for (let first = 0; first < wanted; first += 4) {
    const count = min(4, wanted - first);
    const lanes = count == 1 ? 1 : 4;
    const group = privateGroup(thread);
    for (let i = 0; i < count; i++) {
      const row = load<i32>(s.wantedRows + (<usize>(first + i) << 2));
      prepareRow(p.x + <usize>(row * p.hidden) * 4, p.finalNorm, p.hidden, p.headKind, group, i, lanes, rowBuffer(thread));
    }
    if (p.headKind == Q4) chooseRefined(p.hidden, group, lanes, count);
    product(p.headKind, p.head, p.headOffsets, p.hidden, groups, HEAD_TILE, false, count, group,
      s.logits + <usize>first * stride, stride, STORE, thread, phase + (first >> 2));
    barrier(p.threads, 0, 0);
  }
}

/**
 * The whole step, for one thread. All threads return after the last barrier. Behind it nothing of the step is read: a thread
 * that wakes late from it may find the next step's numbers there.
 */
export function forward(thread: i32): void {
  const rows = step().rows, wanted = step().wanted;
  let phase = 0;
  for (let i = 0; i < plan().layers; i++) phase = runLayer(i, rows, thread, phase);
  runHead(wanted, thread, phase);
}

/** Phases of a step with `wanted` rows of logits: one claim counter each. */
export function phaseCount(wanted: i32): i32 {
  return plan().layers * 10 + ((wanted + 3) >> 2);
}
