/** What the sampling kernels have in common: a row's parameters, and the sizes that the host needs to know. */
import { STEP_STRUCT } from './step.ts';

/** Tokens of a chunk: 32 for each of 64 threads. */
export const CHUNK = 2048;

/** Words of a row's parameters; see PARAMETERS. */
export const PARAMETER_WORDS = 16;
/** Words of a row's result; see `pickKernel`. */
export const RESULT_WORDS = 16;
/** What a row wants, as bits of its first parameter. */
export const WANTS = { noise: 1, changes: 2, statistics: 4 } as const;

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
  rest: array<u32, 6>,
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
