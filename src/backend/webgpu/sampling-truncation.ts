/**
 * Top-k and top-p: three kernels that find the tokens within them without sorting a vocabulary. Tokens are counted by how far
 * they are below the best, in bins of an eighth of a nat; the counts say from which bin on no token can be within; the tokens
 * before it are gathered, sorted, and their masses added up in order. Top-k is exact. The bound of top-p is a sum, so a token very
 * near to it is within or not as doubles have it: a row that depends on such a token is left to be picked from its logits, and so is
 * one with more tokens than there is room for.
 */
import {
  BETTER,
  CHUNK,
  ERROR,
  FOUND_WORDS,
  MAIN,
  MOST_CANDIDATES,
  NOISE,
  ORDER,
  WANTS,
  bestOfRow,
  samplingHead,
  tokens,
} from './sampling-parts.ts';

/** The last bin holds all that is 32 nats or more below the best. */
const BINS = 256;
/** With tokens of 27 nats below the best: what is further cannot win with any noise, and its mass does not count. */
const LAST_BIN = 216;
/** Of a row's counts: bins, then how many tokens were gathered. */
export const COUNT_WORDS = BINS + 1;
/** Tokens of a row that can be sorted: 8 KiB of workgroup memory. */
export const MOST_SORTED = 1024;
/**
 * Relative error of sums of masses: that of their exponents (6e-6), of exp by what WGSL promises (3e-6 at -27), and of the sums. The
 * rest is reserve.
 */
const MASS_ERROR = 5e-5;

const BIN = `
fn scaledOf(logit: f32, largest: f32, scale: f32) -> f32 {
  return select(logit - largest, 0.0, logit == largest) * scale;
}
fn binOf(scaled: f32) -> u32 { return u32(clamp(-8.0 * scaled, 0.0, ${BINS - 1}.0)); }
`;

const IS_TRUNCATED = `(parameters[row].wants & ${WANTS.truncation}u) != 0u`;

/** counts: [rows][COUNT_WORDS], cleared before; masses: f32 [rows][chunks], relative to the best. Workgroups (chunks, rows). */
export function countKernel(stride: number, chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read> changed: array<f32>', 'read> best: array<vec2<u32>>', 'read_write> counts: array<atomic<u32>>', 'read_write> masses: array<f32>'])}
${tokens(stride)}${BETTER}${bestOfRow(chunks)}${BIN}
var<workgroup> bins: array<atomic<u32>, ${BINS}>;
var<workgroup> parts: array<f32, 64>;
${MAIN} {
  let row = group.y;
  if (!(${IS_TRUNCATED})) { return; }
  let largest = logitOf(bestOfRow(t, row).x);
  let end = min(step.candidates, (group.x + 1u) * CHUNK);
  var mass = 0.0;
  for (var id = group.x * CHUNK + t; id < end; id += 64u) {
    let logit = logitAt(row, id);
    if (rank(logit) == 0u) { continue; }
    let scaled = scaledOf(logit, largest, parameters[row].scale);
    atomicAdd(&bins[binOf(scaled)], 1u);
    mass += exp(max(scaled, -80.0));
  }
  parts[t] = mass;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (t < half) { parts[t] += parts[t + half]; }
  }
  for (var i = t; i < ${BINS}u; i += 64u) {
    let count = atomicLoad(&bins[i]);
    if (count > 0u) { atomicAdd(&counts[row * ${COUNT_WORDS}u + i], count); }
  }
  if (t == 0u) { masses[row * ${chunks}u + group.x] = parts[0]; }
}
`;
}

/** listed: rank and id of the tokens that may be within, [rows][MOST_SORTED], in any order. Workgroups (chunks, rows). */
export function gatherKernel(stride: number, chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read> changed: array<f32>', 'read> best: array<vec2<u32>>', 'read_write> counts: array<atomic<u32>>', 'read_write> listed: array<vec2<u32>>'])}
${tokens(stride)}${BETTER}${bestOfRow(chunks)}${BIN}
var<workgroup> lastBin: u32;
/** The last bin that a token within can be in. */
fn findLastBin(row: u32) -> u32 {
  let topK = parameters[row].topK;
  var seen = 0u;
  var least = 0.0;
  var last = ${BINS - 1}u;
  for (var i = 0u; i < ${BINS}u; i++) {
    let count = atomicLoad(&counts[row * ${COUNT_WORDS}u + i]);
    seen += count;
    least += f32(count) * exp(-0.125 * f32(i + 1u));
    if (topK > 0u && seen >= topK) {
      last = i;
      break;
    }
  }
  if (topK > 0u || parameters[row].topP >= 1.0) { return min(last, ${LAST_BIN}u); }
  // From the far end, as long as what is cut off has less than a part of the mass that is surely outside.
  let room = 0.4 * (1.0 - parameters[row].topP) * least;
  var cut = 0.0;
  for (; last > 0u; last--) {
    cut += f32(atomicLoad(&counts[row * ${COUNT_WORDS}u + last])) * exp(-0.125 * f32(last));
    if (cut > room) { break; }
  }
  return min(last, ${LAST_BIN}u);
}
${MAIN} {
  let row = group.y;
  if (!(${IS_TRUNCATED})) { return; }
  let largest = logitOf(bestOfRow(t, row).x);
  if (t == 0u) { lastBin = findLastBin(row); }
  let last = workgroupUniformLoad(&lastBin);
  let end = min(step.candidates, (group.x + 1u) * CHUNK);
  for (var id = group.x * CHUNK + t; id < end; id += 64u) {
    let logit = logitAt(row, id);
    let own = rank(logit);
    if (own == 0u || binOf(scaledOf(logit, largest, parameters[row].scale)) > last) { continue; }
    let place = atomicAdd(&counts[row * ${COUNT_WORDS}u + ${BINS}u], 1u);
    if (place < ${MOST_SORTED}u) { listed[row * ${MOST_SORTED}u + place] = vec2<u32>(own, id); }
  }
}
`;
}

