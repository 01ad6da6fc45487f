/** Payment cards: the ranges of the issuers, their lengths, and Luhn's check digit. */
import type { Span } from './detection.ts';
import { luhn } from './detect-checksums.ts';
import { type DigitGroups, digitGroups } from './detect-digit-groups.ts';

/** [first digits from, to, lengths], of the issuers that are about (ISO/IEC 7812). */
const ISSUERS: readonly (readonly [from: number, to: number, lengths: readonly number[]])[] = [
  [4, 4, [13, 16, 19]],
  [51, 55, [16]],
  [2221, 2720, [16]],
  [34, 34, [15]],
  [37, 37, [15]],
  [300, 305, [14, 16]],
  [3095, 3095, [14, 16]],
  [36, 36, [14, 16]],
  [38, 39, [14, 16]],
  [6011, 6011, [16, 19]],
  [644, 649, [16, 19]],
  [65, 65, [16, 19]],
  [60, 60, [16]],
  [3528, 3589, [16, 17, 18, 19]],
  [62, 62, [16, 17, 18, 19]],
  [81, 82, [16]],
  [2200, 2204, [16, 17, 18, 19]],
  [9792, 9792, [16]],
  [5018, 5018, [16, 17, 18, 19]],
  [5020, 5020, [16, 17, 18, 19]],
  [5038, 5038, [16, 17, 18, 19]],
  [5893, 5893, [16, 17, 18, 19]],
  [6304, 6304, [16, 17, 18, 19]],
  [6759, 6763, [16, 17, 18, 19]],
];
/** How cards are printed and typed. */
const LAYOUTS =
  /^(?:\d+|4-4-4-[1-4]|4-4-4-4-[1-3]|4-6-[45]|6-\d+|8-8|8-4-4|4-8-4|4-4-8|12-4|4-4-5|4-12|5-5-5|3-4-4-4)$/;
const SHORTEST = 13;
const LONGEST = 19;
const FIRST = /^[2-689]/;

export function isCard(digits: string): boolean {
  return (
    digits.length <= LONGEST &&
    FIRST.test(digits) &&
    ISSUERS.some(([from, to, lengths]) => {
      const head = Number(digits.slice(0, String(from).length));
      return head >= from && head <= to && lengths.includes(digits.length);
    }) &&
    luhn(digits) &&
    !/^(\d)\1+$/.test(digits)
  );
}

export function findCards(text: string): Span[] {
  const spans: Span[] = [];
  let free = 0;
  for (const candidate of digitGroups(text, SHORTEST)) {
    if (candidate.start < free || !isCard(candidate.digits) || !isWrittenAsCard(candidate)) continue;
    free = candidate.end;
    spans.push({ start: candidate.start, end: free, kind: 'card', source: 'checksum', confidence: 0.98 });
  }
  return spans;
}

/** In one of the usual layouts, or in groups of one size, as when each digit is parted from the next. */
function isWrittenAsCard({ layout, even, dotted, flanked }: DigitGroups): boolean {
  if (flanked) return false;
  return LAYOUTS.test(layout) || (even && !dotted && /^(\d)(?:-\1)+(?:-\d)?$/.test(layout));
}
