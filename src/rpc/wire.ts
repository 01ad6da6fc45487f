/**
 * Errors as they cross the boundary. Comlink reduces an `Error` to its prose but passes a thrown plain object
 * whole, so the worker throws `toWire(error)` and the page rethrows `fromWire(...)`: codes, details and
 * retryability survive. A broken invariant stays a plain `Error`, an abort stays an `AbortError`.
 */
import { SelvedgeError } from '../errors.ts';
import type { WireFailure } from './protocol.ts';

export function toWire(error: unknown): WireFailure {
  if (error instanceof SelvedgeError) {
    const { code, message, details, retryable } = error;
    return { selvedge: true, code, message, details, retryable };
  }
  const isObject = typeof error === 'object' && error !== null;
  const field = (name: string): string => (isObject ? String(Reflect.get(error, name) ?? '') : '');
  return {
    selvedge: false,
    name: field('name') || 'Error',
    message: field('message') || String(error),
    stack: field('stack'),
  };
}

export function fromWire(failure: WireFailure): Error {
  if (failure.selvedge) {
    const { code, message, details, retryable } = failure;
    return new SelvedgeError(code, message, { details, retryable });
  }
  if (failure.name === 'AbortError') return new DOMException(failure.message, 'AbortError');
  const error = new Error(failure.message);
  error.name = failure.name;
  error.stack = failure.stack;
  return error;
}

export function isWireFailure(value: unknown): value is WireFailure {
  return typeof value === 'object' && value !== null && 'selvedge' in value && 'message' in value;
}
