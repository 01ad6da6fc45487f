/**
 * The course of one request to endpoints in order. Before anything was handed out a failed attempt is made again, after a
 * pause with full jitter, or goes on to the next endpoint. After that the answer is continued from where it broke off: by
 * an endpoint that takes a beginning, else by the model in this browser, where the caller allows that; else it fails
 * with the text so far. The next answerer sees only what the decision already covered.
 */
import { assert, SelvedgeError } from '../errors.ts';
import type { ChatCompletionChunk, ChatCompletionParams } from '../client/types.ts';
import { createAnswer, Diverged } from './answer.ts';
import type { Answer } from './answer.ts';
import { wait } from './clock.ts';
import type { CloudProvider } from './cloud.ts';
import { capOf, chatBody } from './cloud-body.ts';
import type { WireChunk } from './cloud-chunk.ts';
import { CloudFault, toCloudError } from './cloud-fault.ts';
import type { ChatOptions, ProviderEvent } from './provider.ts';
import { retryDelay } from './retry.ts';
import { junctionsBehind, restartOf } from './seam.ts';
import type { Junction } from './seam.ts';

export interface CloudOrder {
  /** Who may answer, best first: all of them are covered by the decision. At least one. */
  providers: readonly CloudProvider[];
  request: ChatCompletionParams;
  options?: ChatOptions;
  /**
   * Goes on with an answer in this browser; gives only what follows `prefix`. It may be called twice for one seam. Left out
   * where that is not allowed.
   */
  continueLocally?: ContinueLocally | undefined;
}

export type ContinueLocally = (
  prefix: string,
  options: { signal: AbortSignal; maxTokens: number | null },
) => AsyncIterable<ChatCompletionChunk>;

type Chunks<R> = AsyncGenerator<ChatCompletionChunk, R, undefined>;

/** Where a connection breaks again and again, an answer ends at last. */
const MOST_SEAMS = 5;
const LOCAL = 'local';
const WHOLE: Junction = { prefix: '', tail: '', isTailOptional: false };

export async function* chatInOrder(order: CloudOrder): Chunks<void> {
  const course = beginCourse(order);
  course.signal.throwIfAborted();
  const ends = order.providers.map((provider) =>
    provider.watchBreaker((state) => course.trace({ type: 'breaker-change', provider: provider.id, state })),
  );
  try {
    let broken = yield* start(course);
    for (let seams = 1; broken; seams++) {
      if (seams > MOST_SEAMS) throw toCloudError(broken, course.answer.text);
      broken = yield* goOn(course, broken);
    }
    yield course.answer.usageChunk();
  } finally {
    for (const end of ends) end();
  }
}

interface Course {
  order: CloudOrder;
  answer: Answer;
  signal: AbortSignal;
  trace: (event: ProviderEvent) => void;
  now: () => number;
  /** Most tokens of the answer. */
  cap: number | null;
  /** Attempts so far, of all endpoints. */
  attempts: number;
}

function beginCourse(order: CloudOrder): Course {
  const { request, options = {}, providers } = order;
  const [first] = providers;
  assert(first, 'a cloud order has a provider');
  const now = (): number => first.clock.now();
  const fallback = {
    id: `chatcmpl-${first.random().toString(36).slice(2)}${Math.floor(now()).toString(36)}`,
    created: Math.floor(now() / 1000),
    model: first.endpoint.model,
    fingerprint: first.id,
  };
  return {
    order,
    answer: createAnswer({ choiceCount: request.n ?? 1, fallback }),
    signal: options.signal ?? new AbortController().signal,
    trace: options.trace ?? (() => undefined),
    now,
    cap: capOf(request),
    attempts: 0,
  };
}

/** Until something is handed out. Returns what broke it off after that. */
async function* start(course: Course): Chunks<CloudFault | undefined> {
  const { providers } = course.order;
  for (const [i, provider] of providers.entries()) {
    const hasNext = i + 1 < providers.length;
    const result = yield* askPatiently(course, provider, { junctions: [WHOLE], hasNext });
    if (!result) return undefined;
    if (!(result instanceof CloudFault)) throw result;
    if (course.answer.chunkCount > 0) return result;
    if (!hasNext) throw toCloudError(result, '');
  }
  return undefined;
}

