/** What the worker of the decode loop is asked, and what it answers. */
import type { Sampling } from '../../../src/backend/session.ts';

/**
 * 'draft' and 'suffix' are speculators with one drafter, and so is 'wrong', whose drafter is as good as never right. A number is
 * so many tokens of the draft model before every step; 'blunt' is all that the suffix drafter has, before every step.
 */
export type Mode = 'plain' | 'wrong' | 'draft' | 'suffix' | 'blunt' | number;

/** What one request gave. */
export interface Spoken {
  ids: number[];
  /** Of the tokens after the first. */
  ms: number;
  drafted: number;
  accepted: number;
  /** Of all keys and values in the end, hexadecimal. */
  kv: string;
}

export type LoopRequest =
  | { method: 'open'; url: string; draft: string | null; threads: number }
  | { method: 'speak'; content: string; count: number; mode: Mode; sampling?: Partial<Sampling> };
