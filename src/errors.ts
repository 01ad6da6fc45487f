/**
 * The one error class of the library. Its codes are a closed union: a code exists only where some caller
 * would act differently. Errors cross the worker boundary as plain objects (`toWire` / `fromWire`), because
 * structured clone reduces an `Error` to its prose.
 *
 * Aborts are not ours: a caller who aborts gets the platform's `AbortError` or their own `signal.reason`.
 */

export type ErrorCode =
  /** A parameter is missing, of the wrong type or out of range. `details.param` names it. */
  | 'invalid_request'
  /** A parameter that would change the meaning of the answer and is not implemented. */
  | 'unsupported_parameter'
  /** The prompt (with what was asked for) does not fit the context. */
  | 'context_length_exceeded'
  /** This browser or machine cannot run what was asked for. */
  | 'unsupported_device'
  /** The file is a readable model whose architecture, tensor type or tokenizer is not supported. */
  | 'unsupported_model'
  /** The bytes are not a model: not a GGUF, truncated, absurd counts, offsets out of range. */
  | 'invalid_model'
  /** The model could not be fetched or opened: 403, 404, network, a file that vanished. */
  | 'model_unavailable'
  /** The bytes are not those that were promised: SHA-256 mismatch, or the file changed while it was fetched. */
  | 'integrity_failed'
  /** The browser's quota does not hold the model. `details` has both numbers. */
  | 'storage_full'
  /** Memory for weights, KV cache or scratch could not be had. `details` has both numbers. */
  | 'out_of_memory'
  /** The GPU was taken away: reset, removed, or its driver gave up. The same call may succeed on a new one, or on the CPU. */
  | 'device_lost'
  /** The worker died, or its script could not be loaded. */
  | 'worker_crashed'
  /** Nobody may or can answer: every plan was vetoed. `details.gate` is the first gate that left none. */
  | 'no_route'
  /** The endpoint failed, or broke off: then `details.partial` is the text that had come. */
  | 'cloud_failed'
  /** Something was about to leave the page that the decision does not cover. It was not sent. */
  | 'egress_refused'
  /** The client was closed. */
  | 'closed';

export type ErrorDetails = Record<string, string | number | boolean | null>;

export interface SelvedgeErrorOptions {
  cause?: unknown;
  details?: ErrorDetails;
  /** Whether the same call may succeed when it is simply tried again. Default false. */
  retryable?: boolean;
}

/** What an error looks like between page and worker. */
export interface WireError {
  selvedge: true;
  code: ErrorCode;
  message: string;
  details: ErrorDetails;
  retryable: boolean;
}

/** The same in every bundle. */
const BRAND = Symbol.for('selvedge.error');

export class SelvedgeError extends Error {
  /** Modules that are bundled by themselves have classes of their own, and errors cross between them. */
  static override [Symbol.hasInstance](value: unknown): value is SelvedgeError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly retryable: boolean;

  get [BRAND](): true {
    return true;
  }

  constructor(code: ErrorCode, message: string, options: SelvedgeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SelvedgeError';
    this.code = code;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? false;
  }
}

/** A broken invariant is a bug of ours: a plain `Error`, never caught, never a `SelvedgeError`. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`selvedge invariant broken: ${message}`);
}
