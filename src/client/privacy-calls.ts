/** `client.privacy`: what left, and what may. Types only. */
import type { PrivacyClass } from '../privacy/classes.ts';
import type { LedgerRow } from '../privacy/egress-request.ts';
import type { Declassification } from '../privacy/ledger.ts';

export interface PrivacyCalls {
  /** Every request that left this page or was kept from it, the oldest first, without content. */
  ledger(): Promise<LedgerRow[]>;
  /** From now on this text, and what quotes it, has this class: an explicit act, which is recorded with its reason. */
  declassify(text: string, to: PrivacyClass, reason: string): Promise<void>;
  /** These acts, the oldest first. */
  declassifications(): Promise<Declassification[]>;
}
