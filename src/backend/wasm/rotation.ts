/** Cosines and sines of rotary positions, worked out in double precision for the rows of a step: a few microseconds each. */
import type { ModelShape } from '../session.ts';

const frequencies = new WeakMap<ModelShape, Float64Array>();

/** Angle per position of each pair of a head. */
function frequenciesOf(shape: ModelShape): Float64Array {
  const known = frequencies.get(shape);
  if (known) return known;
  const { base, size, frequencyFactors } = shape.rope;
  const made = Float64Array.from(
    { length: size / 2 },
    (_, i) => base ** ((-2 * i) / size) / (frequencyFactors?.[i] ?? 1),
  );
  frequencies.set(shape, made);
  return made;
}

/** Fills `out` (f32 [rows][size / 2][2]: cosine, sine) for consecutive positions from `position`. */
export function writeRotation(shape: ModelShape, position: number, out: Float32Array): void {
  const angles = frequenciesOf(shape);
  for (let i = 0; i < out.length; i += 2) {
    const pair = (i / 2) % angles.length;
    const angle = (position + Math.floor(i / 2 / angles.length)) * angles[pair]!;
    out[i] = Math.cos(angle);
    out[i + 1] = Math.sin(angle);
  }
}
