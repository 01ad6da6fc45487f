/** The recognisers that arithmetic confirms, at once and by themselves: for whoever must decide in the midst of something. */
import type { Finding } from './detection.ts';
import { findCards } from './detect-cards.ts';
import { findIbans } from './detect-ibans.ts';
import { mergeOverlaps } from './detect-merge.ts';
import { findNationalIds } from './detect-national-ids.ts';
import { originOf, viewOf } from './detect-normalise.ts';

/** Cards, IBANs and national numbers with check digits, as the text reads; encodings are not looked into. */
export function findChecksummed(text: string): Finding[] {
  const view = viewOf(text);
  const spans = [findCards, findIbans, findNationalIds].flatMap((find) => find(view.folded));
  return mergeOverlaps(spans.filter(({ source }) => source === 'checksum')).map((span) => {
    const { start, end } = originOf(view, span.start, span.end);
    return { ...span, start, end, text: text.slice(start, end) };
  });
}
