/**
 * OpenAI's response objects from the engine's deltas. Pure. A `Shape` is one kind of completion (chat, text): it
 * says how a delta looks as a chunk, and how the collected choices look as a full response.
 */
import type { ChoiceDelta, GenerationTimings, TokenLogprob as EngineLogprob } from '../rpc/protocol.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChoiceLogprobs,
  Completion,
  CompletionChunk,
  CompletionLogprobs,
  FinishReason,
  Timings,
  TopLogprob,
  Usage,
} from './types.ts';

/** What is the same in all objects of one response. */
export interface ResponseHead {
  id: string;
  created: number;
  model: string;
  system_fingerprint: string;
}

/** All of one choice, with whether logprobs were asked for. */
export interface WholeChoice {
  reasoning: string;
  text: string;
  logprobs: EngineLogprob[] | null;
  finish: FinishReason;
}

/** What a response ends with. */
export interface ResponseEnd {
  usage: Usage;
  timings: Timings;
  seed: number;
}

export interface ChunkContent {
  delta: ChoiceDelta;
  withLogprobs: boolean;
  /** UTF-16 units of the choice's text before this delta. */
  offset: number;
}

export interface Shape<Chunk, Full> {
  idPrefix: string;
  /** The chunk before a choice's text; undefined where the kind has none. */
  opening(head: ResponseHead, choice: number): Chunk | undefined;
  chunk(head: ResponseHead, content: ChunkContent): Chunk;
  /** The chunk without choices that carries the usage. */
  usageChunk(head: ResponseHead, usage: Usage): Chunk;
  full(head: ResponseHead, choices: WholeChoice[], end: ResponseEnd): Full;
}

export const chatShape: Shape<ChatCompletionChunk, ChatCompletion> = {
  idPrefix: 'chatcmpl-',
  opening: (head, index) =>
    chatChunk(head, [
      { index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
    ]),
  chunk: (head, { delta: { choice, reasoning, text, logprobs, finish }, withLogprobs }) =>
    chatChunk(head, [
      {
        index: choice,
        delta: {
          ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
          ...(text === '' ? {} : { content: text }),
        },
        logprobs: withLogprobs && logprobs.length > 0 ? chatLogprobs(logprobs) : null,
        finish_reason: finish,
      },
    ]),
  usageChunk: (head, usage) => ({ ...chatChunk(head, []), usage }),
  full: ({ id, ...head }, choices, end) => ({
    id,
    object: 'chat.completion',
    ...head,
    choices: choices.map(({ reasoning, text, logprobs, finish }, index) => ({
      index,
      message: {
        role: 'assistant',
        content: text,
        ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
        refusal: null,
      },
      logprobs: logprobs && chatLogprobs(logprobs),
      finish_reason: finish,
    })),
    ...end,
  }),
};

function chatChunk(
  { id, ...head }: ResponseHead,
  choices: ChatCompletionChunk['choices'],
): ChatCompletionChunk {
  return { id, object: 'chat.completion.chunk', ...head, choices };
}

export const textShape: Shape<CompletionChunk, Completion> = {
  idPrefix: 'cmpl-',
  opening: () => undefined,
  chunk: (head, { delta: { choice, text, logprobs, finish }, withLogprobs, offset }) =>
    textChunk(head, [
      {
        index: choice,
        text,
        logprobs: withLogprobs && logprobs.length > 0 ? textLogprobs(logprobs, offset) : null,
        finish_reason: finish,
      },
    ]),
  usageChunk: (head, usage) => ({ ...textChunk(head, []), usage }),
  full: ({ id, ...head }, choices, end) => ({
    id,
    object: 'text_completion',
    ...head,
    choices: choices.map(({ text, logprobs, finish }, index) => ({
      index,
      text,
      logprobs: logprobs && textLogprobs(logprobs, 0),
      finish_reason: finish,
    })),
    ...end,
  }),
};

function textChunk({ id, ...head }: ResponseHead, choices: CompletionChunk['choices']): CompletionChunk {
  return { id, object: 'text_completion', ...head, choices };
}

/** A token's bytes need not be whole characters: as text they are shown with replacements. */
function tokenText(bytes: readonly number[]): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

function chatLogprobs(logprobs: readonly EngineLogprob[]): ChoiceLogprobs {
  const plain = ({ bytes, logprob }: { bytes: number[]; logprob: number }): TopLogprob => ({
    token: tokenText(bytes),
    logprob,
    bytes,
  });
  const content = logprobs.map((one) => ({ ...plain(one), top_logprobs: one.top.map(plain) }));
  return { content, refusal: null };
}

function textLogprobs(logprobs: readonly EngineLogprob[], offset: number): CompletionLogprobs {
  const tokens = logprobs.map(({ bytes }) => tokenText(bytes));
  let at = offset;
  return {
    tokens,
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ bytes, logprob }) => [tokenText(bytes), logprob])),
    ),
    text_offset: tokens.map((token) => (at += token.length) - token.length),
  };
}

export function usageOf(timings: GenerationTimings): Usage {
  const { promptTokens, predictedTokens, cachedTokens, reasoningTokens } = timings;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: predictedTokens,
    total_tokens: promptTokens + predictedTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

/** The prompt's last row gives the first token of each choice, so that many took no time of their own. */
export function timingsOf(timings: GenerationTimings, choiceCount: number): Timings {
  const { promptTokens, cachedTokens, promptMs, predictedTokens, predictedMs } = timings;
  const computed = promptTokens - cachedTokens;
  const perSecond = (count: number, ms: number): number => (count > 0 && ms > 0 ? (1000 * count) / ms : 0);
  return {
    prompt_n: computed,
    restore_ms: timings.restoreMs,
    prompt_ms: promptMs,
    prompt_per_second: perSecond(computed, promptMs),
    predicted_n: predictedTokens,
    predicted_ms: predictedMs,
    predicted_per_second: perSecond(predictedTokens - choiceCount, predictedMs),
    cache_n: cachedTokens,
    draft_n: timings.speculation.drafted,
    draft_n_accepted: timings.speculation.accepted,
    draft_gained_ms: timings.speculation.gainedMs,
    draft_by: Object.fromEntries(
      Object.entries(timings.speculation.byDrafter).map(([id, { drafted, accepted }]) => [
        id,
        { n: drafted, n_accepted: accepted },
      ]),
    ),
  };
}
