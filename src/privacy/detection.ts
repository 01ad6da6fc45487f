/**
 * What a detector says of a text: where something personal stands, of what kind, how it was found, and how much may be
 * left. Types only; `detector.ts` makes one.
 */

export type FindingKind =
  /** Payment cards. */
  | 'card'
  | 'iban'
  /** Identity, tax, social security and health numbers of a country. */
  | 'national-id'
  | 'email'
  | 'ip'
  /** Hardware addresses of network devices. */
  | 'mac'
  | 'phone'
  /** Digits that identify something, nobody knows what: accounts, customers, orders. */
  | 'number'
  /** Passwords, keys, tokens. */
  | 'credential'
  | 'name'
  | 'address'
  | 'date-of-birth'
  | 'organisation'
  /** One of the user's own terms. */
  | 'term';

export type FindingSource = 'checksum' | 'pattern' | 'phone' | 'tagger' | 'term';

/** How a finding was hidden, where it was not written plainly. */
export type FindingEncoding = 'base64' | 'hex' | 'url' | 'reversed';

export interface Finding {
  /** Offsets of UTF-16 units in the text as it was given. */
  readonly start: number;
  readonly end: number;
  readonly kind: FindingKind;
  /** `text.slice(start, end)`. */
  readonly text: string;
  readonly source: FindingSource;
  /** 0 to 1. */
  readonly confidence: number;
  /** Found inside an encoding; the span is that of the encoded text. */
  readonly encoded?: FindingEncoding | undefined;
}

export interface Detection {
  /** Ascending, none overlaps another. */
  readonly findings: readonly Finding[];
  /** 0 to 1: the share of words that nothing is known of once the findings are masked. */
  readonly residualRisk: number;
}

export interface DetectOptions {
  /** The user's own words, found in any spelling. */
  terms?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

export interface Detector {
  /** A rejection means that nothing is known of the text, so that it must be taken for sensitive. */
  detect(text: string, options?: DetectOptions): Promise<Detection>;
}

/** A finding in a view of the text, before its offsets are mapped back. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly kind: FindingKind;
  readonly source: FindingSource;
  readonly confidence: number;
}
