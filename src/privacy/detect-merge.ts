/**
 * Many recognisers see the same text, and their findings overlap. What is masked is the union; where two overlap they
 * become one, of the kind that is surest of itself.
 */
import type { Finding, FindingKind, FindingSource } from './detection.ts';

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

/**
 * As `mergeOverlaps`, but guesses of the tagger fill in only what nothing else has claimed: otherwise one that reaches from a
 * number to the next would make one finding of both.
 */
export function mergeFindings(text: string, findings: readonly Finding[]): Finding[] {
  const claimed = mergeOverlaps(findings.filter(({ source }) => source !== 'tagger'));
  const guesses = mergeOverlaps(findings.filter(({ source }) => source === 'tagger'));
  const left = guesses.flatMap((guess) =>
    unclaimed(guess, claimed).flatMap((piece) => trimmed(text, guess, piece)),
  );
  return [...claimed, ...left]
    .toSorted((a, b) => a.start - b.start)
    .map((finding) => ({ ...finding, text: text.slice(finding.start, finding.end) }));
}

/** What is left of a guess, in order. `claimed` is ascending and apart. */
function unclaimed(guess: Finding, claimed: readonly Finding[]): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  let from = guess.start;
  for (const { start, end } of claimed) {
    if (end <= from || start >= guess.end) continue;
    if (start > from) pieces.push({ start: from, end: start });
    from = Math.max(from, end);
  }
  if (from < guess.end) pieces.push({ start: from, end: guess.end });
  return pieces;
}

/** A guess that was cut, from its first letter or digit to its last, if any are left. */
function trimmed(text: string, guess: Finding, { start, end }: { start: number; end: number }): Finding[] {
  if (start === guess.start && end === guess.end) return [guess];
  const piece = text.slice(start, end);
  const first = /[\p{L}\p{M}\p{N}]/u.exec(piece);
  if (first === null) return [];
  const rest = /[^\p{L}\p{M}\p{N}]*$/u.exec(piece);
  return [{ ...guess, start: start + first.index, end: end - (rest?.[0].length ?? 0) }];
}
