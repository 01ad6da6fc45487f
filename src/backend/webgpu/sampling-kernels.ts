/**
 * The kernels of sampling: from logits to a few numbers for each row. The vocabulary is cut into chunks, a workgroup for each;
 * `pickKernel` puts a row's chunks together. The rule that makes picks those of the CPU is in sampling.ts.
 */
import { SHARES, STATISTICS } from './sampling-shares.ts';
import {
  BETTER,
  CHUNK,
  FOUND_WORDS,
  MAIN,
  MOST_CANDIDATES,
  NOISE,
  RESULT_WORDS,
  WANTS,
  bestOfRow,
  samplingHead,
  tokens,
} from './sampling-parts.ts';
import { COUNT_WORDS } from './sampling-truncation.ts';

/** A copy of the logits of rows that have changes. Workgroups (chunks, rows). */
export function copyKernel(stride: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read_write> changed: array<f32>'])}
${MAIN} {
  let row = group.y;
  if ((parameters[row].wants & ${WANTS.changes}u) == 0u) { return; }
  let end = min(step.candidates, (group.x + 1u) * ${CHUNK}u);
  for (var id = group.x * ${CHUNK}u + t; id < end; id += 64u) { changed[row * ${stride}u + id] = logits[row * ${stride}u + id]; }
}
`;
}

/**
 * Bias and penalties, an id once a row. changes: [id, bias, what is taken off (f32), 1 if it was seen]. Each operation is
 * rounded as on the CPU: the zero keeps a product and a sum from being made one. Workgroups (changes / 64, rows).
 */
export function changeKernel(stride: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> changes: array<vec4<u32>>', 'read_write> changed: array<f32>'])}
fn settled(x: f32, zero: u32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ zero); }
${MAIN} {
  let row = group.y;
  let i = group.x * 64u + t;
  let own = parameters[row];
  if (i >= own.changeCount) { return; }
  let change = changes[own.changesAt + i];
  if (change.x >= step.candidates) { return; }
  let at = row * ${stride}u + change.x;
  var x = settled(changed[at] + bitcast<f32>(change.y), own.zero);
  if (change.w != 0u) { x = settled(x * select(own.below, own.above, x > 0.0), own.zero); }
  changed[at] = settled(x - bitcast<f32>(change.z), own.zero);
}
`;
}

/** Of each chunk the best token. best: [rows][chunks] of rank and id. Clears the counts of truncation. Workgroups (chunks, rows). */
export function bestKernel(stride: number, chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read> changed: array<f32>', 'read_write> best: array<vec2<u32>>', 'read_write> counts: array<atomic<u32>>'])}
${tokens(stride)}${BETTER}
${MAIN} {
  let row = group.y;
  if (group.x == 0u) {
    for (var i = t; i < ${COUNT_WORDS}u; i += 64u) { atomicStore(&counts[row * ${COUNT_WORDS}u + i], 0u); }
  }
  let end = min(step.candidates, (group.x + 1u) * CHUNK);
  var own = vec2<u32>(0u, 0xffffffffu);
  for (var id = group.x * CHUNK + t; id < end; id += 64u) { own = better(own, vec2<u32>(rank(logitAt(row, id)), id)); }
  own = bestOfAll(t, own);
  if (t == 0u) { best[row * ${chunks}u + group.x] = own; }
}
`;
}

/**
 * Of each chunk the tokens that may have the largest sum. found: [rows][chunks][12]: largest sum of a token that min-p surely
 * keeps, largest sum of all, count (above 3: more than there is room for), and for each token id, sum, 0. Workgroups (chunks, rows).
 */
export function noiseKernel(stride: number, chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read> changed: array<f32>', 'read> best: array<vec2<u32>>', 'read_write> found: array<u32>'])}
${tokens(stride)}${BETTER}${bestOfRow(chunks)}${NOISE}
const NEVER = -1e30;
var<workgroup> sums: array<vec2<f32>, 64>;
var<workgroup> count: atomic<u32>;
fn largestOfAll(t: u32, own: vec2<f32>) -> vec2<f32> {
  sums[t] = own;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (t < half) { sums[t] = max(sums[t], sums[t + half]); }
  }
  return workgroupUniformLoad(&sums[0]);
}
${MAIN} {
  let row = group.y;
  let own = parameters[row];
  if ((own.wants & ${WANTS.noise | WANTS.truncation}u) != ${WANTS.noise}u) { return; }
  let largest = logitOf(bestOfRow(t, row).x);
  let end = min(step.candidates, (group.x + 1u) * CHUNK);
  var sure = NEVER;
  var most = NEVER;
  var next = NEVER;
  var winner = 0u;
  for (var id = group.x * CHUNK + t; id < end; id += 64u) {
    let logit = logitAt(row, id);
    if (rank(logit) == 0u) { continue; }
    let distance = select(logit - largest, 0.0, logit == largest);
    let scaled = distance * own.scale;
    // What is further below cannot win with any noise.
    if (!(scaled >= max(own.floor - ERROR, -27.0))) { continue; }
    let sum = scaled + noise(row, id);
    if (distance == 0.0 || scaled >= own.floor + ERROR) { sure = max(sure, sum); }
    if (sum > most) {
      next = most;
      most = sum;
      winner = id;
    } else { next = max(next, sum); }
  }
  let all = largestOfAll(t, vec2<f32>(sure, most));
  let least = all.x - 2.0 * ERROR;
  let at = (row * ${chunks}u + group.x) * ${FOUND_WORDS}u;
  if (most >= least && most > NEVER) {
    let place = atomicAdd(&count, select(1u, ${MOST_CANDIDATES + 1}u, next >= least && next > NEVER));
    if (place < ${MOST_CANDIDATES}u) {
      found[at + 3u + 3u * place] = winner;
      found[at + 4u + 3u * place] = bitcast<u32>(most);
    }
  }
  workgroupBarrier();
  if (t == 0u) {
    found[at] = bitcast<u32>(all.x);
    found[at + 1u] = bitcast<u32>(all.y);
    found[at + 2u] = atomicLoad(&count);
  }
}
`;
}

