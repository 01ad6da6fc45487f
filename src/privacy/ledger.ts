/**
 * What left the page, what was kept from leaving, and what was declassified: when, why and where to, and no content. In memory,
 * the latest of it; an app that wants more keeps the rows itself.
 */
import type { PrivacyClass } from './classes.ts';
import type { LedgerRow } from './egress-request.ts';

export interface Declassification {
  /** Milliseconds since the epoch. */
  time: number;
  from: PrivacyClass;
  to: PrivacyClass;
  /** As whoever did it gave it. */
  reason: string;
}

export interface Ledger {
  wrote(row: Omit<LedgerRow, 'time'>): void;
  declassified(act: Omit<Declassification, 'time'>): void;
  /** The oldest first. */
  rows(): LedgerRow[];
  declassifications(): Declassification[];
}

/** Of each kind. */
const MOST_ROWS = 10_000;

/** `now`: milliseconds since the epoch. */
export function createLedger(now: () => number): Ledger {
  const rows: LedgerRow[] = [];
  const acts: Declassification[] = [];

  function append<T>(list: T[], one: T): void {
    list.push(one);
    if (list.length > MOST_ROWS) list.shift();
  }

  return {
    wrote: (row) => append(rows, { time: now(), ...row }),
    declassified: (act) => append(acts, { time: now(), ...act }),
    rows: () => rows.map((row) => ({ ...row, labels: [...row.labels] })),
    declassifications: () => acts.map((act) => ({ ...act })),
  };
}
