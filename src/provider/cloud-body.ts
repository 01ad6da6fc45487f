/**
 * The body of a request to an endpoint, built up from a list of what may be in it, never by taking away: labels, the
 * `selvedge` field, identifiers of people (`user`, `metadata`) and what is only known here cannot be in it.
 */
import { assert, SelvedgeError } from '../errors.ts';
import type { ChatCompletionParams, ChatMessageParam, MediaPart, TextPart } from '../client/types.ts';
import type { CloudEndpoint } from './provider.ts';

/** OpenAI's parameters that are sent as they are. Token ids (`logit_bias`) mean something else to another tokenizer. */
const SENT = [
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'stop',
  'seed',
  'n',
  'logprobs',
  'top_logprobs',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
] as const satisfies readonly (keyof ChatCompletionParams)[];

export interface BodyOptions {
  /** What the answer begins with; the endpoint goes on behind it. Empty: it begins anew. */
  prefix: string;
  /** Most tokens of what is asked for. */
  maxTokens: number | null;
}

export function chatBody(
  request: ChatCompletionParams,
  endpoint: CloudEndpoint,
  { prefix, maxTokens }: BodyOptions,
): string {
  const { model, capParameter, continuation } = endpoint;
  const body: Record<string, unknown> = { model, messages: request.messages.map(readMessage) };
  for (const name of SENT) if (isThere(request[name])) body[name] = request[name];
  if (request.tools && request.tools.length > 0) body['tools'] = request.tools.map(readTool);
  if (maxTokens !== null) body[capParameter] = maxTokens;
  if (prefix !== '') Object.assign(body, withPrefix(body, continuation, prefix));
  return JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } });
}

/** Most tokens that the request allows. */
export function capOf(request: ChatCompletionParams): number | null {
  return request.max_completion_tokens ?? request.max_tokens ?? null;
}

/** The answer's beginning as the last message, in the endpoint's way of saying that it is to be continued. */
function withPrefix(
  body: Record<string, unknown>,
  continuation: CloudEndpoint['continuation'],
  prefix: string,
): Record<string, unknown> {
  const begun = { role: 'assistant', content: prefix };
  const messages = body['messages'] as unknown[];
  switch (continuation) {
    case 'continue_final_message':
      return { messages: [...messages, begun], continue_final_message: true, add_generation_prompt: false };
    case 'prefix':
      return { messages: [...messages, { ...begun, prefix: true }] };
    case 'partial':
      return { messages: [...messages, { ...begun, partial: true }] };
    case null:
      assert(false, 'an endpoint that takes no prefix is given none');
    default:
      return continuation satisfies never;
  }
}

function readMessage(message: ChatMessageParam): Record<string, unknown> {
  const { role, content, name, tool_call_id: toolCallId, tool_calls: toolCalls } = message;
  return {
    role,
    content: typeof content === 'string' || content === null ? content : content.map(readPart),
    ...(isThere(name) ? { name } : {}),
    ...(isThere(toolCallId) ? { tool_call_id: toolCallId } : {}),
    ...(toolCalls && toolCalls.length > 0
      ? {
          tool_calls: toolCalls.map(({ id, function: { name: called, arguments: given } }) => ({
            id,
            type: 'function',
            function: { name: called, arguments: given },
          })),
        }
      : {}),
  };
}

function readPart(part: TextPart | MediaPart): Record<string, unknown> {
  const { type } = part;
  switch (type) {
    case 'text':
      return { type, text: part.text };
    case 'image_url': {
      const { url, detail } = part.image_url;
      return { type, image_url: { url, ...(isThere(detail) ? { detail } : {}) } };
    }
    case 'input_audio':
      return { type, input_audio: { data: part.input_audio.data, format: part.input_audio.format } };
    case 'file': {
      const { file_data: data, file_id: id, filename } = part.file;
      return {
        type,
        file: {
          ...(isThere(data) ? { file_data: data } : {}),
          ...(isThere(id) ? { file_id: id } : {}),
          ...(isThere(filename) ? { filename } : {}),
        },
      };
    }
    default:
      throw unknownPart(type satisfies never);
  }
}

function unknownPart(type: string): SelvedgeError {
  return new SelvedgeError(
    'unsupported_parameter',
    `A message part of type '${type}' is not supported. Give text, image_url, input_audio or file.`,
    { details: { param: 'messages' } },
  );
}

function readTool({ function: declared }: NonNullable<ChatCompletionParams['tools']>[number]): object {
  const { name, description, parameters, strict } = declared;
  return {
    type: 'function',
    function: {
      name,
      ...(isThere(description) ? { description } : {}),
      ...(isThere(parameters) ? { parameters } : {}),
      ...(isThere(strict) ? { strict } : {}),
    },
  };
}

function isThere<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}
