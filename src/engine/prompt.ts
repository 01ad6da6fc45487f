/**
 * From what a request asks to the token ids that are run, and how many may follow. All that can be wrong with a
 * prompt is found here, before the request waits for its turn.
 *
 * The context holds `contextLength` tokens. The last token of an answer is never fed back, so a prompt of P
 * tokens leaves room for contextLength - P + 1.
 */
import { SelvedgeError } from '../errors.ts';
import type { ChatMessage, GenerateRequest, Prompt } from '../rpc/protocol.ts';
import type { LoadedModel } from './loaded-model.ts';

export interface PreparedPrompt {
  ids: number[];
  /** Most tokens of one choice. */
  maxTokens: number;
  droppedMessages: number;
}

/** Room that dropping turns makes for an answer of no stated length: a quarter of the context, at most this. */
const ANSWER_TOKENS = 256;

export function preparePrompt(request: GenerateRequest, model: LoadedModel): PreparedPrompt {
  const { vocabSize } = model.info;
  for (const [id] of request.sampling.bias) refuseUnknownToken(id, vocabSize, 'logit_bias');
  const { contextLength } = model.session.info();
  const { prompt, maxTokens } = request;
  const limit = contextLength + 1;
  const fits = (ids: readonly number[], answer: number): boolean => ids.length + answer <= limit;

  if (prompt.kind === 'chat' && prompt.context === 'drop-oldest') {
    const answer = maxTokens ?? Math.min(ANSWER_TOKENS, contextLength >> 2);
    return dropOldest(prompt, model, (ids) => fits(ids, answer), maxTokens, limit);
  }
  const ids = encode(prompt, model);
  if (!fits(ids, maxTokens ?? 1)) throw tooLong(ids.length, maxTokens, contextLength);
  return { ids, maxTokens: Math.min(maxTokens ?? Infinity, limit - ids.length), droppedMessages: 0 };
}

/**
 * The tokens that prompts which begin with this one have in common. What follows the messages of a chat is not known yet:
 * it is whatever the template makes of two different messages alike. Where a user spoke last, the next is the answer.
 */
export function preparePrefix(prompt: Prompt, model: LoadedModel): number[] {
  const ids = commonTokens(prompt, model);
  const { contextLength } = model.session.info();
  if (ids.length > contextLength) throw tooLong(ids.length, null, contextLength);
  return ids;
}

function commonTokens(prompt: Prompt, model: LoadedModel): number[] {
  if (prompt.kind !== 'chat' || prompt.messages.at(-1)?.role === 'user') return encode(prompt, model);
  const { messages, templateArguments } = prompt;
  const withUser = (content: string): number[] =>
    model.renderChat([...messages, { role: 'user', content }], templateArguments);
  const ids = withUser('a');
  const others = withUser('?');
  return ids.slice(
    0,
    ids.findIndex((id, i) => id !== others[i]),
  );
}

function encode(prompt: Prompt, model: LoadedModel): number[] {
  switch (prompt.kind) {
    case 'chat':
      return model.renderChat(prompt.messages, prompt.templateArguments, prompt.beginning);
    case 'text':
      return notEmpty(model.encodePrompt(prompt.text));
    case 'ids':
      for (const id of prompt.ids) refuseUnknownToken(id, model.info.vocabSize, 'prompt');
      return notEmpty(prompt.ids);
    default:
      return prompt satisfies never;
  }
}

function refuseUnknownToken(id: number, vocabSize: number, param: string): void {
  if (id < vocabSize) return;
  throw new SelvedgeError(
    'invalid_request',
    `${param} holds token ${id}, but the model has ${vocabSize} tokens. Use ids from tokenize().`,
    { details: { param } },
  );
}

function notEmpty(ids: number[]): number[] {
  if (ids.length > 0) return ids;
  throw new SelvedgeError('invalid_request', 'prompt is empty. Give at least one token to continue.', {
    details: { param: 'prompt' },
  });
}

function dropOldest(
  prompt: Prompt & { kind: 'chat' },
  model: LoadedModel,
  fits: (ids: readonly number[]) => boolean,
  maxTokens: number | null,
  limit: number,
): PreparedPrompt {
  let messages: readonly ChatMessage[] = prompt.messages;
  for (;;) {
    const ids = model.renderChat(messages, prompt.templateArguments, prompt.beginning);
    if (fits(ids)) {
      const droppedMessages = prompt.messages.length - messages.length;
      return { ids, maxTokens: Math.min(maxTokens ?? Infinity, limit - ids.length), droppedMessages };
    }
    const shorter = withoutOldestTurn(messages);
    if (!shorter) throw tooLong(ids.length, maxTokens, limit - 1);
    messages = shorter;
  }
}

/**
 * A turn is a user message and all up to the next one. System messages stay wherever they are, and so does the
 * last turn. Undefined: nothing is left to drop.
 */
export function withoutOldestTurn(messages: readonly ChatMessage[]): ChatMessage[] | undefined {
  const isSystem = ({ role }: ChatMessage): boolean => role === 'system' || role === 'developer';
  const start = messages.findIndex((message) => !isSystem(message));
  const next = messages.findIndex(({ role }, i) => i > start && role === 'user');
  if (start < 0 || next < 0) return undefined;
  return messages.filter((message, i) => i < start || i >= next || isSystem(message));
}

function tooLong(promptTokens: number, maxTokens: number | null, contextLength: number): SelvedgeError {
  const asked = maxTokens === null ? '' : ` and max_tokens of ${maxTokens}`;
  return new SelvedgeError(
    'context_length_exceeded',
    `A prompt of ${promptTokens} tokens${asked} does not fit the context of ${contextLength}. ` +
      `Shorten it, raise contextLength, or pass context: 'drop-oldest'.`,
    { details: { param: 'messages', promptTokens, maxTokens, contextLength } },
  );
}
