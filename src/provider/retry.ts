/**
 * When to try again, and how long to wait before: full jitter (a uniform share of a bound that doubles), so that pages which
 * failed together do not come back together. What the endpoint asks to wait is waited, if it is short.
 */
import type { FaultFacts } from './cloud-fault.ts';

const MOST_TRIES = 3;
const FIRST_BOUND_MS = 500;
const LARGEST_BOUND_MS = 8_000;
/** Of what an endpoint asks for; who waits for an answer waits no longer. */
const LONGEST_WAIT_MS = 20_000;

export interface RetryState {
  /** Of this endpoint so far, the failed one included. */
  tries: number;
  /** Whether another endpoint could be asked instead. */
  hasNext: boolean;
  random: () => number;
}

/** Milliseconds until this endpoint is tried again; null: it is not. */
export function retryDelay(
  { cause, isPermanent, retryAfterMs }: FaultFacts,
  { tries, hasNext, random }: RetryState,
): number | null {
  if (isPermanent || tries >= MOST_TRIES) return null;
  if (cause === 'refused' && retryAfterMs === undefined) return null;
  const isSlow = retryAfterMs !== undefined || cause === 'timeout';
  if (hasNext && isSlow) return null;
  const jitter = random() * Math.min(FIRST_BOUND_MS * 2 ** (tries - 1), LARGEST_BOUND_MS);
  if (retryAfterMs === undefined) return jitter;
  return retryAfterMs > LONGEST_WAIT_MS ? null : retryAfterMs + jitter;
}
