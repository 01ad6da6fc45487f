/**
 * Routing: what happens to each request of a client that has a cloud to choose. A chat is decided, carried out, and its
 * answer remembered. Raw completions stay on this device; what they say is remembered too, since it may be sent in a chat.
 */
import { SelvedgeError, assert } from '../errors.ts';
import type { Detector } from '../privacy/detection.ts';
import type { PrivacyClass } from '../privacy/classes.ts';
import { createEgress } from '../privacy/egress.ts';
import type { EgressParts } from '../privacy/egress.ts';
import { createLedger } from '../privacy/ledger.ts';
import type { Ledger } from '../privacy/ledger.ts';
import { createTaintStore } from '../privacy/taint.ts';
import type { Clock } from '../provider/clock.ts';
import { createCloudProvider } from '../provider/cloud.ts';
import { createLocalProvider, LOCAL_ID } from '../provider/local.ts';
import type { CloudEndpoint, ProviderEvent } from '../provider/provider.ts';
import type { Decision } from '../router/decision.ts';
import { collectChat } from './collect-chat.ts';
import { CompletionStream } from './completion-stream.ts';
import { createDecider } from './decider.ts';
import { followAnswer } from './follow-answer.ts';
import type { Follower } from './follow-answer.ts';
import type { ReadPolicy } from './policy-option.ts';
import type { PrivacyCalls } from './privacy-calls.ts';
import type { RouteEvent } from './route-events.ts';
import { answer } from './routed-answer.ts';
import type { AnswerParts, DecidedRequest } from './routed-answer.ts';
import { createRoutedText } from './routed-text.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  ChatMessageParam,
  RequestOptions,
} from './types.ts';

export interface RoutingOptions extends ReadPolicy {
  endpoints: readonly CloudEndpoint[];
}

/** The client's own calls to the engine. */
export interface LocalCalls {
  modelId: string;
  contextLength: number;
  createChat(
    params: ChatCompletionParams,
    options: RequestOptions,
  ): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>>;
  createText(params: unknown, options: unknown): Promise<unknown>;
  countTokens(text: string): Promise<number>;
}

export interface RoutingParts {
  local: LocalCalls;
  emit(event: RouteEvent): void;
  openDetector(): Promise<Detector>;
  clock: Clock;
  /** What the door sends by. Default: the browser's. */
  network?: EgressParts['fetch'];
  /** In [0, 1). */
  random(): number;
  isOnline(): boolean;
}

export interface Routing {
  createChat(
    params: unknown,
    options?: unknown,
  ): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>>;
  createText(params: unknown, options?: unknown): Promise<unknown>;
  /** What was labelled elsewhere, as a beginning that is pinned, is known in chats too. */
  label(messages: readonly ChatMessageParam[], privacy: PrivacyClass | null): void;
  /** Decides, and does nothing. */
  explain(params: unknown, options?: unknown): Promise<Decision>;
  privacy: PrivacyCalls;
}

