/** A detector that knows a few words: what it finds, how sure it is and whether it works are the test's to say. */
import type { Detector, Finding, FindingKind, FindingSource } from '../../src/privacy/detection.ts';

export interface KnownWord {
  kind: FindingKind;
  source?: FindingSource;
}

export interface FakeDetector extends Detector {
  readonly texts: string[];
}

export function createFakeDetector(
  words: Record<string, KnownWord>,
  { residualRisk = 0, fails = false }: { residualRisk?: number; fails?: boolean } = {},
): FakeDetector {
  const texts: string[] = [];
  return {
    texts,
    async detect(text, { terms = [] } = {}) {
      texts.push(text);
      if (fails) throw new Error('the detector is broken');
      const known = { ...words, ...Object.fromEntries(terms.map((term) => [term, TERM])) };
      const findings = Object.entries(known).flatMap(([word, what]) => findAll(text, word, what));
      return { findings: findings.sort((a, b) => a.start - b.start), residualRisk };
    },
  };
}

const TERM: KnownWord = { kind: 'term', source: 'term' };

function findAll(text: string, word: string, { kind, source = 'pattern' }: KnownWord): Finding[] {
  const findings: Finding[] = [];
  for (let start = text.indexOf(word); start >= 0; start = text.indexOf(word, start + 1)) {
    findings.push({ start, end: start + word.length, kind, text: word, source, confidence: 1 });
  }
  return findings;
}
