/**
 * Errors as an OpenAI-compatible server sends them. Clients retry 408, 409, 429 and everything from 500 on by
 * themselves, so what will fail again never has such a status.
 */
import { SelvedgeError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';

export interface HttpError {
  status: number;
  body: { error: { message: string; type: string; param: string | null; code: string | null } };
}

/**
 * Bad Request for what the caller can mend, Not Found for models, Forbidden for what may not leave, Failed Dependency for an
 * endpoint that will not answer, Gone for a client that cannot any more.
 */
const STATUS: Partial<Record<ErrorCode, number>> = {
  model_unavailable: 404,
  no_route: 403,
  egress_refused: 403,
  cloud_failed: 424,
  worker_crashed: 410,
  closed: 410,
};

export function toHttpError(error: unknown): HttpError {
  if (!(error instanceof SelvedgeError)) {
    const message = error instanceof Error ? error.message : String(error);
    return httpError(422, message, { type: 'server_error', code: 'internal_error' });
  }
  const { code, message, details, retryable } = error;
  const param = typeof details['param'] === 'string' ? details['param'] : null;
  if (retryable) return httpError(503, message, { type: 'server_error', code, param });
  if (param === 'model') return httpError(404, message, { code: 'model_not_found', param });
  return httpError(STATUS[code] ?? 400, message, { code, param });
}

export function httpError(
  status: number,
  message: string,
  {
    type = 'invalid_request_error',
    code,
    param = null,
  }: { type?: string; code: string; param?: string | null },
): HttpError {
  return { status, body: { error: { message, type, param, code } } };
}
