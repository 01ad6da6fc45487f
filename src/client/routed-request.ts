/**
 * A chat request to a client that has a cloud: what the local model takes, and what only endpoints take, checked in the
 * same way. What both know is checked by the same code as ever.
 */
import type { PrivacyClass } from '../privacy/classes.ts';
import { PRIVACY_CLASSES } from '../privacy/classes.ts';
import type { RequestNeeds, RouteWish } from '../router/decision.ts';
import type { ContextPolicy } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, readBoolean, readChoice, readNumber, show } from './checks.ts';
import type { Outside } from './checks.ts';
import { readChatRequest } from './parameters.ts';
import { readSelvedge } from './privacy.ts';
import type { ChatCompletionParams, ChatMessageParam } from './types.ts';

export interface RoutedRequest {
  params: ChatCompletionParams;
  messages: ChatMessageParam[];
  stream: boolean;
  includeUsage: boolean;
  /** Texts that go along with the messages: tools, schemas, stop strings. */
  beside: string[];
  maxTokens: number | null;
  /** As the caller wrote it; undefined: left out. */
  model: string | undefined;
  needs: RequestNeeds;
  /** Of the request as a whole; null: not said. */
  privacy: PrivacyClass | null;
  route: RouteWish;
  deadlineMs: number | null;
  maxCost: number | null;
  local: { priority: number; context: ContextPolicy };
}

const CLOUD_ONLY = ['tools', 'tool_choice', 'parallel_tool_calls', 'response_format'];
/** What an endpoint is not told, because it would not know it or would mean something else by it. */
const ENGINE_ONLY = [
  'top_k',
  'min_p',
  'repetition_penalty',
  'logit_bias',
  'chat_template_kwargs',
  'continue_final_message',
];
const MEDIA: Record<string, string> = { image_url: 'image_url', input_audio: 'input_audio', file: 'file' };

export function readRoutedRequest(params: unknown, options: unknown): RoutedRequest {
  const from = isRecord(params) ? params : {};
  const said = readSelvedge(from['selvedge'], ['privacy', 'route', 'deadlineMs', 'maxCost']);
  const { request, model, includeUsage } = readChatRequest(isRecord(params) ? narrow(from) : params, options);
  const hasTools = readTools(from);
  const hasJson = readFormat(from['response_format']);
  // Checked by now: by `readChatRequest`, and here what it was not shown.
  const checked = from as unknown as ChatCompletionParams;
  return {
    params: checked,
    messages: checked.messages,
    stream: request.stream,
    includeUsage,
    beside: [
      ...request.stop,
      ...['tools', 'tool_choice', 'response_format'].flatMap((name) =>
        isAbsent(from[name]) ? [] : [JSON.stringify(from[name])],
      ),
    ],
    maxTokens: request.maxTokens,
    model,
    needs: {
      tools: hasTools || checked.messages.some(({ tool_calls: calls }) => !isAbsent(calls)),
      json: hasJson,
      images: checked.messages.some(hasMedia),
      logprobs: request.topLogprobs !== null,
      n: request.choiceCount > 1,
      engine: ENGINE_ONLY.some((name) => !isAbsent(from[name])),
    },
    privacy: isAbsent(said['privacy'])
      ? null
      : readChoice<PrivacyClass>(said, 'privacy', PRIVACY_CLASSES, 'personal'),
    route: readChoice<RouteWish>(said, 'route', ['auto', 'local', 'cloud'], 'auto'),
    deadlineMs: readNumber(said, 'deadlineMs', null, { min: 0, max: 1e9, above: true }),
    maxCost: readNumber(said, 'maxCost', null, { min: 0, max: 1e12 }),
    local: { priority: request.priority, context: contextOf(request.prompt) },
  };
}

function contextOf(prompt: ReturnType<typeof readChatRequest>['request']['prompt']): ContextPolicy {
  return prompt.kind === 'chat' ? prompt.context : 'error';
}

/** The request without what only endpoints take, after that was looked at. */
function narrow(from: Outside): Outside {
  const rest = Object.fromEntries(
    Object.entries(from).filter(([name]) => name !== 'selvedge' && !CLOUD_ONLY.includes(name)),
  );
  if (!Array.isArray(from['messages'])) return rest;
  const messages = from['messages'].map((message: unknown, i) => narrowMessage(message, `messages[${i}]`));
  return { ...rest, messages };
}

function narrowMessage(message: unknown, at: string): unknown {
  if (!isRecord(message)) return message;
  const { tool_calls: calls, ...rest } = message;
  if (!isAbsent(calls)) readToolCalls(calls, message['role'], `${at}.tool_calls`);
  if (!Array.isArray(message['content'])) return rest;
  const content: unknown[] = message['content'];
  return { ...rest, content: content.filter((part, i) => !isMedia(part, `${at}.content[${i}]`)) };
}

function isMedia(part: unknown, at: string): boolean {
  if (!isRecord(part)) return false;
  const field = MEDIA[String(part['type'])];
  if (field === undefined) return false;
  if (isRecord(part[field])) return true;
  throw invalid(`${at}.${field}`, `is ${show(part[field])}; give an object.`);
}

function hasMedia({ content }: ChatMessageParam): boolean {
  return Array.isArray(content) && content.some(({ type }) => type !== 'text');
}

function readToolCalls(value: unknown, role: unknown, at: string): void {
  if (role !== 'assistant')
    throw invalid(at, `is there, but the role is ${show(role)}; only an assistant's has it.`);
  const isCall = (call: unknown): boolean =>
    isRecord(call) &&
    typeof call['id'] === 'string' &&
    isRecord(call['function']) &&
    typeof call['function']['name'] === 'string' &&
    typeof call['function']['arguments'] === 'string';
  if (!Array.isArray(value) || !value.every(isCall)) {
    throw invalid(at, `is ${show(value)}; give a list of { id, type, function: { name, arguments } }.`);
  }
}

function readTools(from: Outside): boolean {
  const { tools } = from;
  readBoolean(from, 'parallel_tool_calls');
  const { tool_choice: choice } = from;
  const isChoice =
    isAbsent(choice) || isRecord(choice) || ['none', 'auto', 'required'].includes(String(choice));
  if (!isChoice)
    throw invalid('tool_choice', `is ${show(choice)}; give 'none', 'auto', 'required' or a tool.`);
  if (isAbsent(tools)) return false;
  const isTool = (tool: unknown): boolean =>
    isRecord(tool) &&
    tool['type'] === 'function' &&
    isRecord(tool['function']) &&
    typeof tool['function']['name'] === 'string';
  if (Array.isArray(tools) && tools.every(isTool)) return tools.length > 0;
  throw invalid('tools', `is ${show(tools)}; give a list of { type: 'function', function: { name } }.`);
}

/** Whether something other than text is asked for. */
function readFormat(value: unknown): boolean {
  if (isAbsent(value)) return false;
  if (!isRecord(value)) throw invalid('response_format', `is ${show(value)}; give an object.`);
  const type = readChoice(value, 'type', ['text', 'json_object', 'json_schema'], 'text');
  if (type === 'json_schema' && !isRecord(value['json_schema'])) {
    throw invalid('response_format.json_schema', `is ${show(value['json_schema'])}; give an object.`);
  }
  return type !== 'text';
}