/** One answerer after the other, until one went on; returns what broke that one off. */
async function* goOn(course: Course, broken: CloudFault): Chunks<CloudFault | undefined> {
  const { answer, cap, order } = course;
  const { request, continueLocally } = order;
  const shown = answer.text;
  const { chunkCount } = answer;
  if ((request.n ?? 1) > 1) throw toCloudError(broken, shown);
  if (cap !== null && answer.tokensUpTo(shown.length) >= cap) {
    yield* answer.endAtLength();
    return undefined;
  }
  const mustRestart = shown !== '' && !isAbsentOrText(request.response_format);
  const junctions = mustRestart
    ? restartOf(shown)
    : junctionsBehind(shown, { isExact: request.logprobs === true });
  const local = mustRestart ? undefined : continueLocally;

  const answerers = nextAnswerers(course, broken);
  for (const [i, provider] of answerers.entries()) {
    const usable = junctions.filter(({ prefix }) => prefix === '' || provider.endpoint.continuation);
    const hasNext = local !== undefined || i + 1 < answerers.length;
    const from = broken.facts.provider;
    const result = yield* askPatiently(course, provider, { junctions: usable, hasNext, from });
    if (!result) return undefined;
    if (result instanceof CloudFault && answer.chunkCount > chunkCount) return result;
  }
  if (local && (yield* goOnLocally(course, { broken, junctions, local }))) return undefined;
  throw toCloudError(broken, shown);
}

/** Whether it went on. A failure here is a failure of the endpoint that broke off before. */
async function* goOnLocally(
  course: Course,
  { broken, junctions, local }: { broken: CloudFault; junctions: Junction[]; local: ContinueLocally },
): Chunks<boolean> {
  for (const junction of junctions) {
    const chunks = localChunks(course, local, junction);
    try {
      yield* take(course, chunks, junction, { id: LOCAL, from: broken.facts.provider });
      if (course.answer.isFinished) return true;
    } catch (error) {
      course.signal.throwIfAborted();
      if (error instanceof Diverged) continue;
      throw toCloudError(new CloudFault({ ...broken.facts, reason: error }), course.answer.text);
    }
    throw toCloudError(broken, course.answer.text);
  }
  return false;
}

interface Asking {
  /** Ways to begin; the next is for where the one before did not join. */
  junctions: readonly Junction[];
  /** Whether somebody else could be asked instead. */
  hasNext: boolean;
  /** Who answered before the seam. */
  from?: string;
}

/**
 * Asks one endpoint, again after a pause where that may help. Returns undefined when the answer is complete, the fault when
 * it broke off or will not come, or that it joined at no junction.
 */
async function* askPatiently(
  course: Course,
  provider: CloudProvider,
  { junctions, hasNext, from }: Asking,
): Chunks<CloudFault | Diverged | undefined> {
  const { random, clock } = provider;
  const { answer, signal } = course;
  const { chunkCount } = answer;
  let tries = 1;
  for (const junction of junctions) {
    for (;;) {
      const result = yield* ask(course, provider, junction, from);
      if (!result) return undefined;
      if (result instanceof Diverged) break;
      const hasBroken = answer.chunkCount > chunkCount;
      const retryMs = hasBroken ? null : retryDelay(result.facts, { tries, hasNext, random });
      traceFault(course, result, retryMs);
      if (retryMs === null) return result;
      await wait(retryMs, { clock, signal });
      tries += 1;
    }
  }
  return new Diverged();
}

/** The same endpoint again, and then the others; one that timed out comes last, one that refused for good not at all. */
function nextAnswerers({ order }: Course, { facts }: CloudFault): CloudProvider[] {
  const same = order.providers.filter(({ id }) => id === facts.provider);
  const others = order.providers.filter(({ id }) => id !== facts.provider);
  if (facts.isPermanent) return others;
  return facts.cause === 'timeout' ? [...others, ...same] : [...same, ...others];
}