/**
 * A row's result, 16 words: count of tokens (0: the row has to be picked from its logits), rank of the largest logit as changed,
 * second largest raw logit, log of the mass relative to the largest, entropy, that logit (f32); from word 6 on id, logit as changed and raw
 * logit of each token. Workgroups (1, rows).
 */
export function pickKernel(stride: number, chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read> changed: array<f32>', 'read> best: array<vec2<u32>>', 'read> found: array<u32>', 'read> shares: array<vec4<f32>>', 'read_write> results: array<u32>'])}
${tokens(stride)}${BETTER}${bestOfRow(chunks)}${SHARES}
var<workgroup> count: atomic<u32>;
var<workgroup> tokensFound: array<u32, ${MOST_CANDIDATES}>;
fn keep(id: u32) {
  let place = atomicAdd(&count, 1u);
  if (place < ${MOST_CANDIDATES}u) { tokensFound[place] = id; }
}
${MAIN} {
  let row = group.y;
  let own = parameters[row];
  let chosen = bestOfRow(t, row);
  let chunkCount = (step.candidates + CHUNK - 1u) / CHUNK;
  let begin = row * ${chunks}u;
  if ((own.wants & ${WANTS.noise}u) == 0u) {
    if (t == 0u && chosen.x != 0u) { keep(chosen.y); }
  } else {
    // Of a truncated row all is in the first.
    let parts = select(chunkCount, 1u, (own.wants & ${WANTS.truncation}u) != 0u);
    var sure = -1e30;
    for (var chunk = 0u; chunk < parts; chunk++) {
      sure = max(sure, bitcast<f32>(found[(begin + chunk) * ${FOUND_WORDS}u]));
    }
    let least = sure - 2.0 * ERROR;
    for (var chunk = t; chunk < parts; chunk += 64u) {
      let at = (begin + chunk) * ${FOUND_WORDS}u;
      if (bitcast<f32>(found[at + 1u]) < least) { continue; }
      let here = found[at + 2u];
      if (here > ${MOST_CANDIDATES}u) { atomicAdd(&count, ${MOST_CANDIDATES + 1}u); }
      for (var i = 0u; i < min(here, ${MOST_CANDIDATES}u); i++) {
        if (bitcast<f32>(found[at + 4u + 3u * i]) >= least) { keep(found[at + 3u + 3u * i]); }
      }
    }
  }
  workgroupBarrier();
  if (t != 0u) { return; }
  let out = row * ${RESULT_WORDS}u;
  let kept = atomicLoad(&count);
  // Infinity has no distances.
  let isFinite = chosen.x != 0u && chosen.x < 0xff800000u;
  let isSettled = kept <= ${MOST_CANDIDATES}u && (isFinite || (own.wants & ${WANTS.noise | WANTS.statistics}u) == 0u);
  results[out] = select(0u, kept, isSettled);
  results[out + 1u] = chosen.x;
  for (var i = 0u; i < min(kept, ${MOST_CANDIDATES}u); i++) {
    let id = tokensFound[i];
    results[out + 6u + 3u * i] = id;
    results[out + 7u + 3u * i] = bitcast<u32>(logitAt(row, id));
    results[out + 8u + 3u * i] = bitcast<u32>(logits[row * STRIDE + id]);
  }
${STATISTICS}
}
`;
}
