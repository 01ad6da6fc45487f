/**
 * Many recognisers see the same text, and their findings overlap. What is masked is the union; where two overlap they
 * become one, of the kind that is surest of itself.
 */
import type { FindingKind, FindingSource } from './detection.ts';

interface Overlapping {
  readonly start: number;
  readonly end: number;
  readonly kind: FindingKind;
  readonly source: FindingSource;
  readonly confidence: number;
}

/** What counts first where findings overlap: the user's word, then arithmetic, then the rest. */
const RANK: Record<FindingSource, number> = { term: 3, checksum: 2, pattern: 1, phone: 1, tagger: 0 };
/** Digits of which nothing is known give way to whatever is. */
const LAST: FindingKind = 'number';

/** Ascending and apart. Each keeps the fields of the one that ranks first and covers all that overlap with it. */
export function mergeOverlaps<T extends Overlapping>(spans: readonly T[]): T[] {
  const merged: T[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const before = merged.at(-1);
    if (before === undefined || span.start >= before.end) {
      merged.push(span);
      continue;
    }
    const winner = outranks(span, before) ? span : before;
    merged[merged.length - 1] = { ...winner, start: before.start, end: Math.max(before.end, span.end) };
  }
  return merged;
}

function outranks(a: Overlapping, b: Overlapping): boolean {
  const [first, second] = [weight(a), weight(b)];
  return first > second;
}

/** A guess that is unsure of itself never renames what was recognised by its form. */
function weight({ kind, source, confidence, start, end }: Overlapping): number {
  return (
    (kind === LAST ? -1 : RANK[source]) * 10 +
    Math.round(confidence * 9) +
    Math.min(0.9, (end - start) / 1000)
  );
}
