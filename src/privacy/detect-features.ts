/**
 * What the tagger looks at to judge a word: itself, its neighbours, how they are written, and whether they are common words
 * or names. Each is hashed into one of `BUCKETS` weights; collisions are the price of a small file.
 */
import { hashOf, type WordSet } from './detect-bloom.ts';
import { isKnown } from './detect-residual.ts';
import { caseOf, type Token } from './detect-tokens.ts';

export const BUCKETS = 1 << 15;
/** How far before a word its neighbours count, whatever their order. */
const REACH = 6;

export interface Lexicon {
  readonly common: WordSet;
  readonly names: WordSet;
}

/** A word with all that does not depend on its neighbours. */
export interface Reading {
  readonly lower: string;
  /** Case, whether it is a common word (`+`), made of such (`~`) or not (`-`), and whether it is a name: `C+-`. */
  readonly sort: string;
  readonly shape: string;
}

export function readingsOf(tokens: readonly Token[], { common, names }: Lexicon): Reading[] {
  return tokens.map((token) => {
    const written = caseOf(token);
    const isWord = written !== 'd' && written !== 'p';
    const known = isWord ? commonness(token.lower, common) + (names.has(token.lower) ? '+' : '-') : '';
    return {
      lower: written === 'd' ? token.lower.replaceAll(/\p{N}/gu, '0') : token.lower,
      sort: written === 'p' ? `p${token.text}` : written + known,
      shape: shapeOf(token.text, written),
    };
  });
}

function commonness(word: string, common: WordSet): string {
  if (common.has(word)) return '+';
  return isKnown(word, common) ? '~' : '-';
}

function shapeOf(text: string, written: string): string {
  if (written === 'd') return `d${Math.min(text.length, 6)}`;
  return written + Math.min(text.length, 4);
}

const NONE: Reading = { lower: '^', sort: '^', shape: '^' };

/** The buckets of the features of word `at`, some of them perhaps twice. */
export function featuresOf(readings: readonly Reading[], at: number): Int32Array {
  const near = (offset: number): Reading => readings[at + offset] ?? NONE;
  const [b3, b2, b1, w, a1, a2] = [near(-3), near(-2), near(-1), near(0), near(1), near(2)];
  const { lower } = w;
  const features = [
    `w ${lower}`,
    `-1 ${b1.lower}`,
    `+1 ${a1.lower}`,
    `-2 ${b2.lower}`,
    `+2 ${a2.lower}`,
    `-10 ${b1.lower} ${lower}`,
    `01 ${lower} ${a1.lower}`,
    `-21 ${b2.lower} ${b1.lower}`,
    `-1s ${b1.lower} ${w.sort}`,
    `+1s ${a1.lower} ${w.sort}`,
    `-2s ${b2.lower} ${w.sort}`,
    `-21s ${b2.lower} ${b1.lower} ${w.sort}`,
    `-32 ${b3.lower} ${b2.lower} ${b1.sort}`,
    `s ${w.sort}`,
    `h ${w.shape} ${w.sort}`,
    `s-1 ${b1.sort} ${w.sort}`,
    `s+1 ${w.sort} ${a1.sort}`,
    `s3 ${b1.sort} ${w.sort} ${a1.sort}`,
    `s-2 ${b2.sort} ${b1.sort} ${w.sort}`,
    `s+2 ${w.sort} ${a1.sort} ${a2.sort}`,
    `s5 ${b2.sort} ${b1.sort} ${w.sort} ${a1.sort} ${a2.sort}`,
    `h3 ${b1.shape} ${w.shape} ${a1.shape}`,
    `p2 ${lower.slice(0, 2)}`,
    `p3 ${lower.slice(0, 3)}`,
    `e2 ${lower.slice(-2)}`,
    `e3 ${lower.slice(-3)}`,
    `e4 ${lower.slice(-4)} ${w.sort}`,
    `e3-1 ${b1.lower.slice(-3)} ${w.sort}`,
    `e3+1 ${a1.lower.slice(-3)} ${w.sort}`,
  ];
  for (let offset = -REACH; offset < -2; offset++) {
    const before = near(offset);
    if (before.sort !== '^') features.push(`b ${before.lower} ${w.sort}`);
  }
  return Int32Array.from(features, (feature) => hashOf(feature, 0x5bd1e995) & (BUCKETS - 1));
}
