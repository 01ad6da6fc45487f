/**
 * Chat templates for files that have none, as base models and some conversions: the simplest that a family knows,
 * chosen by the special tokens of the vocabulary. Where it has none of these tokens the chat is ChatML in plain text, and
 * an answer ends at the model's own end token or where `max_tokens` says.
 *
 * Only ChatML, Llama 3, Phi-3 and Granite have turns of the system; in the others it speaks first in the first turn.
 */
import type { Tokenizer } from './tokenizer.ts';

export interface NamedTemplate {
  name: string;
  source: string;
}

interface Family extends NamedTemplate {
  /** All of them are in the vocabulary. */
  tokens: readonly string[];
}

/** `before` and `after` a turn, `generation` before an answer: Jinja, in which `role` is the speaker. */
function turns(before: string, after: string, generation: string): string {
  return (
    `{% for message in messages %}{% set role = message['role'] %}${before}` +
    `{{ message['content'] | trim }}${after}{% endfor %}{% if add_generation_prompt %}${generation}{% endif %}`
  );
}

/** `user` and `assistant`: what goes before each; `after` each: what ends it. The system speaks before the first user. */
function pairs(user: string, assistant: string, after: { user: string; assistant: string }): string {
  return (
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}" +
    "{% if message['role'] == 'system' %}{% set ns.system = ns.system + message['content'] | trim + '\\n\\n' %}" +
    `{% elif message['role'] == 'assistant' %}${assistant}{{ message['content'] | trim }}${after.assistant}` +
    `{% else %}${user}{{ ns.system + message['content'] | trim }}${after.user}{% set ns.system = '' %}{% endif %}` +
    `{% endfor %}{% if add_generation_prompt %}${assistant}{% endif %}`
  );
}

const CHATML: Family = {
  name: 'chatml',
  tokens: ['<|im_start|>', '<|im_end|>'],
  source:
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
};

const FAMILIES: readonly Family[] = [
  CHATML,
  {
    name: 'llama-3',
    tokens: ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
    source:
      '{{ bos_token }}' +
      turns(
        "{{ '<|start_header_id|>' + role + '<|end_header_id|>\\n\\n' }}",
        '<|eot_id|>',
        "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
      ),
  },
  {
    name: 'gemma',
    tokens: ['<start_of_turn>', '<end_of_turn>'],
    source: pairs("{{ '<start_of_turn>user\\n' }}", "{{ '<start_of_turn>model\\n' }}", {
      user: "{{ '<end_of_turn>\\n' }}",
      assistant: "{{ '<end_of_turn>\\n' }}",
    }),
  },
  {
    name: 'phi-3',
    tokens: ['<|user|>', '<|assistant|>', '<|end|>'],
    source: turns("{{ '<|' + role + '|>\\n' }}", "{{ '<|end|>\\n' }}", "{{ '<|assistant|>\\n' }}"),
  },
  {
    name: 'granite',
    tokens: ['<|start_of_role|>', '<|end_of_role|>', '<|end_of_text|>'],
    source: turns(
      "{{ '<|start_of_role|>' + role + '<|end_of_role|>' }}",
      "{{ '<|end_of_text|>\\n' }}",
      "{{ '<|start_of_role|>assistant<|end_of_role|>' }}",
    ),
  },
  {
    name: 'mistral',
    tokens: ['[INST]', '[/INST]'],
    source: pairs('[INST]', '', { user: '[/INST]', assistant: '{{ eos_token }}' }),
  },
  {
    name: 'deepseek',
    tokens: ['<｜User｜>', '<｜Assistant｜>'],
    source: pairs('<｜User｜>', '<｜Assistant｜>', { user: '', assistant: '{{ eos_token }}' }),
  },
];

export function defaultTemplate({ specials }: Pick<Tokenizer, 'specials'>): NamedTemplate {
  const known = new Set(specials.tokens.map(({ text }) => text));
  return FAMILIES.find(({ tokens }) => tokens.every((token) => known.has(token))) ?? CHATML;
}
