/**
 * From OpenAI's parameters to the engine's request. Everything is checked here, where it enters, and trusted
 * behind: a wrong value names its parameter; a parameter that would change the meaning and is not implemented is
 * refused, never ignored. `null` counts as absent. Defaults are OpenAI's.
 */
import type { ChatMessage, GenerateRequest, Prompt, SamplingRequest } from '../rpc/protocol.ts';
import {
  invalid,
  isAbsent,
  isRecord,
  readBoolean,
  readChoice,
  readNumber,
  refuseUnknown,
  show,
  unsupported,
} from './checks.ts';
import type { Outside } from './checks.ts';
import { readMessages } from './messages.ts';
import { readLocalPrivacy } from './privacy.ts';

export interface ReadRequest {
  request: Omit<GenerateRequest, 'cancelFlag'>;
  model: string | undefined;
  includeUsage: boolean;
}

const SHARED = [
  'model',
  'stop',
  'seed',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'frequency_penalty',
  'presence_penalty',
  'repetition_penalty',
  'logit_bias',
  'n',
  'stream',
  'stream_options',
  'max_tokens',
  'logprobs',
  'selvedge',
] as const;

/** Accepted and without effect: they change nothing of the answer. */
const WITHOUT_EFFECT = ['user', 'metadata', 'store'] as const;

const CHAT = new Set<string>([
  ...SHARED,
  ...WITHOUT_EFFECT,
  'messages',
  'max_completion_tokens',
  'top_logprobs',
  'chat_template_kwargs',
  'continue_final_message',
]);
const TEXT = new Set<string>([...SHARED, ...WITHOUT_EFFECT, 'prompt']);

/** Values of parameters not implemented that ask for nothing but what is done anyway. */
const NEUTRAL: Record<string, (value: unknown) => boolean> = {
  response_format: (value) => isRecord(value) && value['type'] === 'text',
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  echo: (value) => value === false,
  best_of: (value) => value === 1,
};

const COMPLETION_TOKENS = 16;
const MAX_STOPS = 64;

export function readChatRequest(params: unknown, options: unknown): ReadRequest {
  const from = asRecord(params);
  refuseUnknown(withoutNeutral(from), CHAT);
  const { priority, context } = readOptions(options, ['error', 'drop-oldest']);
  const kwargs = from['chat_template_kwargs'] ?? {};
  if (!isRecord(kwargs)) throw invalid('chat_template_kwargs', `is ${show(kwargs)}; give an object.`);
  const messages = readMessages(from['messages']);
  const prompt: Prompt = {
    kind: 'chat',
    ...(readBoolean(from, 'continue_final_message') ? splitFinal(messages) : { messages }),
    templateArguments: kwargs,
    context,
  };
  const withLogprobs = readBoolean(from, 'logprobs');
  const top = readNumber(from, 'top_logprobs', null, { min: 0, max: 20, integer: true });
  if (top !== null && !withLogprobs)
    throw invalid('top_logprobs', `is ${top}, but logprobs is not true. Set it.`);
  return finishReading(from, {
    prompt,
    priority,
    maxTokens: readChatMaxTokens(from),
    topLogprobs: withLogprobs ? (top ?? 0) : null,
  });
}

/** The last message is what the answer begins with. */
function splitFinal(messages: ChatMessage[]): { messages: ChatMessage[]; beginning: string } {
  const final = messages.at(-1);
  if (final?.role === 'assistant' && messages.length > 1) {
    return { messages: messages.slice(0, -1), beginning: final.content };
  }
  throw invalid(
    'continue_final_message',
    `is true, but the last message is ${messages.length > 1 ? `of role ${final?.role}` : 'the only one'}. ` +
      `End with what the assistant has said of its answer.`,
  );
}

export function readTextRequest(params: unknown, options: unknown): ReadRequest {
  const from = asRecord(params);
  refuseUnknown(withoutNeutral(from), TEXT);
  const { priority } = readOptions(options, ['error']);
  return finishReading(from, {
    prompt: readPrompt(from['prompt']),
    priority,
    maxTokens: readMaxTokens(from, 'max_tokens') ?? COMPLETION_TOKENS,
    topLogprobs: readNumber(from, 'logprobs', null, { min: 0, max: 5, integer: true }),
  });
}

function asRecord(params: unknown): Outside {
  if (isRecord(params)) return params;
  throw invalid('The request', `is ${show(params)}; give an object.`);
}

function withoutNeutral(from: Outside): Outside {
  return Object.fromEntries(Object.entries(from).filter(([name, value]) => !NEUTRAL[name]?.(value)));
}

function finishReading(
  from: Outside,
  parts: Pick<GenerateRequest, 'prompt' | 'priority' | 'maxTokens' | 'topLogprobs'>,
): ReadRequest {
  const model = from['model'];
  if (!isAbsent(model) && typeof model !== 'string')
    throw invalid('model', `is ${show(model)}; give a string.`);
  const stream = readBoolean(from, 'stream');
  return {
    request: {
      ...parts,
      sampling: readSampling(from),
      privacy: readLocalPrivacy(from['selvedge'], from['messages']),
      choiceCount: readNumber(from, 'n', 1, { min: 1, max: 128, integer: true }),
      stop: readStop(from['stop']),
      stream,
    },
    model: model ?? undefined,
    includeUsage: readIncludeUsage(from['stream_options'], stream),
  };
}

