/**
 * From messages to tokens, by the template in the model file, or by a default where it has none. Special tokens
 * come from the template alone: content such as `<|im_end|>` is encoded as the plain text it is (special-guard.ts).
 */
import { SelvedgeError } from '../errors.ts';
import { defaultTemplate } from './default-templates.ts';
import type { GgufHeader } from './gguf.ts';
import { createJinjaTemplate } from './jinja-template.ts';
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
  /** What the answer begins with. Where the template opens a model's thinking, that is over then. */
  beginning?: string | undefined;
  /** What `strftime_now` tells. Default: now. */
  now?: Date;
}

export interface ChatTemplate {
  /** 'file', or which default stands in. */
  readonly name: string;
  /** How the model marks what it thinks. */
  readonly reasoning: ReasoningTags | undefined;
  /** The prompt as text, for people to read; encoding it again would find special tokens in the content. */
  render(messages: readonly TemplateMessage[], options?: RenderOptions): string;
  renderToIds(messages: readonly TemplateMessage[], options?: RenderOptions): number[];
}

export function createChatTemplate(header: GgufHeader, tokenizer: Tokenizer): ChatTemplate {
  const own = new Metadata(header.metadata).string('tokenizer.chat_template');
  const { name, source } = own === undefined ? defaultTemplate(tokenizer) : { name: 'file', source: own };
  const template = createJinjaTemplate(source);
  const reasoning = findReasoningTags(own, tokenizer);
  let guarded: Guarded | undefined;

  const renderGuarded = (
    messages: readonly TemplateMessage[],
    options: RenderOptions,
  ): { text: string; guard: SpecialGuard } => {
    const { addGenerationPrompt = true, variables = {}, now = new Date(), beginning = '' } = options;
    const { ofAll, ofAssistant } = (guarded ??= guardedTokens(source, tokenizer));
    const plain = messages.map(toTemplate);
    const guard = new SpecialGuard([...ofAll.texts, source, JSON.stringify([plain, variables]), beginning]);
    const marked = plain.map(({ role, ...fields }) => ({
      role,
      ...(guard.protectDeep(fields, role === 'assistant' ? ofAssistant : ofAll) as object),
    }));
    const ours = {
      messages: marked,
      add_generation_prompt: addGenerationPrompt,
      bos_token: piece(tokenizer.bosId),
      eos_token: piece(tokenizer.eosId),
    };
    const text = template.render(ours, variables, now);
    if (beginning === '') return { text, guard };
    const isThinking = reasoning !== undefined && text.trimEnd().endsWith(reasoning.open);
    const thought = isThinking ? `${reasoning.close}\n\n` : '';
    return { text: text + thought + guard.protect(beginning, ofAssistant), guard };
  };
  const piece = (id: number | undefined): string => (id === undefined ? '' : tokenizer.pieceText(id));

  return {
    name,
    reasoning,
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

interface Guarded {
  ofAll: GuardedTokens;
  ofAssistant: GuardedTokens;
}

/** What models write into their answers beside text. */
const ANSWER_TAGS = /^<\/?(?:think|tool_call)>$/;
/** What looks like a mark, whether or not this template uses it. */
const MARKS = /^(?:<[|｜].+[|｜]>|\[\/?[A-Z_]+\]|<\/?(?:think|tool_call|tool_response)>)$/;

/**
 * What content must not become: control tokens, and the marks among the others, for some files call those of turns
 * user-defined. The rest are text, such as HTML tags. What an assistant said may have its own tags.
 */
function guardedTokens(source: string, { specials }: Tokenizer): Guarded {
  const isMark = (text: string): boolean =>
    MARKS.test(text) || (text.trim().length > 2 && source.includes(text));
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
  // What an assistant thought: some templates know it by another name.
  const { reasoning_content: thinking } = message;
  return {
    ...(thinking === undefined ? {} : { thinking }),
    ...message,
    role: role === 'developer' ? 'system' : role,
    content: text,
  };
}
