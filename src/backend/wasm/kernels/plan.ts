/**
 * What all threads share, in linear memory: the model (`Plan`, `Layer`), the current step (`Step`) and the addresses
 * of scratch. The page of memory from `PLAN_AT` is written by JavaScript through the setters below; the kernels only
 * read it. Globals of a module are per thread, so nothing of this may live in one.
 *
 * Shapes: T = rows of the step (1..128), H = hidden, Q = heads x head size, V = kv heads x head size, F = ffn.
 */

/** How a matrix is packed. */
export const Q4: i32 = 1;
export const Q8: i32 = 2;

export const PLAN_AT: usize = 1024;
export const LAYERS_AT: usize = 4096;

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

  embedding: usize;
  embeddingKind: i32;
  finalNorm: usize;
  head: usize;
  headKind: i32;
  /** Q8 head: per padded row, what the activations' offset of 8192 adds. */
  headOffsets: usize;

  /** f32 [T][H]: the residual stream. */
  x: usize;
  /** f32 [T][Q + 2V]. */
  qkv: usize;
  /** f32 [T][Q]. */
  attended: usize;
  /** f32 [T][F]. */
  inner: usize;
  /** Quantised activations of all groups of 4 rows, for T > 4. */
  shared: usize;
  /** Bytes of one group's 8-bit activations, scales included; 14-bit ones follow there. */
  groupBytes: i32;
  groupBytes14: i32;
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

@unmanaged
export class Layer {
  attentionNorm: usize;
  query: usize;
  queryKind: i32;
  queryOffsets: usize;
  output: usize;
  outputKind: i32;
  outputOffsets: usize;
  ffnNorm: usize;
  /** Gate and up, alternating by groups of 16 rows. */
  gateUp: usize;
  gateUpKind: i32;
  gateUpOffsets: usize;
  down: usize;
  downKind: i32;
  downOffsets: usize;
}

@unmanaged
export class Step {
  rows: i32;
  /** Position of the first row. */
  position: i32;
  /** i32 [rows] token ids. */
  ids: usize;
  /** f32 [rows][headSize / 2][2]: cosine and sine of each pair. */
  rotation: usize;
  /** usize per 64 positions: the pages of the cache. */
  pages: usize;
  /** How many rows want logits, and which: i32 [wanted]. */
  wanted: i32;
  wantedRows: usize;
  /** f32 [wanted][vocab padded to 16]. */
  logits: usize;
}

export const STEP_AT: usize = 2048;

// @ts-ignore: decorator
@inline export function plan(): Plan {
  return changetype<Plan>(PLAN_AT);
}

// @ts-ignore: decorator
@inline export function layer(index: i32): Layer {
  return changetype<Layer>(LAYERS_AT + <usize>index * offsetof<Layer>());
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

export function setThreads(threads: i32): void {
  plan().threads = threads;
}

export function setEnds(
  embedding: usize, embeddingKind: i32, finalNorm: usize, head: usize, headKind: i32, headOffsets: usize,
): void {
  const p = plan();
  p.embedding = embedding;
  p.embeddingKind = embeddingKind;
  p.finalNorm = finalNorm;
  p.head = head;
  p.headKind = headKind;
  p.headOffsets = headOffsets;
}

export function setBuffers(
  x: usize, qkv: usize, attended: usize, inner: usize, shared: usize, groupBytes: i32, groupBytes14: i32,
  partials: usize, scratch: usize, scratchBytes: i32, counters: usize, counterCount: i32, unitBytes: i32, centres: usize,
): void {
  const p = plan();
  p.x = x;
  p.qkv = qkv;
  p.attended = attended;
  p.inner = inner;
  p.shared = shared;
  p.groupBytes = groupBytes;
  p.groupBytes14 = groupBytes14;
  p.partials = partials;
  p.scratch = scratch;
  p.scratchBytes = scratchBytes;
  p.counters = counters;
  p.counterCount = counterCount;
  p.unitBytes = unitBytes;
  p.centres = centres;
}

export function setLayer(
  index: i32, attentionNorm: usize, query: usize, queryKind: i32, queryOffsets: usize,
  output: usize, outputKind: i32, outputOffsets: usize, ffnNorm: usize,
  gateUp: usize, gateUpKind: i32, gateUpOffsets: usize, down: usize, downKind: i32, downOffsets: usize,
): void {
  const l = layer(index);
  l.attentionNorm = attentionNorm;
  l.query = query;
  l.queryKind = queryKind;
  l.queryOffsets = queryOffsets;
  l.output = output;
  l.outputKind = outputKind;
  l.outputOffsets = outputOffsets;
  l.ffnNorm = ffnNorm;
  l.gateUp = gateUp;
  l.gateUpKind = gateUpKind;
  l.gateUpOffsets = gateUpOffsets;
  l.down = down;
  l.downKind = downKind;
  l.downOffsets = downOffsets;
}

export function layerBytes(): i32 {
  return <i32>offsetof<Layer>();
}

export function setStep(
  rows: i32, position: i32, ids: usize, rotation: usize, pages: usize, wanted: i32, wantedRows: usize, logits: usize,
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
}
