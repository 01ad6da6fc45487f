/**
 * Carries a decision out: the engine, or endpoints in their order behind the door that the decision opens. What left
 * redacted comes back restored. All of it is one stream of chunks, the first of which says what was decided.
 */
import { SelvedgeError } from '../errors.ts';
import { isAtMost, PRIVACY_CLASSES } from '../privacy/classes.ts';
import { findChecksummed } from '../privacy/detect-checksummed.ts';
import type { EgressCover } from '../privacy/egress-request.ts';
import { createForbidden } from '../privacy/forbidden.ts';
import { redact } from '../privacy/redaction.ts';
import type { RestoreOptions } from '../privacy/restore.ts';
import type { LabelledConversation, TaintStore } from '../privacy/taint.ts';
import { chatInOrder } from '../provider/cloud-order.ts';
import type { CloudProvider } from '../provider/cloud.ts';
import type { ChatOptions, Provider } from '../provider/provider.ts';
import type { Decision } from '../router/decision.ts';
import type { Sinks } from './policy-option.ts';
import { toRedact } from './find-personal.ts';
import type { Detections } from './find-personal.ts';
import { measureChunks } from './measure-chunks.ts';
import { restoreChunks } from './restore-chunks.ts';
import type { RoutedRequest } from './routed-request.ts';
import type { ChatCompletionChunk, ChatCompletionParams } from './types.ts';

export interface DecidedRequest {
  request: RoutedRequest;
  labelled: LabelledConversation;
  detections: Detections | undefined;
  decision: Decision;
}

export interface AnswerParts {
  local: Provider;
  clouds: readonly CloudProvider[];
  store: TaintStore;
  terms: readonly string[];
  sinks: Sinks;
  now(): number;
  countTokens(text: string): Promise<number>;
}

type Chunks = AsyncIterable<ChatCompletionChunk>;

/** The decision is for somebody, and was not to refuse. */
export function answer(
  decided: DecidedRequest,
  parts: AnswerParts,
  options: Pick<ChatOptions, 'signal' | 'trace'>,
): Chunks {
  const { decision } = decided;
  const askLocal = (): Chunks =>
    parts.local.chat(localRequest(decided), { ...options, local: decided.request.local });
  const { policy } = decision.record;
  const mayComeHome = policy.continueLocally && decision.alternatives.some(({ kind }) => kind === 'local');
  if (decision.plan === 'local') return withDecision(askLocal(), decision);
  const chunks = askClouds(decided, parts, options);
  return withDecision(mayComeHome ? orElse(chunks, askLocal) : chunks, decision);
}

/** Endpoints that all fail before they say anything are as if they were not there. */
async function* orElse(chunks: Chunks, askLocal: () => Chunks): AsyncGenerator<ChatCompletionChunk> {
  let hasBegun = false;
  try {
    for await (const chunk of chunks) {
      hasBegun = true;
      yield chunk;
    }
  } catch (error) {
    if (hasBegun || !(error instanceof SelvedgeError) || error.code !== 'cloud_failed') throw error;
    yield* askLocal();
  }
}

async function* withDecision(chunks: Chunks, decision: Decision): AsyncGenerator<ChatCompletionChunk> {
  let isFirst = true;
  for await (const chunk of chunks) {
    yield isFirst ? { ...chunk, selvedge: { decision } } : chunk;
    isFirst = false;
  }
}

/** What only endpoints take asks for nothing here, or the decision would have been another. */
function localRequest({ request, labelled }: DecidedRequest): ChatCompletionParams {
  const {
    tools: _tools,
    tool_choice: _choice,
    parallel_tool_calls: _parallel,
    response_format: _format,
    model: _model,
    ...params
  } = request.params;
  return { ...params, selvedge: { privacy: labelled.class } };
}

async function* askClouds(
  decided: DecidedRequest,
  parts: AnswerParts,
  options: Pick<ChatOptions, 'signal' | 'trace'>,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const { request, labelled, detections, decision } = decided;
  const { vault } = labelled.conversation;
  const isRedacted = decision.plan === 'cloud-redacted';
  const messages = isRedacted
    ? redact(request.messages, toRedact(labelled.texts, detections ?? []), vault)
    : request.messages;
  const sent: ChatCompletionParams = { ...request.params, messages, selvedge: null };
  const ids = [decision.provider, ...decision.fallbacks.map(({ provider }) => provider)];
  const providers = ids.flatMap((id) => parts.clouds.filter((cloud) => cloud.id === id));
  const chunks = chatInOrder({
    providers,
    request: sent,
    options: { ...options, cover: coverOf(decided, parts, providers) },
    ...(decision.record.policy.continueLocally
      ? { continueLocally: continuation(sent, decided, parts) }
      : {}),
  });
  const measured = measureChunks(chunks, {
    now: parts.now,
    startMs: parts.now(),
    promptTokens: decision.record.request.promptTokens,
    countTokens: parts.countTokens,
    seed: request.params.seed ?? null,
  });
  yield* isRedacted ? restoreChunks(measured, vault, restoreOptions(request, parts.sinks)) : measured;
}

/**
 * The engine goes on with an answer that broke off. It sees what the endpoint saw, aliases included, so that both speak of
 * the same things.
 */
function continuation(
  sent: ChatCompletionParams,
  decided: DecidedRequest,
  { local }: AnswerParts,
): NonNullable<Parameters<typeof chatInOrder>[0]['continueLocally']> {
  const { max_completion_tokens: _newer, ...params } = localRequest({
    ...decided,
    request: { ...decided.request, params: sent },
  });
  return (beginning, { signal, maxTokens }) => {
    const begun = { role: 'assistant' as const, content: beginning };
    const isBegun = beginning !== '';
    return local.chat(
      {
        ...params,
        messages: isBegun ? [...params.messages, begun] : params.messages,
        continue_final_message: isBegun,
        max_tokens: maxTokens,
      },
      { signal },
    );
  };
}

function restoreOptions({ needs }: RoutedRequest, sinks: Sinks): RestoreOptions {
  return { format: needs.json ? 'json' : 'markdown', sinks };
}

function coverOf(
  { labelled, detections, decision }: DecidedRequest,
  { store, terms }: AnswerParts,
  providers: readonly CloudProvider[],
): EgressCover {
  return {
    decisionId: decision.id,
    hosts: providers.map(({ endpoint }) => new URL(endpoint.baseURL).origin),
    classes: PRIVACY_CLASSES.filter((one) => isAtMost(one, labelled.class)),
    forbidden: createForbidden({
      store,
      labelled,
      detections: detections ?? [],
      terms,
      recognise: findChecksummed,
    }),
  };
}
