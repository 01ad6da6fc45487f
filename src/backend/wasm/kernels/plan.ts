/**
 * What all threads share, in linear memory: the model (`Plan`, and a record of each layer), the current step (`Step`) and the
 * addresses of scratch. Written by JavaScript through the setters below; the kernels only read it. Globals of a module are
 * per thread, so nothing of this may live in one.
 *
 * Shapes: T = rows of the step (1..128), H = hidden, Q = heads x head size, V = kv heads x head size, F = ffn.
 */

export const PLAN_AT: usize = 1024;

@unmanaged
export class Plan {
  layers: i32;
  hidden: i32;
  heads: i32;
  kvHeads: i32;
  headSize: i32;
  ffn: i32;
  vocab: i32;
  epsilon: f32;
  /** 1 keys and values are int8, 0 f32. */
  kvInt8: i32;
  threads: i32;
  maxTiles: i32;
  /** 1 the gate goes through gelu, 0 through SiLU. */
  gelu: i32;
  /** Factors: of embedding rows, of scores, of what a block adds to the stream, of logits. */
  embeddingScale: f32;
  attentionScale: f32;
  residualScale: f32;
  logitScale: f32;

  /** Where the forms of activations (packs.ts) lie in those of a group of 4 rows, and bytes of a group. 8 bits come first. */
  form14: i32;
  formFloats: i32;
  actBytes: i32;
  /** Bytes of the largest opened group of weights. */
  openBytes: i32;

  /** The record of what is outside the layers; those of the layers follow. */
  records: usize;
  /** f32 [T][H]: the residual stream. */
  x: usize;
  /** f32 [T][H]: what a block adds, where it has a norm of its own; else 0. */
  branch: usize;
  /** f32 [T][Q + 2V]. */
  qkv: usize;
  /** f32 [T][Q]. */
  attended: usize;
  /** f32 [T][F]. */
  inner: usize;
  /** Activations of all groups of 4 rows, for T > 4. */
  shared: usize;
  /** Attention partials of a single row: [heads][maxTiles][4 + headSize] f32. */
  partials: usize;
  /** Private scratch of thread t: scratch + t x scratchBytes. */
  scratch: usize;
  scratchBytes: i32;
  /** Claim counters of each phase and thread, one cache line each. */
  counters: usize;
  counterCount: i32;
  /** Bytes of one (layer, kv head) in a page of 64 positions. */
  unitBytes: i32;
  /** f32 [layers][kvHeads][headSize]: what is taken off every key before it becomes int8. */
  centres: usize;
}

/** A matrix as packed: groups of 16 outputs, `stride` bytes from one to the next. */
@unmanaged
export class Segment {
  at: usize;
  /** Of packs.ts. */
  kind: i32;
  stride: i32;
  groups: i32;
  /** f32 [groups][16] where the kind meets 14-bit activations: what their offset of 8192 adds. */
  offsets: usize;
  /** f32 [groups][16], added to the products; 0 if there is none. */
  bias: usize;
}

/** A record without its segments. Vectors are f32 and 0 where the model has none. Outside the layers, the first is the final norm. */
@unmanaged
export class Layer {
  attentionNorm: usize;
  ffnNorm: usize;
  /** [headSize]: of each head by itself, before the rotation. */
  queryNorm: usize;
  keyNorm: usize;
  /** Of what a block adds to the stream. */
  postAttentionNorm: usize;
  postFfnNorm: usize;
  /** [kvHeads][headSize]: int8 keys are multiplied by the one, their queries by the other, its inverse. */
  keySmoothing: usize;
  querySmoothing: usize;
  /** A row sees itself and the `window - 1` positions before it; 0 is all of them. */
  window: i32;
  /** Rotated dimensions of a head; 0 is none. */
  ropeSize: i32;
  /** 1 dims i and i + ropeSize / 2 are a pair, 0 neighbours are. */
  ropeHalves: i32;
  /** Where the rotations of the layer's kind lie in those of the step, in bytes. */
  rotation: i32;
}

/** The segments of a layer, behind its vectors. Query, key and value run as one; gate and up alternate by groups. */
export const QUERY: i32 = 0;
export const KEY: i32 = 1;
export const VALUE: i32 = 2;
export const OUTPUT: i32 = 3;
export const GATE: i32 = 4;
export const UP: i32 = 5;
export const DOWN: i32 = 6;
const SEGMENTS: i32 = 7;

/** Those outside the layers, in the record of "layer" -1. */
export const OUTSIDE: i32 = -1;
export const EMBEDDING: i32 = 0;
export const HEAD: i32 = 1;
/** Of the head (sketch.ts): `offsets` are the weights that it was drawn with, `bias` its bounds. */
export const SKETCH: i32 = 2;