export function createRouting(
  { endpoints, policy, terms, sinks }: RoutingOptions,
  parts: RoutingParts,
): Routing {
  const { local, emit, clock, random } = parts;
  const ledger = shownLedger(parts);
  const store = createTaintStore({ ledger });
  const { send } = createEgress({ ledger, fetch: parts.network });
  const answerers = {
    local: createLocalProvider({
      contextLength: local.contextLength,
      createStream: async (request, options) => asStream(await local.createChat(request, options)),
      now: clock.now,
    }),
    clouds: endpoints.map((endpoint) => createCloudProvider(endpoint, { send, clock, random })),
  };
  const { countTokens } = local;
  const answerParts: AnswerParts = { ...answerers, store, terms, sinks, now: clock.now, countTokens };
  const decideOn = createDecider({
    ...parts,
    policy,
    terms,
    endpoints,
    providers: [answerers.local, ...answerers.clouds],
    store,
    modelId: local.modelId,
    countTokens,
  });

  return {
    async createChat(params, options) {
      const { signal, ...decided } = await decideOn(params, options);
      const { decision, request, labelled } = decided;
      emit({ at: clock.now(), type: 'route-decide', decision });
      if (decision.plan === 'refuse') throw refusal(decision);
      const leave = new AbortController();
      const either = signal ? AbortSignal.any([signal, leave.signal]) : leave.signal;
      const { trace, follower } = createReport(decision, parts, (text, provider) =>
        store.remember(text, labelled, provider),
      );
      const chunks = followAnswer(answer(decided, answerParts, { signal: either, trace }), follower, either);
      if (!request.stream) return collectChat(chunks);
      // What cannot be answered rejects here, and not in the stream.
      const first = await chunks.next();
      return new CompletionStream(handOut(first, chunks, { request, left: leave.signal }), () =>
        leave.abort(),
      );
    },
    createText: createRoutedText({ createText: local.createText, store, defaults: policy.defaults }),
    label(messages, privacy) {
      const labelled = messages.map((message) => ({ ...message, privacy: message.privacy ?? privacy }));
      store.label(labelled, { ...policy.defaults, request: null });
    },
    explain: async (params, options) => (await decideOn(params, options)).decision,
    privacy: {
      ledger: async () => ledger.rows(),
      declassifications: async () => ledger.declassifications(),
      declassify: async (text, to, reason) => store.declassify(text, to, reason),
    },
  };
}

/** Rows are events too. */
function shownLedger({ clock, emit }: RoutingParts): Ledger {
  const ledger = createLedger(clock.now);
  return {
    ...ledger,
    wrote(row) {
      ledger.wrote(row);
      const time = clock.now();
      emit({ at: time, type: 'route-egress', row: { time, ...row } });
    },
  };
}

function asStream(
  answered: ChatCompletion | CompletionStream<ChatCompletionChunk>,
): CompletionStream<ChatCompletionChunk> {
  assert(answered instanceof CompletionStream, 'a stream was asked for');
  return answered;
}

/** What becomes of an answer, told as events, and remembered under who gave it. */
function createReport(
  decision: Decision,
  { clock, emit }: RoutingParts,
  remember: (text: string, provider: string) => void,
): { trace: (event: ProviderEvent) => void; follower: Follower } {
  const startMs = clock.now();
  let provider = decision.provider ?? LOCAL_ID;
  let firstTokenMs: number | null = null;
  return {
    trace(event) {
      if (event.type === 'first-token') {
        provider = event.provider;
        firstTokenMs ??= clock.now() - startMs;
      }
      emit({ at: clock.now(), type: 'route-provider', decisionId: decision.id, event });
    },
    follower: {
      isUrgent: decision.record.request.privacy === 'secret',
      remember: (text) => remember(text, provider),
      end: (outcome, usage) =>
        emit({
          at: clock.now(),
          type: 'route-end',
          decisionId: decision.id,
          outcome,
          provider,
          firstTokenMs,
          totalMs: clock.now() - startMs,
          promptTokens: usage?.prompt_tokens ?? null,
          completionTokens: usage?.completion_tokens ?? null,
        }),
    },
  };
}

function refusal({ words, bindingGate, id }: Decision): SelvedgeError {
  return new SelvedgeError('no_route', words, { details: { gate: bindingGate, decisionId: id } });
}

interface HandOut {
  request: DecidedRequest['request'];
  /** Aborts when the reader leaves: then the stream ends, and nothing failed. */
  left: AbortSignal;
}

/** The stream as the caller reads it: with usage only if that was asked for. */
async function* handOut(
  first: IteratorResult<ChatCompletionChunk, void>,
  rest: AsyncGenerator<ChatCompletionChunk, void, undefined>,
  { request, left }: HandOut,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  try {
    for (let next = first; !next.done; next = await rest.next()) {
      const { usage, ...chunk } = next.value;
      if (request.includeUsage) yield { ...chunk, usage: usage ?? null };
      else if (chunk.choices.length > 0) yield chunk;
    }
  } catch (error) {
    if (!left.aborted) throw error;
  } finally {
    await rest.return();
  }
}
