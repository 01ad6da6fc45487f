/**
 * Chat messages as they come from outside, checked and flattened to text. Parts other than text, and tool calls,
 * would change what the model sees: they are refused until they are implemented.
 */
import type { ChatMessage } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, readChoice, refuseUnknown, show, unsupported } from './checks.ts';
import type { Outside } from './checks.ts';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'] as const;
/** Labels are read in privacy.ts. */
const KNOWN = new Set(['role', 'content', 'name', 'tool_call_id', 'reasoning_content', 'privacy']);

export function readMessages(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid('messages', `is ${show(value)}; give at least one message.`);
  }
  return value.map((message: unknown, i) => readMessage(message, `messages[${i}]`));
}

function readMessage(value: unknown, at: string): ChatMessage {
  if (!isRecord(value)) throw invalid(at, `is ${show(value)}; give an object with role and content.`);
  refuseUnknown(value, KNOWN, `${at}.`);
  if (isAbsent(value['role'])) throw invalid(`${at}.role`, `is missing; give one of ${ROLES.join(', ')}.`);
  const role = readChoice(prefixed(value, at), `${at}.role`, ROLES, 'user');
  const name = readString(value['name'], `${at}.name`);
  const toolCallId = readString(value['tool_call_id'], `${at}.tool_call_id`);
  const reasoning = readReasoning(value['reasoning_content'], `${at}.reasoning_content`, role);
  return {
    role,
    content: readContent(value['content'], `${at}.content`, role === 'assistant'),
    ...(name === undefined ? {} : { name }),
    ...(toolCallId === undefined ? {} : { toolCallId }),
    ...(reasoning === undefined ? {} : { reasoning }),
  };
}

/** So that errors name the whole path. */
function prefixed(message: Outside, at: string): Outside {
  return Object.fromEntries(Object.entries(message).map(([name, value]) => [`${at}.${name}`, value]));
}

function readString(value: unknown, param: string): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'string') return value;
  throw invalid(param, `is ${show(value)}; give a string.`);
}

function readReasoning(value: unknown, param: string, role: string): string | undefined {
  const reasoning = readString(value, param);
  if (reasoning === undefined || role === 'assistant') return reasoning;
  throw invalid(param, `is there, but the role is ${role}; only an assistant's message has it.`);
}

/** Text parts are joined as they are. Only an assistant may have said nothing. */
function readContent(value: unknown, param: string, mayBeAbsent: boolean): string {
  if (typeof value === 'string') return value;
  if (isAbsent(value) && mayBeAbsent) return '';
  if (!Array.isArray(value)) throw invalid(param, `is ${show(value)}; give a string or text parts.`);
  return value.map((part: unknown, i) => readPart(part, `${param}[${i}]`)).join('');
}

function readPart(part: unknown, param: string): string {
  if (!isRecord(part)) throw invalid(param, `is ${show(part)}; give { type: 'text', text }.`);
  const { type, text } = part;
  if (type !== 'text')
    throw unsupported(`${param}.type`, 'Only text parts are.', `${param}.type ${show(type)}`);
  if (typeof text !== 'string') throw invalid(`${param}.text`, `is ${show(text)}; give a string.`);
  return text;
}