@unmanaged
export class Step {
  /** 0: no layer is run, the rows of the last step are still there. */
  rows: i32;
  /** Position of the first row. */
  position: i32;
  /** i32 [rows] token ids. */
  ids: usize;
  /** For each kind of rotary positions f32 [rows][ropeSize]: cosine and sine of each pair, or all cosines and then all sines. */
  rotation: usize;
  /** usize per 64 positions: the pages of the cache. */
  pages: usize;
  /** How many rows want logits, and which: i32 [wanted]. */
  wanted: i32;
  wantedRows: usize;
  /** f32 [wanted][vocab padded to 16]. */
  logits: usize;
  /** 1 attention reads the upper four bits of int8 keys and values only, 0 all of them. */
  coarse: i32;
  /**
   * Above 0: of the one row that wants logits only the best of the first so many tokens is asked for, and the sketch of the head is
   * there. Below: that sketch is drawn.
   */
  winner: i32;
}

export const STEP_AT: usize = 2048;

// @ts-ignore: decorator
@inline export function plan(): Plan {
  return changetype<Plan>(PLAN_AT);
}

// @ts-ignore: decorator
@inline export function layer(index: i32): Layer {
  return changetype<Layer>(plan().records + <usize>(index + 1) * <usize>recordBytes());
}

/** Segment `which` of a layer. */
// @ts-ignore: decorator
@inline export function segment(index: i32, which: i32): Segment {
  return changetype<Segment>(changetype<usize>(layer(index)) + offsetof<Layer>() + <usize>which * offsetof<Segment>());
}

/** The segment behind `s`. */
// @ts-ignore: decorator
@inline export function following(s: Segment): Segment {
  return changetype<Segment>(changetype<usize>(s) + offsetof<Segment>());
}

// @ts-ignore: decorator
@inline export function step(): Step {
  return changetype<Step>(STEP_AT);
}

export function setShape(
  layers: i32, hidden: i32, heads: i32, kvHeads: i32, headSize: i32, ffn: i32, vocab: i32, epsilon: f32,
  kvInt8: i32, threads: i32, maxTiles: i32,
): void {
  const p = plan();
  p.layers = layers;
  p.hidden = hidden;
  p.heads = heads;
  p.kvHeads = kvHeads;
  p.headSize = headSize;
  p.ffn = ffn;
  p.vocab = vocab;
  p.epsilon = epsilon;
  p.kvInt8 = kvInt8;
  p.threads = threads;
  p.maxTiles = maxTiles;
}

export function setArithmetic(
  gelu: i32, embeddingScale: f32, attentionScale: f32, residualScale: f32, logitScale: f32,
): void {
  const p = plan();
  p.gelu = gelu;
  p.embeddingScale = embeddingScale;
  p.attentionScale = attentionScale;
  p.residualScale = residualScale;
  p.logitScale = logitScale;
}

export function setThreads(threads: i32): void {
  plan().threads = threads;
}

export function setBuffers(
  x: usize, branch: usize, qkv: usize, attended: usize, inner: usize, shared: usize, partials: usize, scratch: usize, scratchBytes: i32,
  counters: usize, counterCount: i32, unitBytes: i32, centres: usize,
): void {
  const p = plan();
  p.x = x;
  p.branch = branch;
  p.qkv = qkv;
  p.attended = attended;
  p.inner = inner;
  p.shared = shared;
  p.partials = partials;
  p.scratch = scratch;
  p.scratchBytes = scratchBytes;
  p.counters = counters;
  p.counterCount = counterCount;
  p.unitBytes = unitBytes;
  p.centres = centres;
}

/** Bytes of the record of a layer. */
export function recordBytes(): i32 {
  return <i32>offsetof<Layer>() + SEGMENTS * <i32>offsetof<Segment>();
}

/** Where the records are: one more than there are layers. */
export function setRecords(records: usize): void {
  plan().records = records;
}

export function setSegment(
  index: i32, which: i32, at: usize, kind: i32, stride: i32, groups: i32, offsets: usize, bias: usize,
): void {
  const s = segment(index, which);
  s.at = at;
  s.kind = kind;
  s.stride = stride;
  s.groups = groups;
  s.offsets = offsets;
  s.bias = bias;
}

/** Vector `which` of a record, by the order of `Layer`. */
export function setVector(index: i32, which: i32, at: usize): void {
  store<usize>(changetype<usize>(layer(index)) + (<usize>which << 2), at);
}

export function setAttention(index: i32, window: i32, ropeSize: i32, ropeHalves: i32, rotation: i32): void {
  const l = layer(index);
  l.window = window;
  l.ropeSize = ropeSize;
  l.ropeHalves = ropeHalves;
  l.rotation = rotation;
}

export function setStep(
  rows: i32, position: i32, ids: usize, rotation: usize, pages: usize, wanted: i32, wantedRows: usize, logits: usize,
  coarse: i32, winner: i32,
): void {
  const s = step();
  s.rows = rows;
  s.position = position;
  s.ids = ids;
  s.rotation = rotation;
  s.pages = pages;
  s.wanted = wanted;
  s.wantedRows = wantedRows;
  s.logits = logits;
  s.coarse = coarse;
  s.winner = winner;
}
