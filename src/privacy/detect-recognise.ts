/**
 * All recognisers that need no data of their own, over the views of one text: plain, as lookalikes read, reversed, and inside
 * encodings. Findings have offsets of the original.
 */
import type { Finding, FindingEncoding, Span } from './detection.ts';
import { findCards } from './detect-cards.ts';
import { findCredentials, RANDOM } from './detect-credentials.ts';
import { findEncoded, MAX_DEPTH } from './detect-encodings.ts';
import { findIbans } from './detect-ibans.ts';
import { findNationalIds } from './detect-national-ids.ts';
import { originOf, type View, viewOf } from './detect-normalise.ts';
import { findLongNumbers, findPatterns } from './detect-patterns.ts';
import type { TermMatcher } from './detect-terms.ts';

/** Finds more in a view than the recognisers do: telephone numbers, names. */
export type Finder = (view: View) => Span[];

export interface Recognisers {
  readonly terms: TermMatcher;
  /** For what stands inside an encoding; the text itself is shown to them by the caller, piece by piece. */
  readonly more: readonly Finder[];
}

/** What a text may decode to in all, as a multiple of its own length: encodings shrink, so that this is never the limit. */
const MAX_DECODED = 2;

/** Shorter texts that something decodes to are shown to strict recognisers only: any few bytes may look like a name. */
const FEWEST_UNITS = 12;

/** Not merged: findings may overlap. */
export function recognise(view: View, recognisers: Recognisers): Finding[] {
  const budget = { units: view.original.length * MAX_DECODED + 1024 };
  return [
    ...inView(view, recognisers.terms)
      .filter(
        (span) => span.confidence !== RANDOM || !findEncoded(view.text.slice(span.start, span.end)).length,
      )
      .map((span) => findingOf(view, span)),
    ...reversed(view, recognisers.terms),
    ...encoded(view, recognisers, 1, budget),
  ];
}

function inView(view: View, terms: TermMatcher): Span[] {
  const text = view.folded;
  return [
    ...findCards(text),
    ...findIbans(text),
    ...findNationalIds(text),
    ...findPatterns(text),
    ...findCredentials(text),
    ...findLongNumbers(text),
    ...terms(view),
  ];
}

/** Strict kinds only: backwards, any text has something that looks like a name. */
function reversed(view: View, terms: TermMatcher): Finding[] {
  const length = view.folded.length;
  const backwards = view.folded.split('').toReversed().join('');
  const text = { ...view, text: view.text.split('').toReversed().join(''), folded: backwards };
  const spans = [
    ...findCards(backwards),
    ...findIbans(backwards),
    ...findNationalIds(backwards),
    ...findPatterns(backwards).filter(({ kind }) => kind === 'email'),
    ...terms(text),
  ];
  return spans.map((span) => ({
    ...findingOf(view, { ...span, start: length - span.end, end: length - span.start }),
    // A check digit says little of a number that was turned round until it fitted.
    source: span.source === 'checksum' ? ('pattern' as const) : span.source,
    encoded: 'reversed' as const,
  }));
}

function encoded(view: View, recognisers: Recognisers, depth: number, budget: { units: number }): Finding[] {
  return findEncoded(view.text).flatMap(({ start, end, encoding, decoded }) => {
    budget.units -= decoded.length;
    if (budget.units < 0) throw new RangeError('The text decodes to more than can be looked at.');
    const inner = viewOf(decoded);
    const spans: { kind: Finding['kind']; source: Finding['source']; confidence: number }[] = [
      ...inView(inner, recognisers.terms),
      ...(decoded.length < FEWEST_UNITS ? [] : recognisers.more.flatMap((find) => find(inner))),
      ...reversed(inner, recognisers.terms),
      ...(depth < MAX_DEPTH ? encoded(inner, recognisers, depth + 1, budget) : []),
    ];
    return spans.map(({ kind, source, confidence }) =>
      findingOf(view, { start, end, kind, source, confidence }, encoding),
    );
  });
}

export function findingOf(view: View, span: Span, encoding?: FindingEncoding): Finding {
  const { start, end } = originOf(view, span.start, span.end);
  const { kind, source, confidence } = span;
  const finding = { start, end, kind, text: view.original.slice(start, end), source, confidence };
  return encoding === undefined ? finding : { ...finding, encoded: encoding };
}
