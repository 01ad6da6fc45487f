/**
 * One attempt: one request to one endpoint, and the chunks of its answer. It ends when the answer is complete; all else is
 * a `CloudFault`, or the signal's reason. Time counts only while the endpoint is waited for, not while whoever reads the
 * chunks is busy.
 */
import { SelvedgeError } from '../errors.ts';
import type { EgressCover, EgressRequest } from '../privacy/egress-request.ts';
import { unlessAborted } from './clock.ts';
import type { Clock } from './clock.ts';
import { isWireError, MalformedChunk, readChunk } from './cloud-chunk.ts';
import type { WireChoice, WireChunk } from './cloud-chunk.ts';
import { CloudFault, readRetryAfter, statusFault } from './cloud-fault.ts';
import type { FaultCause } from './cloud-fault.ts';
import type { EndpointDelays, Phase } from './endpoint-delays.ts';
import { createEventReader, MalformedStream } from './event-stream.ts';
import type { ServerEvent } from './event-stream.ts';
import type { CloudEndpoint } from './provider.ts';

export type Send = (request: EgressRequest) => Promise<Response>;

export interface AttemptParts {
  endpoint: CloudEndpoint;
  send: Send;
  clock: Clock;
  delays: EndpointDelays;
}

export interface AttemptRequest {
  body: string;
  choiceCount: number;
  cover: EgressCover;
  signal: AbortSignal;
}

/** Tokens from which on the time between the first and the last tells a speed. */
const SPEED_TOKENS = 8;

export async function* attempt(
  parts: AttemptParts,
  request: AttemptRequest,
): AsyncGenerator<WireChunk, void, undefined> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(request.signal.reason);
  request.signal.addEventListener('abort', abort, { once: true });
  if (request.signal.aborted) abort();
  const watch = createWatch(parts, { controller, bodyBytes: request.body.length });
  try {
    const response = await watch.within('connect', open(parts, request, controller.signal));
    watch.passed('connect');
    yield* readAnswer(response, { parts, request, watch, signal: controller.signal });
  } catch (error) {
    // However the platform words it, what ended the request is why it was aborted.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    request.signal.removeEventListener('abort', abort);
    controller.abort();
  }
}

async function open(
  { endpoint, send, clock }: AttemptParts,
  { body, cover }: AttemptRequest,
  signal: AbortSignal,
): Promise<Response> {
  const { id, baseURL } = endpoint;
  const token = await askToken(endpoint);
  signal.throwIfAborted();
  const response = await send({
    url: `${baseURL}/chat/completions`,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body,
    signal,
    purpose: 'chat',
    cover,
  }).catch((error: unknown) => {
    // Refused at the door: that is no failure of the endpoint, and nothing left.
    throw error instanceof SelvedgeError ? error : new CloudFault({ provider: id, cause: 'connect' });
  });
  if (response.ok) return response;
  const { status, headers } = response;
  throw statusFault(id, { status, retryAfterMs: readRetryAfter(headers, clock.now()) });
}

/** Asked for before each request, used for it and forgotten. */
async function askToken({ id, baseURL, getToken }: CloudEndpoint): Promise<string | undefined> {
  if (!getToken) return undefined;
  try {
    return await getToken(new URL(baseURL).origin);
  } catch (error) {
    throw new CloudFault({ provider: id, cause: 'token', isPermanent: true, reason: error });
  }
}

interface Reading {
  parts: AttemptParts;
  request: AttemptRequest;
  watch: Watch;
  signal: AbortSignal;
}

async function* readAnswer(
  response: Response,
  { parts, request, watch, signal }: Reading,
): AsyncGenerator<WireChunk, void, undefined> {
  const fault = (cause: FaultCause): CloudFault => new CloudFault({ provider: parts.endpoint.id, cause });
  if (!response.body || !isEventStream(response)) throw fault('malformed');
  const reader = response.body.getReader();
  const readEvents = createEventReader();
  const finished = new Set<number>();
  const read = async (): ReturnType<typeof reader.read> => {
    try {
      return await reader.read();
    } catch {
      throw fault('cut');
    }
  };
  const isComplete = (): boolean => finished.size >= request.choiceCount;
  let phase: Phase = 'first-token';
  let tokenCount = 0;
  let streamedMs = 0;

  try {
    for (;;) {
      const { done, value } = await watch.within(phase, read());
      if (done) throw fault('cut');
      for (const event of readEvents(value)) {
        const chunk = readEvent(event, parts.endpoint.id);
        if (chunk === 'done') {
          if (isComplete()) return;
          throw fault('cut');
        }
        if (chunk.choices.some(isToken)) {
          const tookMs = watch.passed(phase);
          if (phase === 'between-tokens') streamedMs += tookMs;
          phase = 'between-tokens';
          tokenCount += 1;
        }
        for (const { index, finish } of chunk.choices) if (finish !== undefined) finished.add(index);
        yield chunk;
      }
    }
  } catch (error) {
    request.signal.throwIfAborted();
    // All of the answer is there: what is missing is at most the usage.
    if (isComplete()) return;
    signal.throwIfAborted();
    const isMalformed = error instanceof MalformedStream || error instanceof MalformedChunk;
    throw isMalformed ? fault('malformed') : error;
  } finally {
    if (isComplete() && tokenCount > SPEED_TOKENS && streamedMs > 0)
      parts.delays.observeSpeed((1000 * (tokenCount - 1)) / streamedMs);
    // The caller aborts the request as well; a stream that is not of the network ends by this alone.
    reader.cancel().catch(() => undefined);
  }
}

function isEventStream(response: Response): boolean {
  return /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');
}

function readEvent({ data }: ServerEvent, provider: string): WireChunk | 'done' {
  if (data === '[DONE]') return 'done';
  const chunk = readChunk(data);
  if (!isWireError(chunk)) return chunk;
  throw chunk.status === undefined
    ? new CloudFault({ provider, cause: 'status' })
    : statusFault(provider, { status: chunk.status });
}

function isToken({ content, reasoning, toolCalls, finish }: WireChoice): boolean {
  return content !== '' || reasoning !== '' || toolCalls.length > 0 || finish !== undefined;
}

interface Watch {
  /** Waits for it as long as the phase has time left; then the attempt is aborted. */
  within<T>(phase: Phase, promise: Promise<T>): Promise<T>;
  /** The phase is over: it is learnt from, and the next one begins. Returns what it took. */
  passed(phase: Phase): number;
}

/** A phase may take several waits: bytes that are no token do not give it more time. */
function createWatch(
  { endpoint, clock, delays }: AttemptParts,
  { controller, bodyBytes }: { controller: AbortController; bodyBytes: number },
): Watch {
  let waitedMs = 0;
  return {
    async within(phase, promise) {
      const limitMs = delays.limitMs(phase, bodyBytes);
      const before = clock.now();
      const cancel = clock.after(Math.max(0, limitMs - waitedMs), () => {
        delays.observe(phase, limitMs);
        controller.abort(new CloudFault({ provider: endpoint.id, cause: 'timeout' }));
      });
      try {
        return await unlessAborted(promise, controller.signal);
      } finally {
        cancel();
        waitedMs += clock.now() - before;
      }
    },
    passed(phase) {
      const tookMs = waitedMs;
      waitedMs = 0;
      delays.observe(phase, tookMs);
      return tookMs;
    },
  };
}
