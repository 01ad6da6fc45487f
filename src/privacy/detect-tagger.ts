/**
 * A linear tagger for what has no form of its own: names, addresses, organisations, dates of birth. Of each word the
 * weights of its features are summed for every kind, and softmax makes probabilities of the sums. It was trained by
 * `scripts/tagger` on generated texts and hand-written prompts; its weights, four bits each, are a module of their own.
 */
import { wordSet } from './detect-bloom.ts';
import { BUCKETS, featuresOf, type Lexicon, type Reading, readingsOf } from './detect-features.ts';
import { residualRisk } from './detect-residual.ts';
import { type Token, tokensOf } from './detect-tokens.ts';
import type { FindingKind, Span } from './detection.ts';

/** In the order of the weights. */
export const TAGS = [
  'name',
  'address',
  'organisation',
  'date-of-birth',
] as const satisfies readonly FindingKind[];

/** Least probability of being personal: what the curve of the scorecard recommends. */
export const THRESHOLD = 0.2;

/** Between two words of one span. */
const JOINT = /^(?: ?| ?[-.,/'’º°&#]{1,2} ?|\n)$/;
/** Small, common and no name: such words are personal only in the midst of others, and are asked for more. */
const COMMON_WORD = /^x[+~]-$/;
const DATE =
  /\d{1,2}[^\d]{1,3}\d{1,2}(?!\d)|\d{1,2}[.\s]{0,3}(?:de |of )?\p{L}{3,}|\p{L}{3,}\.? \d{1,2}\b|[年월]/u;

export interface Tagger {
  find(text: string): Span[];
  residualRisk(text: string, masked: readonly { start: number; end: number }[]): number;
}

/** What is in the module of weights. */
export interface TaggerData {
  /** [bucket][tag], two's complement of four bits, the low half first, in base64. */
  readonly weights: string;
  /** What the unit of each tag's weights is worth. */
  readonly scales: readonly number[];
  readonly biases: readonly number[];
  /** Bloom filters, in base64. */
  readonly common: string;
  readonly names: string;
}

export async function loadTagger(threshold = THRESHOLD): Promise<Tagger> {
  const { taggerData } = await import('./detect-tagger-data.ts');
  return createTagger(taggerData, threshold);
}

export function createTagger(data: TaggerData, threshold: number): Tagger {
  const weights = unpackWeights(bytesOf(data.weights));
  const lexicon: Lexicon = { common: wordSet(bytesOf(data.common)), names: wordSet(bytesOf(data.names)) };
  return {
    find(text) {
      const tokens = tokensOf(text);
      const readings = readingsOf(tokens, lexicon);
      const chances = tokens.map((_, at) => chancesOf(featuresOf(readings, at)));
      return spansOf(text, tokens, readings, chances, threshold);
    },
    residualRisk: (text, masked) => residualRisk(text, masked, lexicon.common),
  };

  /** The probability of each tag. */
  function chancesOf(features: Int32Array): number[] {
    const sums = [...data.biases];
    for (const feature of features) {
      for (let tag = 0; tag < TAGS.length; tag++)
        sums[tag]! += weights[feature * TAGS.length + tag]! * data.scales[tag]!;
    }
    const powers = sums.map((sum) => Math.exp(Math.min(sum, 50)));
    const total = powers.reduce((a, b) => a + b, 1);
    return powers.map((power) => power / total);
  }
}

interface Tagged extends Span {
  /** Of each tag, over all words of the span. */
  readonly sums: readonly number[];
}

/** Neighbouring words that are personal become one span, if at most a space or a mark is between them. */
function spansOf(
  text: string,
  tokens: readonly Token[],
  readings: readonly Reading[],
  chances: readonly number[][],
  threshold: number,
): Span[] {
  const spans: Tagged[] = [];
  tokens.forEach((token, at) => {
    const all = chances[at]!;
    const personal = all.reduce((a, b) => a + b, 0);
    const asked = COMMON_WORD.test(readings[at]!.sort)
      ? Math.max(threshold, Math.min(0.5, threshold * 3))
      : threshold;
    if (personal < asked || !/[\p{L}\p{N}]/u.test(token.text)) return;
    const before = spans.at(-1);
    if (before === undefined || !JOINT.test(text.slice(before.end, token.start))) {
      spans.push(tagged(token.start, token.end, all, personal));
      return;
    }
    const sums = before.sums.map((sum, tag) => sum + all[tag]!);
    spans[spans.length - 1] = tagged(before.start, token.end, sums, Math.max(before.confidence, personal));
  });
  return spans
    .filter(({ start, end, kind }) => isPlausible(text.slice(start, end), kind))
    .map(({ start, end, kind, source, confidence }) => ({ start, end, kind, source, confidence }));
}

function tagged(start: number, end: number, sums: readonly number[], confidence: number): Tagged {
  const kind = TAGS[sums.indexOf(Math.max(...sums))] ?? 'name';
  return { start, end, kind, source: 'tagger', confidence, sums };
}

/** A date has a day and a month, an address and a name have letters, and a name in Han has two characters at least. */
function isPlausible(text: string, kind: FindingKind): boolean {
  if (kind === 'date-of-birth') return DATE.test(text);
  return /\p{L}/u.test(text) && !/^\p{Script=Han}$|^\p{Script=Hiragana}+$/u.test(text);
}

function unpackWeights(packed: Uint8Array): Int8Array {
  const weights = new Int8Array(BUCKETS * TAGS.length);
  for (let at = 0; at < weights.length; at++) {
    const nibble = (packed[at >> 1]! >> ((at & 1) * 4)) & 15;
    weights[at] = nibble > 7 ? nibble - 16 : nibble;
  }
  return weights;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
