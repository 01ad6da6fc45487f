/**
 * Identity, tax, social security and health numbers, each by its country's own rule. A rule that few numbers pass by
 * chance (two check digits, or a date and one) stands alone. A weak one (one check digit in ten or eleven) needs the way
 * such numbers are written, or a word beside it that says what it is.
 */
import type { Span } from './detection.ts';
import { type DigitGroups, digitGroups } from './detect-digit-groups.ts';
import { longIdSchemes } from './detect-long-ids.ts';
import { type IdScheme, shortIdSchemes } from './detect-short-ids.ts';
import { type LetteredScheme, letteredSchemes } from './detect-lettered-ids.ts';

/** By how many digits they have. */
const schemes = new Map<number, IdScheme[]>();
for (const scheme of [...shortIdSchemes, ...longIdSchemes]) {
  schemes.set(scheme.digits, [...(schemes.get(scheme.digits) ?? []), scheme]);
}
const SHORTEST = 9;
/** How far from a number the word may be that says what it is, in units. */
const BEFORE = 56;
const AFTER = 28;
/** The country code of a telephone number, or a plus sign. */
const INTERNATIONAL = /\+(?:[0-9]{1,3}[ -]?)?$/;

export function findNationalIds(text: string): Span[] {
  return [...numeric(text), ...lettered(text)];
}

function numeric(text: string): Span[] {
  const spans: Span[] = [];
  const lower = text.toLowerCase();
  let free = 0;
  for (const candidate of digitGroups(text, SHORTEST)) {
    if (candidate.start < free) continue;
    const passed = schemes.get(candidate.digits.length)?.filter((one) => passes(one, candidate)) ?? [];
    const scheme =
      passed.find(
        (one) => isWritten(one, candidate) && isNamed(one.words, lower, candidate.start, candidate.end),
      ) ?? passed.find((one) => isTelling(one, candidate, text));
    if (scheme === undefined) continue;
    free = candidate.end;
    spans.push(spanOf(candidate.start, candidate.end, scheme));
  }
  return spans;
}

function passes(scheme: IdScheme, { digits }: DigitGroups): boolean {
  return scheme.test(digits) && !/^(\d)\1+$/.test(digits);
}

/** In its own layout or in none. A strong one that is named may be written in any. */
function isWritten({ strong, layouts, digits }: IdScheme, { layout }: DigitGroups): boolean {
  return strong || layout === String(digits) || layouts.includes(layout);
}

/** Whether a number is one by its looks, with nothing that says so. */
function isTelling(
  { strong, telling, layouts, digits, mixed, partedBy }: IdScheme,
  candidate: DigitGroups,
  text: string,
): boolean {
  const { start, layout, separator, even, flanked } = candidate;
  if (partedBy !== undefined && separator !== null && !partedBy.includes(separator)) return false;
  if (flanked || INTERNATIONAL.test(text.slice(Math.max(0, start - 6), start))) return false;
  if (strong && layout === String(digits)) return true;
  return layouts.includes(layout) && even !== (mixed === true) && (strong || telling === true);
}

function lettered(text: string): Span[] {
  const upper = text.toUpperCase();
  // Some letters have another length in capitals; offsets must hold.
  const source = upper.length === text.length ? upper : text;
  const lower = text.toLowerCase();
  return letteredSchemes.flatMap((scheme) =>
    [...source.matchAll(scheme.pattern)].flatMap((match) => {
      const end = match.index + match[0].length;
      const compact = match[0].replaceAll(/[^0-9A-Z+]/g, '');
      if (!scheme.test(compact, match[0])) return [];
      if (!scheme.strong && !isNamed(scheme.words, lower, match.index, end)) return [];
      return [spanOf(match.index, end, scheme)];
    }),
  );
}

function isNamed(words: LetteredScheme['words'], lower: string, start: number, end: number): boolean {
  return (
    words.test(lower.slice(Math.max(0, start - BEFORE), start)) || words.test(lower.slice(end, end + AFTER))
  );
}

function spanOf(start: number, end: number, { strong, unchecked }: IdScheme | LetteredScheme): Span {
  const source = unchecked === true ? 'pattern' : 'checksum';
  return { start, end, kind: 'national-id', source, confidence: strong ? 0.97 : 0.9 };
}
