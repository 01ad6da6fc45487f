/** What asks to leave the page, what a decision covers, and what the ledger keeps of it. Types only. */
import type { PrivacyClass } from './classes.ts';

export interface EgressRequest {
  url: string;
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  body?: string | undefined;
  signal?: AbortSignal | undefined;
  purpose: EgressPurpose;
  cover: EgressCover;
}

export type EgressPurpose = 'chat' | 'token' | 'probe';

export interface EgressCover {
  decisionId: string;
  /** Origins that the decision allows. */
  hosts: readonly string[];
  /** Classes whose text may be in the body. */
  classes: readonly PrivacyClass[];
  forbidden: Forbidden;
}

/** All that must not leave: secret parts and what derives from them, the user's terms, checksummed ids. */
export interface Forbidden {
  /** What of it is in a text, in words without the content; null: nothing. */
  find(text: string): string | null;
}

/** No content. */
export interface LedgerRow {
  /** Milliseconds since the epoch. */
  time: number;
  purpose: EgressPurpose;
  host: string;
  bytes: number;
  labels: readonly PrivacyClass[];
  decisionId: string;
}
