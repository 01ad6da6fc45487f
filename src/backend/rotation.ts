/**
 * Cosines and sines of rotary positions, worked out in double precision for the rows of a step: a few microseconds each. The
 * scalings are those of ggml (`rope_yarn`), the kernels see only the table.
 */
import { assert } from '../errors.ts';
import type { RopeScaling, RopeShape } from './session.ts';

/** How one kind of layer rotates. */
export interface Rotation {
  /** Radians per position of each pair of a head. */
  frequencies: Float64Array;
  /** Cosines and sines are multiplied by it. */
  magnitude: number;
  pairs: RopeShape['pairs'];
}

/** Factors that the file has: they divide the frequencies. `long` and `short` are for the scaling of that name. */
export interface RopeFactors {
  plain: Float32Array | undefined;
  long: Float32Array | undefined;
  short: Float32Array | undefined;
}

/** For sessions of a context of `context` tokens. */
export function rotationOf(rope: RopeShape, factors: RopeFactors, context: number): Rotation {
  const { base, size, pairs, scaling } = rope;
  const divisors = scaling.kind === 'long' ? longFactors(scaling, factors, context) : factors.plain;
  const frequencies = Float64Array.from(
    { length: size / 2 },
    (_, i) => (base ** ((-2 * i) / size) / (divisors?.[i] ?? 1)) * stretch(rope, i),
  );
  return { frequencies, magnitude: magnitudeOf(scaling), pairs };
}

function longFactors(
  { originalContext }: Extract<RopeScaling, { kind: 'long' }>,
  { long, short }: RopeFactors,
  context: number,
): Float32Array {
  const factors = context > originalContext ? long : short;
  assert(factors, 'a model with long positions has factors for them');
  return factors;
}

/** What a pair's frequency is multiplied by. */
function stretch({ base, size, scaling }: RopeShape, pair: number): number {
  if (scaling.kind === 'linear') return 1 / scaling.factor;
  if (scaling.kind !== 'yarn') return 1;
  const { factor, originalContext, extrapolation, betaFast, betaSlow } = scaling;
  /** The pair that turns `turns` times within the original context. */
  const pairTurning = (turns: number): number =>
    (size * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(pairTurning(betaFast)));
  const high = Math.min(size - 1, Math.ceil(pairTurning(betaSlow)));
  const ramp = Math.min(1, Math.max(0, (pair - low) / Math.max(0.001, high - low)));
  const unscaled = (1 - ramp) * extrapolation;
  return (1 - unscaled) / factor + unscaled;
}

function magnitudeOf(scaling: RopeScaling): number {
  if (scaling.kind === 'long') return scaling.attention;
  if (scaling.kind !== 'yarn') return 1;
  return scaling.attention * (scaling.extrapolation === 0 ? 1 : 1 + 0.1 * Math.log(scaling.factor));
}

/**
 * Fills `out` for consecutive positions from `position`, a row each: cosine and sine of each pair in turn where neighbours are
 * pairs, else all cosines and then all sines.
 */
export function writeRotation(
  { frequencies, magnitude, pairs }: Rotation,
  position: number,
  out: Float32Array,
): void {
  const count = frequencies.length;
  const [step, apart] = pairs === 'neighbours' ? [2, 1] : [1, count];
  for (let row = 0; row < out.length; row += 2 * count) {
    const at = position + row / (2 * count);
    for (let i = 0; i < count; i++) {
      const angle = at * frequencies[i]!;
      out[row + i * step] = Math.cos(angle) * magnitude;
      out[row + i * step + apart] = Math.sin(angle) * magnitude;
    }
  }
}

/** The pair that a dim of a head belongs to, -1 if it is not rotated. */
export function pairOf({ frequencies, pairs }: Rotation, dim: number): number {
  const count = frequencies.length;
  if (dim >= 2 * count) return -1;
  return pairs === 'neighbours' ? dim >> 1 : dim % count;
}