function readSampling(from: Outside): SamplingRequest {
  const penalty = { min: -2, max: 2 };
  const seed = readNumber(from, 'seed', null, {
    min: Number.MIN_SAFE_INTEGER,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
  });
  return {
    bias: readBias(from['logit_bias']),
    repetitionPenalty: readNumber(from, 'repetition_penalty', 1, { min: 0, max: 100, above: true }),
    frequencyPenalty: readNumber(from, 'frequency_penalty', 0, penalty),
    presencePenalty: readNumber(from, 'presence_penalty', 0, penalty),
    temperature: readNumber(from, 'temperature', 1, { min: 0, max: 2 }),
    topK: readNumber(from, 'top_k', 0, { min: 0, max: 0xffffffff, integer: true }),
    topP: readNumber(from, 'top_p', 1, { min: 0, max: 1 }),
    minP: readNumber(from, 'min_p', 0, { min: 0, max: 1 }),
    // The noise's key has 32 bits: seeds that are equal modulo 2^32 are the same seed.
    seed: seed === null ? null : Number(BigInt.asUintN(32, BigInt(seed))),
  };
}

function readBias(value: unknown): [number, number][] {
  if (isAbsent(value)) return [];
  if (!isRecord(value))
    throw invalid('logit_bias', `is ${show(value)}; give an object of token ids to numbers.`);
  return Object.entries(value).map(([key, bias]) => {
    const isId = /^\d{1,9}$/.test(key);
    if (!isId) throw invalid('logit_bias', `has the key ${show(key)}; give token ids (see tokenize()).`);
    if (typeof bias === 'number' && bias >= -100 && bias <= 100) return [Number(key), bias];
    throw invalid('logit_bias', `of token ${key} is ${show(bias)}; give a number from -100 to 100.`);
  });
}

function readStop(value: unknown): string[] {
  if (isAbsent(value)) return [];
  const stops: unknown[] = Array.isArray(value) ? value : [value];
  if (stops.length > MAX_STOPS)
    throw invalid('stop', `has ${stops.length} strings; give at most ${MAX_STOPS}.`);
  return stops.map((stop) => {
    if (typeof stop === 'string' && stop !== '') return stop;
    throw invalid('stop', `holds ${show(stop)}; give strings that are not empty.`);
  });
}

function readMaxTokens(from: Outside, param: string): number | null {
  return readNumber(from, param, null, { min: 1, max: 0xffffffff, integer: true });
}

function readChatMaxTokens(from: Outside): number | null {
  const older = readMaxTokens(from, 'max_tokens');
  const newer = readMaxTokens(from, 'max_completion_tokens');
  if (older !== null && newer !== null && older !== newer) {
    throw invalid('max_tokens', `is ${older}, but max_completion_tokens is ${newer}. Give one of them.`);
  }
  return newer ?? older;
}

function readIncludeUsage(value: unknown, stream: boolean): boolean {
  if (isAbsent(value)) return false;
  if (!stream) throw invalid('stream_options', 'is only allowed with stream: true. Leave it out.');
  if (!isRecord(value)) throw invalid('stream_options', `is ${show(value)}; give an object.`);
  refuseUnknown(value, new Set(['include_usage']), 'stream_options.');
  return readBoolean(value, 'include_usage');
}

function readPrompt(value: unknown): Prompt {
  if (typeof value === 'string') return { kind: 'text', text: value };
  if (!Array.isArray(value)) throw invalid('prompt', `is ${show(value)}; give a string or token ids.`);
  const parts: unknown[] = value;
  const first = parts[0];
  if (parts.length === 1 && typeof first === 'string') return { kind: 'text', text: first };
  if (typeof first === 'string' || Array.isArray(first)) {
    throw unsupported('prompt', 'Send one request for each; they are queued.', 'prompt with several prompts');
  }
  const ids = parts.map((id) => {
    if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) return id;
    throw invalid('prompt', `holds ${show(id)}; give token ids from tokenize().`);
  });
  return { kind: 'ids', ids };
}

function readOptions<T extends 'error' | 'drop-oldest'>(
  value: unknown,
  policies: readonly T[],
): { priority: number; context: T | 'error' } {
  if (isAbsent(value)) return { priority: 0, context: 'error' };
  if (!isRecord(value)) throw invalid('options', `is ${show(value)}; give an object.`);
  refuseUnknown(value, new Set(['signal', 'priority', 'context']), 'options.');
  return {
    priority: readNumber(value, 'priority', 0, { min: -1e9, max: 1e9 }),
    context: readChoice<T | 'error'>(value, 'context', policies, 'error'),
  };
}
