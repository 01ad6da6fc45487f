/**
 * From messages to tokens, by the Jinja template in the model file; ChatML where a file has none. Special tokens
 * come from the template alone: content such as `<|im_end|>` is encoded as the plain text it is (special-guard.ts).
 *
 * The template is parsed at its first use and kept. What it raises itself is the request's fault
 * (`invalid_request`, with its message); what the interpreter cannot do is the model's (`unsupported_model`).
 */
import { Template } from '@huggingface/jinja';
import { SelvedgeError } from '../errors.ts';
import type { GgufHeader } from './gguf.ts';
import { Metadata } from './metadata.ts';
import { findReasoningTags, type ReasoningTags } from './reasoning-tags.ts';
import { GuardedTokens, SpecialGuard } from './special-guard.ts';
import { refuseLoneSurrogate, type Tokenizer } from './tokenizer.ts';

export interface TemplateMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | readonly { type: 'text'; text: string }[] | null;
  /** Further fields (name, tool_calls …) are handed to the template as they are. */
  [field: string]: unknown;
}

export interface RenderOptions {
  /** The text ends where the assistant's answer begins. Default true. */
  addGenerationPrompt?: boolean;
  /** Further variables of the template, such as `enable_thinking`. */
  variables?: Readonly<Record<string, unknown>>;
  /** What `strftime_now` tells. Default: now. */
  now?: Date;
}

export interface ChatTemplate {
  /** How the model marks what it thinks. */
  readonly reasoning: ReasoningTags | undefined;
  /** The prompt as text, for people to read; encoding it again would find special tokens in the content. */
  render(messages: readonly TemplateMessage[], options?: RenderOptions): string;
  renderToIds(messages: readonly TemplateMessage[], options?: RenderOptions): number[];
}

export const DEFAULT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

export function createChatTemplate(header: GgufHeader, tokenizer: Tokenizer): ChatTemplate {
  const metadata = new Metadata(header.metadata);
  const source = metadata.string('tokenizer.chat_template') ?? DEFAULT_TEMPLATE;
  let parsed: Template | undefined;
  const { ofAll, ofAssistant } = guardedTokens(source, tokenizer);

  const renderGuarded = (
    messages: readonly TemplateMessage[],
    options: RenderOptions,
  ): { text: string; guard: SpecialGuard } => {
    parsed ??= parseTemplate(source);
    const plain = messages.map(toTemplate);
    const guard = new SpecialGuard([...ofAll.texts, source, JSON.stringify([plain, options.variables])]);
    const guarded = plain.map(({ role, ...fields }) => ({
      role,
      ...(guard.protectDeep(fields, role === 'assistant' ? ofAssistant : ofAll) as object),
    }));
    return { text: run(parsed, variablesOf(tokenizer, guarded, options)), guard };
  };

  return {
    reasoning: findReasoningTags(metadata.string('tokenizer.chat_template'), tokenizer),
    render: (messages, options = {}) => {
      const { text, guard } = renderGuarded(messages, options);
      return guard.unprotect(text);
    },
    renderToIds: (messages, options = {}) => {
      const { text, guard } = renderGuarded(messages, options);
      const parts = tokenizer.specials
        .split(text)
        .map((part) => (typeof part === 'number' ? part : guard.unprotect(part)));
      const ids = tokenizer.encodeParts(parts.filter((part) => part !== ''));
      const { addBos, bosId } = tokenizer;
      return addBos && bosId !== undefined && ids[0] !== bosId ? [bosId, ...ids] : ids;
    },
  };
}

/** What models write into their answers beside text. */
const ANSWER_TAGS = /^<\/?(?:think|tool_call)>$/;

/**
 * What content must not become: control tokens, and those of the others that the template uses as marks, for
 * some models mark turns with them. Others are text, such as HTML tags. What an assistant said may have its own tags.
 */
function guardedTokens(
  source: string,
  { specials }: Tokenizer,
): { ofAll: GuardedTokens; ofAssistant: GuardedTokens } {
  const isMark = (text: string): boolean => text.trim().length > 2 && source.includes(text);
  const guarded = specials.tokens.filter(({ always, text }) => !always || isMark(text));
  const ofAll = new GuardedTokens(guarded);
  const ofAssistant = guarded.filter(({ always, text }) => !always || !ANSWER_TAGS.test(text));
  return { ofAll, ofAssistant: new GuardedTokens(ofAssistant) };
}

