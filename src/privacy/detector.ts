/**
 * The detector: recognisers, telephone numbers and the tagger over one text, and what may be left when all they find is
 * masked. Metadata and weights are loaded once, when the first detector is made. A detector that fails, or has no answer in
 * time, rejects: its caller takes the text for sensitive.
 */
import { SelvedgeError } from '../errors.ts';
import { mergeFindings } from './detect-merge.ts';
import { viewOf } from './detect-normalise.ts';
import { loadPhoneFinder } from './detect-phones.ts';
import { type Finder, findingOf, recognise } from './detect-recognise.ts';
import { loadTagger } from './detect-tagger.ts';
import { createTermMatcher, type TermMatcher } from './detect-terms.ts';
import type { Detection, DetectOptions, Detector } from './detection.ts';

export interface DetectorOptions {
  /** Least probability of being personal at which the tagger reports a word, 0 to 1. */
  threshold?: number | undefined;
  /** How long a text may take. */
  timeLimitMs?: number | undefined;
  now?: (() => number) | undefined;
}

/** Pieces of this many units are looked at by themselves, with an overlap in which each finding is whole in one of them. */
const PIECE = 8192;
const OVERLAP = 512;
const KEPT = 256;
const TIME_LIMIT_MS = 5000;

export async function createDetector(options: DetectorOptions = {}): Promise<Detector> {
  const { timeLimitMs = TIME_LIMIT_MS, now = () => performance.now() } = options;
  const [phones, tagger] = await Promise.all([loadPhoneFinder(), loadTagger(options.threshold)]);
  const more: Finder[] = [(view) => phones(view.folded), (view) => tagger.find(view.text)];
  const kept = new Map<string, Detection>();
  let matcher: { key: string; terms: TermMatcher } = { key: '[]', terms: createTermMatcher([]) };

  return {
    async detect(text: string, { terms = [], signal }: DetectOptions = {}) {
      signal?.throwIfAborted();
      const key = JSON.stringify(terms);
      if (matcher.key !== key) matcher = { key, terms: createTermMatcher(terms) };
      const name = `${key}\n${text}`;
      const before = kept.get(name);
      kept.delete(name);
      const detection = before ?? (await look(text, matcher.terms, signal));
      kept.set(name, detection);
      for (const oldest of kept.keys()) {
        if (kept.size <= KEPT) break;
        kept.delete(oldest);
      }
      return detection;
    },
  };

  async function look(text: string, terms: TermMatcher, signal: AbortSignal | undefined): Promise<Detection> {
    const begin = now();
    // At once, because an encoding or a key may be of any length.
    const found = recognise(viewOf(text), { terms, more });
    for (const { start, end } of piecesOf(text)) {
      if (start > 0) await breath();
      signal?.throwIfAborted();
      if (now() - begin > timeLimitMs) throw tooSlow(text, timeLimitMs);
      const view = viewOf(text.slice(start, end));
      for (const span of more.flatMap((finder) => finder(view))) {
        const finding = findingOf(view, span);
        found.push({ ...finding, start: finding.start + start, end: finding.end + start });
      }
    }
    const findings = mergeFindings(text, found);
    return { findings, residualRisk: tagger.residualRisk(text, findings) };
  }
}

function tooSlow(text: string, timeLimitMs: number): SelvedgeError {
  return new SelvedgeError(
    'unsupported_device',
    `Looking for what is personal in ${text.length} characters took longer than ${timeLimitMs} ms. Label the text, or give less of it at once.`,
    { details: { characters: text.length, timeLimitMs }, retryable: true },
  );
}

/** Cut at white space where there is some. */
function piecesOf(text: string): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + PIECE);
    if (end < text.length)
      end = Math.max(text.lastIndexOf(' ', end), text.lastIndexOf('\n', end), start + PIECE - OVERLAP);
    pieces.push({ start, end });
    if (end === text.length) break;
    start = end - OVERLAP;
  }
  return pieces;
}

/** Lets the page do what is waiting. */
function breath(): Promise<void> {
  return new Promise((resume) => {
    setTimeout(resume, 0);
  });
}
