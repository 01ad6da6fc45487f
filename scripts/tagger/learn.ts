/**
 * Learns the tagger's weights: multinomial logistic regression by stochastic gradient descent with AdaGrad's steps, with
 * weights that are worth little cut to zero, then rounded to four bits.
 */
import { BUCKETS, featuresOf, type Lexicon, readingsOf } from '../../src/privacy/detect-features.ts';
import { TAGS, type TaggerData } from '../../src/privacy/detect-tagger.ts';
import { tokensOf } from '../../src/privacy/detect-tokens.ts';
import type { LabelledText } from './prompts.ts';

export interface Weighted {
  text: LabelledText;
  weight: number;
}

interface Example {
  features: Int32Array;
  /** Index of a tag, or -1 for none. */
  tag: number;
  weight: number;
}

/** What four bits hold. */
const MOST = 7;

export interface LearnOptions {
  epochs: number;
  rate: number;
  /** Pull to zero of each step. */
  decay: number;
  seed: number;
}

export function learn(
  texts: readonly Weighted[],
  lexicon: Lexicon,
  options: LearnOptions,
): Pick<TaggerData, 'scales' | 'biases'> & { weights: Int8Array } {
  const examples = texts.flatMap(({ text, weight }) => examplesOf(text, weight, lexicon));
  const count = TAGS.length;
  const weights = new Float32Array(BUCKETS * count);
  const squares = new Float32Array(BUCKETS * count).fill(1e-2);
  const biases = new Float64Array(count);
  const order = Uint32Array.from(examples, (_, at) => at);
  const sums = new Float64Array(count);
  let state = options.seed;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    for (let at = order.length - 1; at > 0; at--) {
      const other = Math.floor(random() * (at + 1));
      [order[at], order[other]] = [order[other]!, order[at]!];
    }
    for (const index of order) step(examples[index]!);
  }
  return quantise(weights, biases);

  function step({ features, tag, weight }: Example): void {
    sums.set(biases);
    for (const feature of features) for (let c = 0; c < count; c++) sums[c]! += weights[feature * count + c]!;
    const most = Math.max(0, ...sums);
    let total = Math.exp(-most);
    for (let c = 0; c < count; c++) total += sums[c] = Math.exp(sums[c]! - most);
    for (let c = 0; c < count; c++) {
      const error = (sums[c]! / total - (c === tag ? 1 : 0)) * weight;
      if (Math.abs(error) < 1e-3) continue;
      biases[c]! -= 0.002 * error;
      for (const feature of features) {
        const at = feature * count + c;
        const slope = error + options.decay * weights[at]!;
        squares[at]! += slope * slope;
        weights[at]! -= (options.rate * slope) / Math.sqrt(squares[at]!);
      }
    }
  }
}

/** Words of kinds that the recognisers find by their form are no examples. */
function examplesOf({ text, spans }: LabelledText, weight: number, lexicon: Lexicon): Example[] {
  const tokens = tokensOf(text);
  const readings = readingsOf(tokens, lexicon);
  return tokens.flatMap((token, at) => {
    if (!/[\p{L}\p{N}]/u.test(token.text)) return [];
    const span = spans.find(({ start, end }) => start < token.end && end > token.start);
    const tag = span === undefined ? -1 : TAGS.findIndex((name) => name === span.kind);
    if (span !== undefined && tag === -1) return [];
    return [{ features: featuresOf(readings, at), tag, weight }];
  });
}

function quantise(
  weights: Float32Array,
  biases: Float64Array,
): Pick<TaggerData, 'scales' | 'biases'> & { weights: Int8Array } {
  const count = TAGS.length;
  const scales = TAGS.map((_, tag) => {
    const sizes = weights
      .filter((weight, at) => at % count === tag && weight !== 0)
      .map(Math.abs)
      .toSorted();
    return (sizes[Math.floor(sizes.length * 0.998)] ?? 1) / MOST;
  });
  const rounded = Int8Array.from(weights, (weight, at) =>
    Math.max(-MOST, Math.min(MOST, Math.round(weight / scales[at % count]!))),
  );
  return {
    weights: rounded,
    scales: scales.map((scale) => Number(scale.toPrecision(6))),
    biases: Array.from(biases, (bias) => Number(bias.toFixed(4))),
  };
}

/** Two to a byte, the first in the low half. */
export function packWeights(weights: Int8Array): Uint8Array {
  return Uint8Array.from(
    { length: weights.length / 2 },
    (_, at) => (weights[at * 2]! & 15) | ((weights[at * 2 + 1]! & 15) << 4),
  );
}
