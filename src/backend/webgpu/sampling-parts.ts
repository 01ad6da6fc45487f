/**
 * What the sampling kernels have in common: a row's parameters, the order of tokens, the noise, and the sizes that the host needs
 * to know.
 *
 * Logits are compared as whole numbers that order as they do, so that NaN and -Infinity never win, no compiler's idea of them
 * matters, and ties are ties. 0 is a token that cannot be picked.
 */
import { STEP_STRUCT } from './step.ts';

/** Tokens of a chunk: 32 for each of 64 threads. */
export const CHUNK = 2048;

/** Words of a row's parameters; see PARAMETERS. */
export const PARAMETER_WORDS = 16;
/** Words of a row's result; see `pickKernel`. */
export const RESULT_WORDS = 16;
/** What a row wants, as bits of its first parameter. */
export const WANTS = { noise: 1, changes: 2, statistics: 4, truncation: 8 } as const;

/** Tokens that a result has room for. */
export const MOST_CANDIDATES = 3;
/** Words of what a chunk has found. */
export const FOUND_WORDS = 12;

/**
 * Sums of noise and scaled logits are within ERROR of those in doubles, by what WGSL promises of log: an absolute 2^-21 between
 * one half and 2, else 3 units in the last place. The inner log is at least 0.06 where it is taken (below that a series is),
 * so the noise is within 2e-5, and logits within 27 of the largest scale to within 6e-6. The rest is reserve.
 */
export const ERROR = 1e-4;

const PARAMETERS = `
struct Parameters {
  wants: u32,
  /** 1 / temperature. */
  scale: f32,
  /** log of min-p. */
  floor: f32,
  /** The key of the noise. */
  first: u32,
  second: u32,
  /** Its part of the changes. */
  changesAt: u32,
  changeCount: u32,
  /** Factors of positive and of other logits of tokens that were seen. */
  above: f32,
  below: f32,
  /** A zero that no compiler knows of. */
  zero: u32,
  /** 0 is off. */
  topK: u32,
  /** 1 is off. */
  topP: f32,
  rest: array<u32, 4>,
}
`;

const bindings = (lines: readonly string[]): string =>
  lines.map((line, i) => `@group(0) @binding(${i + 1}) var<storage, ${line};`).join('\n');

export const samplingHead = (lines: readonly string[]): string => `${STEP_STRUCT}${PARAMETERS}
@group(0) @binding(0) var<uniform> step: Step;
${bindings(lines)}
`;

export const MAIN = `@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32)`;

/** `stride`: floats of a row of logits. */
export const tokens = (stride: number): string => `
const STRIDE = ${stride}u;
const CHUNK = ${CHUNK}u;
const ERROR = ${ERROR};

${ORDER}
fn logitAt(row: u32, id: u32) -> f32 {
  if ((parameters[row].wants & ${WANTS.changes}u) != 0u) { return changed[row * STRIDE + id]; }
  return logits[row * STRIDE + id];
}
`;

/** A token is a rank and an id. */
export const ORDER = `
/** A whole number that is larger for a larger logit, and 0 for one that cannot win. */
fn rank(logit: f32) -> u32 {
  let bits = bitcast<u32>(logit);
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u || bits == 0xff800000u) { return 0u; }
  if (size == 0u) { return 0x80000000u; }
  return select(bits ^ 0x80000000u, ~bits, bits != size);
}
fn logitOf(rank: u32) -> f32 {
  return bitcast<f32>(select(~rank, rank ^ 0x80000000u, rank >= 0x80000000u));
}
/** By rank, then the lower id. */
fn isBetter(a: vec2<u32>, b: vec2<u32>) -> bool { return a.x > b.x || (a.x == b.x && a.y < b.y); }
`;

/** The best of two tokens, and of all threads'. */
export const BETTER = `
fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> { return select(b, a, isBetter(a, b)); }
var<workgroup> bests: array<vec2<u32>, 64>;
fn bestOfAll(t: u32, own: vec2<u32>) -> vec2<u32> {
  bests[t] = own;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (t < half) { bests[t] = better(bests[t], bests[t + half]); }
  }
  return workgroupUniformLoad(&bests[0]);
}
`;

/** The row's best token, from its chunks'. */
export const bestOfRow = (chunks: number): string => `
fn bestOfRow(t: u32, row: u32) -> vec2<u32> {
  var own = vec2<u32>(0u, 0xffffffffu);
  let count = (step.candidates + CHUNK - 1u) / CHUNK;
  for (var chunk = t; chunk < count; chunk += 64u) { own = better(own, best[row * ${chunks}u + chunk]); }
  return bestOfAll(t, own);
}
`;

/** As in ../gumbel.ts: the bits are the same, the logs within ERROR. */
export const NOISE = `
fn scramble(value: u32, first: u32, second: u32) -> u32 {
  var x = (value ^ first) * 0xed5ad4bbu;
  x = (x ^ (x >> 17u) ^ second) * 0xac4c1b51u;
  x = (x ^ (x >> 11u)) * 0x31848babu;
  return x ^ (x >> 14u);
}
fn noiseBits(row: u32, id: u32) -> u32 {
  let first = parameters[row].first;
  let second = parameters[row].second;
  let digit = scramble(id >> 3u, second, first) >> ((id & 7u) << 2u);
  return (digit << 28u) | (scramble(id, first, second) >> 4u);
}
fn noise(row: u32, id: u32) -> f32 {
  let bits = noiseBits(row, id);
  var inner = 0.0;
  if (bits >= 0xf0000000u) {
    // -log(1 - e), where u = 1 - e has no room in an f32.
    let e = (f32(~bits) + 0.5) * 0x1p-32;
    inner = e * (1.0 + e * (1.0 / 2.0 + e * (1.0 / 3.0 + e * (1.0 / 4.0 + e * (1.0 / 5.0 + e * (1.0 / 6.0))))));
  } else {
    inner = -log((f32(bits) + 0.5) * 0x1p-32);
  }
  return -log(inner);
}
`;
