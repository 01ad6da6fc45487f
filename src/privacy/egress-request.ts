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

/** All that must not leave: what is secret or derives from it, what was redacted, the user's terms, checksummed ids. */
export interface Forbidden {
  /** What of it is in a text, in words without the content; null: nothing. */
  find(text: string): string | null;
}

/** One request that left or was kept from it. No content. */
export interface LedgerRow {
  /** Milliseconds since the epoch. */
  time: number;
  outcome: 'sent' | 'refused';
  purpose: EgressPurpose;
  host: string;
  /** Of its address, headers and body; 0 when nothing left. */
  bytes: number;
  labels: readonly PrivacyClass[];
  decisionId: string;
}
