/**
 * What may not be in anything that leaves, for one decision: the second look, after redaction, at what is really about to be
 * sent. It knows nothing of plans and parts, so that a mistake there is a refusal here and not a leak.
 */
import type { Detection, Finding, FindingKind } from './detection.ts';
import type { Forbidden } from './egress-request.ts';
import { createFingerprints } from './fingerprints.ts';
import { createKeyedHash } from './keyed-hash.ts';
import { readLetters } from './letters.ts';
import type { ReadLetters } from './letters.ts';
import { readingsOf } from './readings.ts';
import type { LabelledConversation, TaintStore } from './taint.ts';

export interface ForbiddenParts {
  store: Pick<TaintStore, 'classIn'>;
  labelled: Pick<LabelledConversation, 'texts'>;
  /** One for each text; undefined for those that were not looked at. */
  detections: readonly (Detection | undefined)[];
  /** The user's own words. */
  terms: readonly string[];
  /** Finds ids by their check digits. */
  recognise: (text: string) => readonly Pick<Finding, 'source'>[];
  read?: ReadLetters | undefined;
}

/** Of what was redacted: what is shorter is in many texts. */
const SHORTEST = 4;
/** A name of one word may be a word like others. */
const WORDS: readonly FindingKind[] = ['name', 'organisation', 'address', 'date-of-birth'];

export function createForbidden({
  store,
  labelled,
  detections,
  terms,
  recognise,
  read = readLetters,
}: ForbiddenParts): Forbidden {
  // Both sides are compared here and now: there is nobody to hide the key from.
  const createTerms = (words: Iterable<string>): ReturnType<typeof createFingerprints> => {
    const fingerprints = createFingerprints(createKeyedHash(new Uint32Array([1, 3, 5, 7])), read);
    for (const word of words) fingerprints.addTerm(word, 'secret');
    return fingerprints;
  };
  const ownTerms = createTerms(terms);
  const redacted = createTerms(redactedValues(labelled, detections, createTerms));

  return {
    find(text) {
      const readings = readingsOf(text, read);
      if (store.classIn(readings) === 'secret') return 'something that is secret or was made from it';
      if (ownTerms.classIn(readings) === 'secret') return "one of the user's own terms";
      if (redacted.classIn(readings) === 'secret') return 'something that was to be redacted';
      const hasId = readings.some((view) => recognise(view.text).some(({ source }) => source === 'checksum'));
      return hasId ? 'an id with valid check digits' : null;
    },
  };
}

/** What is in a public text too is no secret. */
function redactedValues(
  { texts }: Pick<LabelledConversation, 'texts'>,
  detections: readonly (Detection | undefined)[],
  createTerms: (words: Iterable<string>) => { classOf(text: string): string },
): string[] {
  const values = new Set<string>();
  for (const [i, text] of texts.entries()) {
    if (text.class === 'public') continue;
    for (const finding of detections[i]?.findings ?? []) {
      if (finding.text.length < SHORTEST) continue;
      if (!WORDS.includes(finding.kind) || /\S\s+\S/.test(finding.text)) values.add(finding.text);
    }
  }
  const publicTexts = texts.filter((text) => text.class === 'public').map(({ text }) => text);
  if (publicTexts.length === 0) return [...values];
  return [...values].filter((value) => {
    const one = createTerms([value]);
    return publicTexts.every((text) => one.classOf(text) === 'public');
  });
}
