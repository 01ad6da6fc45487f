/**
 * Chat templates of model families, with conversations rendered by the Python package transformers (make.py says which
 * template comes from where), each with a tiny vocabulary that has the family's special tokens.
 */
import { readFileSync } from 'node:fs';
import {
  createChatTemplate,
  type ChatTemplate,
  type TemplateMessage,
} from '../../../src/model/chat-template.ts';
import { readGgufHeader } from '../../../src/model/gguf.ts';
import { createTokenizer, type Tokenizer } from '../../../src/model/tokenizer.ts';
import type { Entry } from '../gguf-writer.ts';
import { byteLetters } from '../tiny-vocabulary.ts';
import { trainedGguf } from '../trained-vocabulary.ts';

interface Chat {
  messages: TemplateMessage[];
  addGenerationPrompt: boolean;
  variables: Record<string, unknown>;
}

/** `refuses`: what the template itself raises. */
type Rendered = { text: string } | { refuses: string } | { fails: string };

interface Golden {
  chats: Record<string, Chat>;
  families: Record<
    string,
    {
      begin: string | null;
      end: string;
      control: string[];
      userDefined: string[];
      rendered: Record<string, Rendered>;
    }
  >;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

const golden = JSON.parse(read('golden.json')) as Golden;

export const CHATS = golden.chats;

/** The clock of make.py. */
export const CHAT_TIME = new Date(2026, 2, 7, 9, 5, 3);

export const FAMILIES: readonly string[] = Object.keys(golden.families);

export interface Family {
  tokenizer: Tokenizer;
  chat: ChatTemplate;
  /** By the name of the chat. */
  rendered: Record<string, Rendered>;
  special: string[];
}

/** `template`: null where the file has none. */
export function openFamily(name: string, template: string | null = read(`templates/${name}.jinja`)): Family {
  const { begin, end, control, userDefined, rendered } = golden.families[name]!;
  const header = readGgufHeader(trainedGguf(vocabulary({ begin, end, control, userDefined }, template)));
  const tokenizer = createTokenizer(header);
  return {
    tokenizer,
    chat: createChatTemplate(header, tokenizer),
    rendered,
    special: [...control, ...userDefined.filter((text) => text.length > 3)],
  };
}

interface Special {
  begin: string | null;
  end: string;
  control: readonly string[];
  userDefined: readonly string[];
}

function vocabulary(
  { begin, end, control, userDefined }: Special,
  template: string | null,
): Record<string, Entry> {
  const tokens = [...byteLetters(), ...control, ...userDefined];
  const id = (text: string): Entry => ({ u32: tokens.indexOf(text) });
  const types = [...byteLetters().map(() => 1), ...control.map(() => 3), ...userDefined.map(() => 4)];
  return {
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'default' },
    'tokenizer.ggml.tokens': { strings: tokens },
    'tokenizer.ggml.token_type': { i32s: types },
    'tokenizer.ggml.merges': { strings: ['a b'] },
    ...(begin === null ? {} : { 'tokenizer.ggml.bos_token_id': id(begin) }),
    'tokenizer.ggml.eos_token_id': id(end),
    ...(template === null ? {} : { 'tokenizer.chat_template': { string: template } }),
  };
}
