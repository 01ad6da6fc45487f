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
/** From this chance on a name is masked wherever it stands. */
const SURE = 0.5;
/** With a capital, and no common word. */
const NAME_LIKE = /^[CXm][~-]|^[CXm]\+\+/;
/** Beside a personal word, this share of the threshold is enough. */
const NEAR = 0.5;
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
  /** How each word is written and known, as in its reading. */
  readonly sorts: readonly string[];
}

/** Neighbouring words that are personal become one span, if at most a space or a mark is between them. */
function spansOf(
  text: string,
  tokens: readonly Token[],
  readings: readonly Reading[],
  chances: readonly number[][],
  threshold: number,
): Span[] {
  const personal = personalWords(text, tokens, readings, chances, threshold);
  const spans: Tagged[] = [];
  tokens.forEach((token, at) => {
    if (!personal[at]) return;
    const all = chances[at]!;
    const chance = sumOf(all);
    const before = spans.at(-1);
    if (before === undefined || !JOINT.test(text.slice(before.end, token.start))) {
      spans.push(tagged(token.start, token.end, all, chance, [readings[at]!.sort]));
      return;
    }
    const sums = before.sums.map((sum, tag) => sum + all[tag]!);
    const sorts = [...before.sorts, readings[at]!.sort];
    spans[spans.length - 1] = tagged(
      before.start,
      token.end,
      sums,
      Math.max(before.confidence, chance),
      sorts,
    );
  });
  return spans
    .filter((span) => isPlausible(text.slice(span.start, span.end), span))
    .map(({ start, end, kind, source, confidence }) => ({ start, end, kind, source, confidence }));
}

/**
 * Which words are personal: those that are likely enough by themselves, wherever else the same name stands, and what adjoins
 * them and is at least a little likely, so that a name or an address is masked to its end.
 */
function personalWords(
  text: string,
  tokens: readonly Token[],
  readings: readonly Reading[],
  chances: readonly number[][],
  threshold: number,
): boolean[] {
  const isWord = tokens.map((token) => /[\p{L}\p{N}]/u.test(token.text));
  const likely = chances.map(sumOf);
  const asked = readings.map(({ sort }) =>
    COMMON_WORD.test(sort) ? Math.max(threshold, Math.min(0.5, threshold * 3)) : threshold,
  );
  const named = new Set(
    tokens
      .filter((_, at) => likely[at]! >= SURE && NAME_LIKE.test(readings[at]!.sort))
      .map((token) => token.text),
  );
  const personal = tokens.map(
    (token, at) => isWord[at]! && (likely[at]! >= asked[at]! || named.has(token.text)),
  );
  const words = tokens.flatMap((_, at) => (isWord[at] ? [at] : []));
  const spread = (order: readonly number[]): void => {
    order.forEach((at, place) => {
      const from = order[place - 1];
      if (from === undefined || personal[at] || !personal[from] || likely[at]! < asked[at]! * NEAR) return;
      const [left, right] = at < from ? [at, from] : [from, at];
      if (JOINT.test(text.slice(tokens[left]!.end, tokens[right]!.start))) personal[at] = true;
    });
  };
  spread(words);
  spread(words.toReversed());
  return personal;
}

function sumOf(chances: readonly number[]): number {
  return chances.reduce((a, b) => a + b, 0);
}

function tagged(
  start: number,
  end: number,
  sums: readonly number[],
  confidence: number,
  sorts: readonly string[],
): Tagged {
  const kind = TAGS[sums.indexOf(Math.max(...sums))] ?? 'name';
  return { start, end, kind, source: 'tagger', confidence, sums, sorts };
}

/**
 * A date has a day and a month; everything else has letters, and more than small common words; an address is more than a
 * number with a common word; a name in Han has two characters at least.
 */
function isPlausible(text: string, { kind, sorts }: Tagged): boolean {
  if (kind === 'date-of-birth') return DATE.test(text);
  if (!/\p{L}/u.test(text) || /^\p{Script=Han}$|^\p{Script=Hiragana}+$/u.test(text)) return false;
  if (sorts.every((sort) => COMMON_WORD.test(sort) || sort.startsWith('d'))) return false;
  return kind !== 'address' || sorts.length > 2 || !sorts.every((sort) => /^[Cx]\+-|^d/.test(sort));
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
