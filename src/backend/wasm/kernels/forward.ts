/**
 * One step of the model, run by every thread at once: all layers inside one call. A layer of a single row has five
 * phases, each ended by a barrier:
 *   norm, query/key/value | attention | output | norm, gate/up | down
 * A norm of what a block adds is one more. Preparing activations (norm, quantisation) is done by every thread for itself when
 * the step has at most 4 rows; for more it is a phase of its own. Outputs are split between threads, never sums, so the
 * thread count leaves the bits alone.
 */
import { attendRow, attendRows, combineRow, storeRows } from './attend';
import { DOWN, EMBEDDING, GATE, HEAD, OUTPUT, OUTSIDE, QUERY, SKETCH, Segment, layer, plan, segment, step } from './plan';
import { unpackRow } from './packs';
import { ADD, STORE, addNormed, formsOf, gatedProduct, groupsOf, meet, perTile, prepare, product } from './product';
import { barrier, startThreads } from './sync';
import { drawSketch, groupsRead, runWinner, winnerOf } from './winner';

/** Puts the embeddings of the step's ids into x, clears the claims and wakes the threads. Thread 0 only. */
export function beginStep(): void {
  const p = plan(), s = step(), e = segment(OUTSIDE, EMBEDDING);
  for (let r = 0; r < s.rows; r++) {
    const id = load<i32>(s.ids + (<usize>r << 2));
    const out = p.x + <usize>(r * p.hidden) * 4;
    unpackRow(e.kind, e.at + <usize>(id >> 4) * <usize>e.stride, id & 15, p.hidden, out);
    if (p.embeddingScale != 1) scaleRow(out, p.hidden, p.embeddingScale);
  }
  if (p.threads == 1) return;
  memory.fill(p.counters, 0, <usize>(p.counterCount * p.threads) << 6);
  startThreads(p.threads);
}

function scaleRow(x: usize, length: i32, scale: f32): void {
  const factor = f32x4.splat(scale);
  for (const end = x + (<usize>length << 2); x < end; x += 16) v128.store(x, f32x4.mul(v128.load(x), factor));
}

/** A block's last product: added to the stream, or through a norm first. */
function addToStream(
  s: Segment, tile: i32, columns: i32, rows: i32, act: usize, norm: usize, thread: i32, phase: i32,
): void {
  const p = plan(), bytes = <usize>p.hidden << 2;
  if (norm == 0) {
    product(s, 1, tile, columns, rows, act, p.x, bytes, ADD, p.residualScale, thread, phase);
    return;
  }
  product(s, 1, tile, columns, rows, act, p.branch, bytes, STORE, 1, thread, phase);
  barrier(p.threads, 0, 0);
  addNormed(norm, rows, thread, phase + 1);
}

/** Groups of the head per claim. */
const HEAD_TILE: i32 = 16;

/** Counters of a layer: 5 preparations and phases each, attention's second, and two norms. */
const LAYER_PHASES: i32 = 12;

/** One layer. Returns the number of phases used. */
function runLayer(index: i32, rows: i32, thread: i32, phase: i32): i32 {
  const p = plan(), l = layer(index);
  const query = segment(index, QUERY), output = segment(index, OUTPUT), gate = segment(index, GATE), down = segment(index, DOWN);
  const attentionWidth = p.heads * p.headSize;
  const qkvGroups = groupsOf(query, 3);
  const qkvTile = perTile(qkvGroups, rows), outputTile = perTile(output.groups, rows);
  const gateTile = perTile(gate.groups, rows), downTile = perTile(down.groups, rows);

  let act = prepare(p.x, 0, l.attentionNorm, p.hidden, formsOf(query, 3), rows, thread, phase);
  product(query, 3, qkvTile, p.hidden, rows, act, p.qkv, <usize>qkvGroups << 6, STORE, 1, thread, phase + 1);
  meet(output, 1, outputTile, rows, thread);

  if (rows == 1) {
    attendRow(index, thread, phase + 2);
    meet(output, 1, outputTile, rows, thread);
    act = prepare(combineRow(index, thread), 0, 0, attentionWidth, formsOf(output, 1), 1, thread, phase + 4);
  } else {
    storeRows(index, rows, thread, phase + 2);
    barrier(p.threads, 0, 0);
    attendRows(index, rows, thread, phase + 3);
    barrier(p.threads, 0, 0);
    act = prepare(p.attended, 0, 0, attentionWidth, formsOf(output, 1), rows, thread, phase + 4);
  }
  addToStream(output, outputTile, attentionWidth, rows, act, l.postAttentionNorm, thread, phase + 5);
  meet(gate, 1, gateTile, rows, thread);

  act = prepare(p.x, 0, l.ffnNorm, p.hidden, formsOf(gate, 2), rows, thread, phase + 7);
  gatedProduct(gate, gateTile, p.hidden, rows, act, p.inner, <usize>p.ffn << 2, thread, phase + 8);
  meet(down, 1, downTile, rows, thread);

  act = prepare(p.inner, 0, 0, p.ffn, formsOf(down, 1), rows, thread, phase + 9);
  addToStream(down, downTile, p.ffn, rows, act, l.postFfnNorm, thread, phase + 10);
  if (index + 1 < p.layers) meet(segment(index + 1, QUERY), 3, qkvTile, rows, thread);
  else meet(segment(OUTSIDE, step().winner > 0 ? SKETCH : HEAD), 1, HEAD_TILE, rows, thread);
  return phase + LAYER_PHASES;
}

/** Logits of the `wanted` rows: the head is read once for all of them. */
function runHead(wanted: i32, thread: i32, phase: i32): void {
  const p = plan(), s = step(), head = segment(OUTSIDE, HEAD), forms = formsOf(head, 1);
  const stride = <usize>head.groups << 6;
  if (wanted == 0) return;
  const act = prepare(p.x, s.wantedRows, layer(OUTSIDE).attentionNorm, p.hidden, forms, wanted, thread, phase);
  product(head, 1, HEAD_TILE, p.hidden, wanted, act, s.logits, stride, STORE, p.logitScale, thread, phase + 1);
  barrier(p.threads, 0, 0);
}

/**
 * The whole step, for one thread. All threads return after the last barrier. Behind it nothing of the step is read: a thread
 * that wakes late from it may find the next step's numbers there.
 */
export function forward(thread: i32): void {
  const rows = step().rows, wanted = step().wanted, winner = step().winner;
  if (rows > 0) {
    let phase = 0;
    for (let i = 0; i < plan().layers; i++) phase = runLayer(i, rows, thread, phase);
  }
  if (winner > 0) runWinner(thread, headPhase());
  else if (winner < 0) drawSketch(thread, headPhase());
  else runHead(wanted, thread, headPhase());
}

function headPhase(): i32 {
  return plan().layers * LAYER_PHASES;
}

/** Phases of a step: one claim counter each. */
export function phaseCount(): i32 {
  return headPhase() + 3;
}

/** Of a step that asked for a winner: the token, and how many groups of 16 logits were computed for it. */
export function winner(): i32 {
  return winnerOf(headPhase());
}

export function winnerGroups(): i32 {
  return groupsRead(headPhase());
}
