/**
 * Rotary positions of the reference forward pass, with the scalings as ggml defines them (`ggml_rope_ext`, `rope_yarn`), in
 * doubles. Written from the definition, apart from what the backends do.
 */
import type { ModelShape, RopeShape } from '../../src/backend/session.ts';

/** Of the file's tensors. */
export interface RopeFactors {
  plain: Float32Array | undefined;
  long: Float32Array | undefined;
  short: Float32Array | undefined;
}

/** Turns each pair of each head. Sessions are taken to have the model's whole context. */
export function rotate(
  x: Float32Array,
  { headSize, contextLength }: ModelShape,
  rope: RopeShape | undefined,
  position: number,
  factors: RopeFactors,
): Float32Array {
  const out = x.slice();
  if (!rope) return out;
  const half = rope.size / 2;
  for (let i = 0; i < half; i++) {
    const [angle, magnitude] = turnOf(rope, i, position, factors, contextLength);
    const [cosine, sine] = [magnitude * Math.cos(angle), magnitude * Math.sin(angle)];
    for (let head = 0; head < x.length; head += headSize) {
      const first = head + (rope.pairs === 'neighbours' ? 2 * i : i);
      const second = rope.pairs === 'neighbours' ? first + 1 : first + half;
      out[first] = x[first]! * cosine - x[second]! * sine;
      out[second] = x[first]! * sine + x[second]! * cosine;
    }
  }
  return out;
}

function turnOf(
  { base, size, scaling }: RopeShape,
  pair: number,
  position: number,
  factors: RopeFactors,
  contextLength: number,
): [angle: number, magnitude: number] {
  const plain = position * base ** ((-2 * pair) / size);
  switch (scaling.kind) {
    case 'none':
      return [plain / (factors.plain?.[pair] ?? 1), 1];
    case 'linear':
      return [plain / (factors.plain?.[pair] ?? 1) / scaling.factor, 1];
    case 'long': {
      const chosen = contextLength > scaling.originalContext ? factors.long : factors.short;
      return [plain / chosen![pair]!, scaling.attention];
    }
    case 'yarn': {
      const { factor, originalContext, extrapolation, attention, betaFast, betaSlow } = scaling;
      const dimension = (turns: number): number =>
        (size * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(base));
      const low = Math.max(0, Math.floor(dimension(betaFast)));
      const high = Math.min(size - 1, Math.ceil(dimension(betaSlow)));
      const ramp = 1 - Math.min(1, Math.max(0, (pair - low) / Math.max(0.001, high - low)));
      const extrapolated = plain / (factors.plain?.[pair] ?? 1);
      const interpolated = extrapolated / factor;
      const mix = ramp * extrapolation;
      const angle = interpolated * (1 - mix) + extrapolated * mix;
      return [angle, extrapolation === 0 ? attention : attention * (1 + 0.1 * Math.log(factor))];
    }
    default:
      return scaling satisfies never;
  }
}