/** Sorting (bitonic, best first) and the largest of all threads' numbers. */
const SORT = `
var<workgroup> sorted: array<vec2<u32>, ${MOST_SORTED}>;
var<workgroup> parts: array<f32, 64>;
var<workgroup> kept: atomic<u32>;
fn sortAll(t: u32) {
  for (var size = 2u; size <= LIMIT; size <<= 1u) {
    for (var apart = size >> 1u; apart > 0u; apart >>= 1u) {
      workgroupBarrier();
      for (var i = t; i < LIMIT / 2u; i += 64u) {
        let low = 2u * i - (i & (apart - 1u));
        let high = low + apart;
        let a = sorted[low];
        let b = sorted[high];
        let isForward = (low & size) == 0u;
        if (isBetter(b, a) == isForward) {
          sorted[low] = b;
          sorted[high] = a;
        }
      }
    }
  }
  workgroupBarrier();
}
fn largestOfAll(t: u32, own: f32) -> f32 {
  parts[t] = own;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (t < half) { parts[t] = max(parts[t], parts[t + half]); }
  }
  return workgroupUniformLoad(&parts[0]);
}
`;

/** Sorts the list and writes what `pickKernel` reads of the row's first chunk, as `noiseKernel` does. Workgroups (1, rows). */
export function sortKernel(chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read_write> counts: array<atomic<u32>>', 'read> masses: array<f32>', 'read> listed: array<vec2<u32>>', 'read_write> found: array<u32>'])}
const LIMIT = ${MOST_SORTED}u;
const ERROR = ${ERROR};
const NEVER = -1e30;
${ORDER}${NOISE}${BIN}
${SORT}
${MAIN} {
  let row = group.y;
  let own = parameters[row];
  if (!(${IS_TRUNCATED})) { return; }
  let at = row * ${chunks}u * ${FOUND_WORDS}u;
  let all = atomicLoad(&counts[row * ${COUNT_WORDS}u + ${BINS}u]);
  for (var i = t; i < LIMIT; i += 64u) {
    sorted[i] = select(vec2<u32>(0u, 0xffffffffu), listed[row * LIMIT + i], i < all);
  }
  sortAll(t);
  let limit = min(all, select(LIMIT, own.topK, own.topK > 0u));
  let largest = logitOf(sorted[0].x);
  // Each thread has sixteen tokens in a row; before them is the mass of the threads before it.
  var mass = 0.0;
  for (var i = 16u * t; i < min(limit, 16u * t + 16u); i++) {
    mass += exp(max(scaledOf(logitOf(sorted[i].x), largest, own.scale), -80.0));
  }
  parts[t] = mass;
  workgroupBarrier();
  var before = 0.0;
  var total = 0.0;
  for (var i = 0u; i < 64u; i++) {
    if (i == t) { before = total; }
    total += parts[i];
  }
  if (own.topK == 0u) {
    total = 0.0;
    for (var chunk = 0u; chunk < (step.candidates + ${CHUNK - 1}u) / ${CHUNK}u; chunk++) {
      total += masses[row * ${chunks}u + chunk];
    }
  }
  workgroupBarrier();
  let bound = own.topP * total;
  var sure = NEVER;
  var most = NEVER;
  var next = NEVER;
  var winner = 0u;
  var isDoubtful = false;
  for (var i = 16u * t; i < min(limit, 16u * t + 16u); i++) {
    let id = sorted[i].y;
    let scaled = scaledOf(logitOf(sorted[i].x), largest, own.scale);
    let isFirst = i == 0u || own.topP >= 1.0;
    let isWithin = isFirst || before < bound * (1.0 - ${MASS_ERROR});
    let mayBeWithin = isFirst || before < bound * (1.0 + ${MASS_ERROR});
    before += exp(max(scaled, -80.0));
    if (!mayBeWithin || !(scaled >= max(own.floor - ERROR, -27.0))) { continue; }
    let sum = scaled + noise(row, id);
    if (isWithin && (sorted[i].x == sorted[0].x || scaled >= own.floor + ERROR)) { sure = max(sure, sum); }
    if (sum > most) {
      next = most;
      most = sum;
      winner = id;
      isDoubtful = !isWithin;
    } else { next = max(next, sum); }
  }
  let best = largestOfAll(t, sure);
  let least = best - 2.0 * ERROR;
  if (most >= least && most > NEVER) {
    let isMany = isDoubtful || (next >= least && next > NEVER);
    let place = atomicAdd(&kept, select(1u, ${MOST_CANDIDATES + 1}u, isMany));
    if (place < ${MOST_CANDIDATES}u) {
      found[at + 3u + 3u * place] = winner;
      found[at + 4u + 3u * place] = bitcast<u32>(most);
    }
  }
  workgroupBarrier();
  if (t == 0u) {
    found[at] = bitcast<u32>(best);
    found[at + 1u] = bitcast<u32>(1e30);
    found[at + 2u] = select(atomicLoad(&kept), ${MOST_CANDIDATES + 1}u, all > LIMIT);
  }
}
`;
}
