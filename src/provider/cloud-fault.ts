/**
 * What can go wrong with one attempt, as facts that decide what is done next. It never holds what the server wrote: its
 * prose may repeat the conversation, or the key.
 */
import { SelvedgeError } from '../errors.ts';
import type { ProviderEvent } from './provider.ts';

export type FaultCause = Extract<ProviderEvent, { type: 'attempt-failed' }>['cause'];

export interface FaultFacts {
  /** The endpoint's id. */
  provider: string;
  cause: FaultCause;
  /** HTTP status, where there was one. */
  status?: number | undefined;
  /** What the endpoint asked to wait. */
  retryAfterMs?: number | undefined;
  /** Trying again cannot help: it is the request, the key or the address. */
  isPermanent?: boolean | undefined;
  /** What the app's own function threw. */
  reason?: unknown;
}

/** Never leaves provider/: callers get a `SelvedgeError`. */
export class CloudFault extends Error {
  readonly facts: Readonly<FaultFacts>;

  constructor(facts: FaultFacts) {
    super(`${facts.provider}: ${facts.cause}`);
    this.facts = facts;
  }
}

/** Those that are about the moment, not about the request. */
const TRANSIENT = new Set([408, 409, 425, 429]);

export function statusFault(
  provider: string,
  { status, retryAfterMs }: { status: number; retryAfterMs?: number | undefined },
): CloudFault {
  const isPermanent = status < 500 && !TRANSIENT.has(status);
  return new CloudFault({ provider, cause: 'status', status, retryAfterMs, isPermanent });
}

/**
 * `Retry-After` in milliseconds: seconds, or a date. A date is compared with the server's own `Date`, where it is told,
 * so that clocks may differ. Undefined where it says nothing that can be understood.
 */
export function readRetryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return 1000 * Number(value);
  const until = Date.parse(value);
  if (Number.isNaN(until)) return undefined;
  const serverNow = Date.parse(headers.get('date') ?? '');
  return Math.max(0, until - (Number.isNaN(serverNow) ? now : serverNow));
}

/** What the caller gets. `partial`: the text that was handed out before. */
export function toCloudError({ facts }: CloudFault, partial: string): SelvedgeError {
  const { provider, cause, status, retryAfterMs, isPermanent = false, reason } = facts;
  const problem = PROBLEMS[cause](status ?? 0);
  const shown = partial === '' ? '' : ` ${partial.length} characters of the answer are in details.partial.`;
  const advice = isPermanent ? (ADVICE[status ?? 0] ?? 'Change the request.') : 'Try again later.';
  return new SelvedgeError('cloud_failed', `The endpoint '${provider}' ${problem}.${shown} ${advice}`, {
    cause: reason,
    retryable: !isPermanent,
    details: { provider, cause, status: status ?? null, retryAfterMs: retryAfterMs ?? null, partial },
  });
}

const PROBLEMS: Record<FaultCause, (status: number) => string> = {
  connect: () => 'could not be reached',
  timeout: () => 'took too long',
  status: (status) => (status === 0 ? 'reported an error' : `answered with status ${status}`),
  cut: () => 'broke off in the middle of the answer',
  malformed: () => 'sent what is not a stream of completion chunks',
  token: () => 'got no token from getToken',
  refused: () => 'failed several times in a row, and is not asked for a while',
};

/** By status; 0 is without one. */
const ADVICE: Partial<Record<number, string>> = {
  0: 'Let getToken give a token.',
  401: 'Let getToken give a token that is valid.',
  403: 'Let getToken give a token that may use this model.',
  404: "Check the endpoint's baseURL and model.",
};
