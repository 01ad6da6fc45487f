/**
 * One chunk as an endpoint sends it, checked: what is used of it is of the type it should be, the rest is left behind.
 * Endpoints differ in what they leave out and in how they call what a model thinks.
 */
import type { ChoiceLogprobs, FinishReason, ToolCallDelta, Usage } from '../client/types.ts';

export interface WireChunk {
  id: string | undefined;
  created: number | undefined;
  model: string | undefined;
  fingerprint: string | undefined;
  choices: WireChoice[];
  usage: Usage | undefined;
}

export interface WireChoice {
  index: number;
  content: string;
  reasoning: string;
  toolCalls: ToolCallDelta[];
  logprobs: ChoiceLogprobs | undefined;
  finish: FinishReason | undefined;
}

/** What the event says instead of a chunk: the endpoint failed. */
export interface WireError {
  /** HTTP status, where it names one. */
  status: number | undefined;
}

/** The data is neither a chunk nor an error. */
export class MalformedChunk extends Error {}

type Fields = Record<string, unknown>;

export function readChunk(data: string): WireChunk | WireError {
  const from = asFields(parse(data));
  const { error } = from;
  if (error !== undefined && error !== null) return { status: statusOf(error) };
  const choices = optional(from['choices'], asList) ?? [];
  const read = choices.map((choice) => readChoice(asFields(choice)));
  if (read.some((choice) => choice === 'failed')) return { status: undefined };
  return {
    id: optional(from['id'], asString) || undefined,
    created: optional(from['created'], asNumber),
    model: optional(from['model'], asString) || undefined,
    fingerprint: optional(from['system_fingerprint'], asString) || undefined,
    choices: read.filter((choice) => choice !== 'failed'),
    usage: optional(from['usage'], (usage) => readUsage(asFields(usage))),
  };
}

export function isWireError(chunk: WireChunk | WireError): chunk is WireError {
  return 'status' in chunk;
}

/** How some endpoints say that they gave up in the middle. */
const FAILED = new Set(['error', 'insufficient_system_resource', 'abort']);

function readChoice(from: Fields): WireChoice | 'failed' {
  const delta = optional(from['delta'], asFields) ?? {};
  const finish = optional(from['finish_reason'], asString) || undefined;
  if (finish !== undefined && FAILED.has(finish)) return 'failed';
  const text = (name: string): string => optional(delta[name], asString) ?? '';
  return {
    index: optional(from['index'], asIndex) ?? 0,
    content: text('content') + text('refusal'),
    reasoning: text('reasoning_content') || text('reasoning'),
    toolCalls: (optional(delta['tool_calls'], asList) ?? []).map((call) => readToolCall(asFields(call))),
    logprobs: optional(from['logprobs'], (logprobs) => readLogprobs(asFields(logprobs))),
    finish: finish === undefined ? undefined : readFinish(finish),
  };
}

function readFinish(reason: string): FinishReason {
  switch (reason) {
    case 'length':
    case 'tool_calls':
    case 'content_filter':
      return reason;
    default:
      // Endpoints have words of their own for an answer that came to its end.
      return 'stop';
  }
}

function readToolCall(from: Fields): ToolCallDelta {
  const id = optional(from['id'], asString);
  const called = optional(from['function'], asFields) ?? {};
  const name = optional(called['name'], asString);
  return {
    index: optional(from['index'], asIndex) ?? 0,
    ...(id ? { id } : {}),
    function: {
      ...(name ? { name } : {}),
      arguments: optional(called['arguments'], asString) ?? '',
    },
  };
}

function readLogprobs(from: Fields): ChoiceLogprobs | undefined {
  const content = optional(from['content'], asList);
  if (!content || content.length === 0) return undefined;
  const plain = (one: Fields): { token: string; logprob: number; bytes: number[] } => {
    const token = asString(one['token']);
    const bytes = optional(one['bytes'], asList)?.map(asNumber);
    return { token, logprob: asNumber(one['logprob']), bytes: bytes ?? [...new TextEncoder().encode(token)] };
  };
  return {
    content: content.map((one) => ({
      ...plain(asFields(one)),
      top_logprobs: (optional(asFields(one)['top_logprobs'], asList) ?? []).map((top) =>
        plain(asFields(top)),
      ),
    })),
    refusal: null,
  };
}

function readUsage(from: Fields): Usage {
  const count = (fields: Fields, name: string): number => optional(fields[name], asNumber) ?? 0;
  const prompt = count(from, 'prompt_tokens');
  const completion = count(from, 'completion_tokens');
  const ofPrompt = optional(from['prompt_tokens_details'], asFields) ?? {};
  const ofCompletion = optional(from['completion_tokens_details'], asFields) ?? {};
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: count(ofPrompt, 'cached_tokens') },
    completion_tokens_details: { reasoning_tokens: count(ofCompletion, 'reasoning_tokens') },
  };
}

/** A status in the error object itself, or in the words of those that put it into `code`. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { status, code } = error as Fields;
  return [status, code].map(Number).find((one) => Number.isInteger(one) && one >= 400 && one < 600);
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new MalformedChunk('not JSON');
  }
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

function asFields(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new MalformedChunk('not an object');
}

function asList(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new MalformedChunk('not a list');
}

function asString(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new MalformedChunk('not a string');
}

function asNumber(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new MalformedChunk('not a number');
}

function asIndex(value: unknown): number {
  const index = asNumber(value);
  if (Number.isInteger(index) && index >= 0 && index < 1000) return index;
  throw new MalformedChunk('not an index');
}
