/** A claim with a number: what it is about, what it must reach, and how it is measured. Gates are listed in gates.ts. */
export interface Gate {
  /** As in the project's list of gates: `P1`. */
  id: string;
  what: string;
  /** In words: `recall at least 99.5 %`. Null where the figure is published without a target. */
  target: string | null;
  measure(): Promise<GateResult>;
}

export interface GateResult {
  /** The figure in words. */
  value: string;
  /** Null where there is no target. */
  met: boolean | null;
  /** What else belongs to it, in Markdown: how it was measured, curves, what is missed. */
  note: string;
}

export function percent(share: number, places = 1): string {
  return `${(share * 100).toFixed(places)} %`;
}