const ROLES: readonly string[] = ['system', 'developer', 'user', 'assistant', 'tool'];

/** Templates know neither developer messages nor lists of text parts. Roles are not guarded, so they are checked. */
function toTemplate(message: TemplateMessage, index: number): Record<string, unknown> & { role: string } {
  const { role, content } = message;
  if (!ROLES.includes(role)) {
    throw new SelvedgeError(
      'invalid_request',
      `messages[${index}].role is ${JSON.stringify(role)}; it must be one of ${ROLES.join(', ')}.`,
      { details: { param: 'messages' } },
    );
  }
  const text =
    (typeof content === 'object' && content ? content.map((part) => part.text).join('') : content) ?? '';
  refuseLoneSurrogate(text, `messages[${index}].content`);
  return { ...message, role: role === 'developer' ? 'system' : role, content: text };
}

/** What the template raises, told apart from failures of the interpreter. */
class Refusal extends Error {}

/** Jinja's own versions throw a plain `Error`, and write months in the language of the browser. */
const REPLACED: Readonly<Record<string, string>> = {
  raise_exception: 'selvedge_refuse',
  strftime_now: 'selvedge_now',
};

function parseTemplate(source: string): Template {
  try {
    return new Template(
      source.replace(/\b(raise_exception|strftime_now)\b(?=\s*\()/g, (name) => REPLACED[name]!),
    );
  } catch (cause) {
    throw new SelvedgeError(
      'unsupported_model',
      `The model's chat template cannot be read: ${messageOf(cause)}. Use completions with a prompt of your own.`,
      { cause },
    );
  }
}

function run(template: Template, variables: Record<string, unknown>): string {
  try {
    return template.render(variables);
  } catch (cause) {
    if (cause instanceof Refusal) {
      throw new SelvedgeError('invalid_request', `The model's chat template refuses: ${cause.message}`, {
        cause,
      });
    }
    throw new SelvedgeError(
      'unsupported_model',
      `The model's chat template failed: ${messageOf(cause)}. ` +
        'Check the messages, or use completions with a prompt of your own.',
      { cause },
    );
  }
}

function variablesOf(
  tokenizer: Tokenizer,
  messages: unknown,
  { addGenerationPrompt = true, variables = {}, now = new Date() }: RenderOptions,
): Record<string, unknown> {
  const piece = (id: number | undefined): string => (id === undefined ? '' : tokenizer.pieceText(id));
  const own = {
    messages,
    add_generation_prompt: addGenerationPrompt,
    bos_token: piece(tokenizer.bosId),
    eos_token: piece(tokenizer.eosId),
    [REPLACED['raise_exception']!]: (message: unknown) => {
      throw new Refusal(String(message));
    },
    [REPLACED['strftime_now']!]: (format: string) => formatTime(now, format),
  };
  const taken = Object.keys(variables).find((name) => name in own || BUILT_IN.has(name));
  if (taken === undefined) return { ...variables, ...own };
  throw new SelvedgeError(
    'invalid_request',
    `The template variable ${taken} is set by the library and cannot be passed; remove it.`,
    { details: { param: 'chat_template_kwargs' } },
  );
}

/** Globals of the interpreter, which cannot be set again. */
const BUILT_IN: ReadonlySet<string> = new Set([
  'true',
  'false',
  'none',
  'True',
  'False',
  'None',
  'range',
  'namespace',
  'raise_exception',
  'strftime_now',
]);

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** The parts of strftime that chat templates use, in English as they expect. */
function formatTime(now: Date, format: string): string {
  const month = MONTHS[now.getMonth()]!;
  const two = (value: number): string => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, string>> = {
    Y: String(now.getFullYear()),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    B: month,
    b: month.slice(0, 3),
    H: two(now.getHours()),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    '%': '%',
  };
  return format.replace(/%([YmdBbHMS%])/g, (_, part: string) => parts[part]!);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