/** One attempt, with the breaker's leave. Returns why it ended before the answer did. */
async function* ask(
  course: Course,
  provider: CloudProvider,
  junction: Junction,
  from?: string,
): Chunks<CloudFault | Diverged | undefined> {
  const { id, breaker, endpoint, clock } = provider;
  const { order, signal, trace } = course;
  const cover = order.options?.cover;
  if (!cover) throw new SelvedgeError('egress_refused', `Nothing is sent to '${id}' without a decision.`);
  course.attempts += 1;
  trace({ type: 'attempt-start', provider: id, attempt: course.attempts });
  const permit = breaker.enter();
  if (!permit)
    return new CloudFault({ provider: id, cause: 'refused', retryAfterMs: breaker.heldMs || undefined });
  const body = chatBody(order.request, endpoint, {
    prefix: junction.prefix,
    maxTokens: capBehind(course, junction),
  });
  const choiceCount = order.request.n ?? 1;
  try {
    yield* take(course, provider.attempt({ body, choiceCount, cover, signal }), junction, { id, from });
    permit.succeed();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Diverged) {
      permit.succeed();
      return error;
    }
    // A beginning that may not leave is one that somebody else has to go on with.
    if (error instanceof SelvedgeError && from !== undefined)
      return new CloudFault({ provider: id, cause: 'refused', isPermanent: true, reason: error });
    if (!(error instanceof CloudFault)) throw error;
    const { cause, retryAfterMs, isPermanent } = error.facts;
    if (retryAfterMs !== undefined) breaker.holdUntil(clock.now() + retryAfterMs);
    // An endpoint that turns a request down is well; one that was not asked says nothing.
    if (cause === 'token') permit.release();
    else if (isPermanent) permit.succeed();
    else permit.fail();
    return error;
  } finally {
    permit.release();
  }
}

/** Hands out what the chunks of one part add to the answer. `from`: who answered before the seam. */
async function* take(
  { answer, trace, now }: Course,
  chunks: AsyncIterable<WireChunk>,
  junction: Junction,
  { id, from }: { id: string; from: string | undefined },
): Chunks<void> {
  const startedAt = now();
  let isFirst = true;
  answer.beginPart(junction);
  for await (const wire of chunks) {
    const at = answer.text.length;
    for (const chunk of answer.feed(wire)) {
      if (isFirst) {
        isFirst = false;
        if (from !== undefined) trace({ type: 'seam', from, provider: id, at });
        trace({ type: 'first-token', provider: id, ms: now() - startedAt });
      }
      yield chunk;
    }
  }
}

async function* localChunks(
  course: Course,
  continueLocally: ContinueLocally,
  junction: Junction,
): AsyncGenerator<WireChunk, void, undefined> {
  const { signal } = course;
  const maxTokens = capBehind(course, junction);
  for await (const { choices, usage } of continueLocally(junction.prefix, { signal, maxTokens })) {
    yield {
      id: undefined,
      created: undefined,
      model: undefined,
      fingerprint: undefined,
      choices: choices.map(({ index, delta, logprobs, finish_reason: finish }) => ({
        index,
        content: delta.content ?? '',
        reasoning: delta.reasoning_content ?? '',
        toolCalls: [],
        logprobs: logprobs ?? undefined,
        finish: finish ?? undefined,
      })),
      usage: usage ?? undefined,
    };
  }
}

function capBehind({ cap, answer }: Course, { prefix }: Junction): number | null {
  return cap === null ? null : Math.max(1, cap - answer.tokensUpTo(prefix.length));
}

function isAbsentOrText(format: ChatCompletionParams['response_format']): boolean {
  return !format || format.type === 'text';
}

function traceFault({ trace, attempts }: Course, { facts }: CloudFault, retryMs: number | null): void {
  const { provider, cause, status = null } = facts;
  trace({ type: 'attempt-failed', provider, attempt: attempts, status, cause, retryMs });
}
