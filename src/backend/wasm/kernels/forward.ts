/**
 * One step of the model, run by every thread at once: all layers inside one call. A layer of a single row has five
 * phases, each ended by a barrier:
 *   norm, query/key/value | attention | output | norm, gate/up | down
 * Preparing activations (norm, quantisation) is done by every thread for itself when the step has at most 4 rows; for more
 * it is a phase of its own. Outputs are split between threads, never sums, so the thread count leaves the bits alone.
 */
import { attendRow, attendRows, combineRow, storeRows } from './attend';
import { Q4, layer, plan, step } from './plan';
import { ADD, STORE, meet, prepare, prepareRow, product } from './product';
import { chooseRefined } from './quantize';
import { unpackRowQ4 } from './q4';
import { unpackRowQ8 } from './q8';
import { barrier, startThreads } from './sync';
import { privateGroup, rowBuffer } from './workspace';

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
