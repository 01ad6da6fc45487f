/** Cosines and sines of rotary positions, worked out in double precision for the rows of a step: a few microseconds each. */
import type { ModelShape } from '../session.ts';

/** Radians per position of each pair of a head. `factors`, where the file has them, divide the frequencies. */
export function ropeFrequencies(shape: ModelShape, factors: Float32Array | undefined): Float64Array {
  const { base, size } = shape.ropes[0]!;
  return Float64Array.from({ length: size / 2 }, (_, i) => base ** ((-2 * i) / size) / (factors?.[i] ?? 1));
}

/** Fills `out` (f32 [rows][pairs][2]: cosine, sine) for consecutive positions from `position`. */
export function writeRotation(frequencies: Float64Array, position: number, out: Float32Array): void {
  const pairs = frequencies.length;
  for (let i = 0; i < out.length / 2; i++) {
    const angle = (position + Math.floor(i / pairs)) * frequencies[i % pairs]!;
    out[2 * i] = Math.cos(angle);
    out[2 * i + 1] = Math.sin(angle);
  }
}
