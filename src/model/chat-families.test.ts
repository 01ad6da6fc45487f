import { describe, expect, test } from 'vitest';
import { CHATS, CHAT_TIME, FAMILIES, openFamily } from '../../test/models/chats/families.ts';
import { SelvedgeError } from '../errors.ts';

describe.each(FAMILIES)('the chat template of %s', (name) => {
  const { chat, tokenizer, rendered, special } = openFamily(name);

  test.each(Object.keys(rendered))('renders %s as transformers does', (title) => {
    const { messages, addGenerationPrompt, variables } = CHATS[title]!;
    const options = { addGenerationPrompt, variables, now: CHAT_TIME };
    const expected = rendered[title]!;
    if ('text' in expected) {
      expect(chat.render(messages, options)).toBe(expected.text);
      expect(tokenizer.detokenize(chat.renderToIds(messages, options))).toBe(expected.text);
    } else {
      expect(() => chat.render(messages, options)).toThrow(SelvedgeError);
      if ('refuses' in expected) {
        expect(() => chat.render(messages, options)).toThrow(
          expect.objectContaining({
            code: 'invalid_request',
            message: expect.stringContaining(expected.refuses),
          }),
        );
      }
    }
  });

  /** Special tokens in the prompt, for two turns with such texts. */
  function specialsOf(question: string, answer: string): string[] {
    const messages = [
      { role: 'user' as const, content: question },
      { role: 'assistant' as const, content: answer },
      { role: 'user' as const, content: question },
    ];
    const ids = chat.renderToIds(messages, { now: CHAT_TIME });
    return ids.map((id) => tokenizer.pieceText(id)).filter((text) => special.includes(text));
  }

  test('has no special token but its own, whatever people and models say', () => {
    const honest = specialsOf('Hi', 'A loom.');
    const turns = rendered['several turns']!;
    const forged = 'text' in turns ? turns.text : special.join('');
    for (const text of [forged, ...special, ...special.map((token) => `x${token}${token}y`)]) {
      expect(specialsOf(text, 'A loom.'), text).toEqual(honest);
      // An assistant's own tags are part of what it said, where the template keeps them.
      const others = specialsOf('Hi', text).filter((token) => !/^<\/?(think|tool_call)>$/.test(token));
      expect(others, text).toEqual(honest.filter((token) => !/^<\/?(think|tool_call)>$/.test(token)));
    }
    for (const token of special) {
      for (let cut = 1; cut < token.length; cut++) {
        expect(specialsOf(token.slice(0, cut), token.slice(cut)), token).toEqual(honest);
        expect(specialsOf(token.slice(cut), token.slice(0, cut)), token).toEqual(honest);
      }
    }
  });
});

describe('a file without a template', () => {
  const named = (name: string): string => openFamily(name, null).chat.name;

  test('gets the simplest that its special tokens are for', () => {
    expect(FAMILIES.map((name) => [name, named(name)])).toEqual([
      ['smollm2', 'chatml'],
      ['smollm3', 'chatml'],
      ['qwen2.5', 'chatml'],
      ['qwen3', 'chatml'],
      ['qwq', 'chatml'],
      ['llama-3.1', 'llama-3'],
      ['llama-3.2', 'llama-3'],
      ['gemma-2', 'gemma'],
      ['gemma-3', 'gemma'],
      ['phi-3', 'phi-3'],
      ['phi-3.5', 'phi-3'],
      ['granite-3.3', 'granite'],
      ['granite-4.0', 'granite'],
      ['mistral-nemo', 'mistral'],
      ['ministral-3-reasoning', 'mistral'],
      ['deepseek-r1-distill', 'deepseek'],
      ['deepseek-v3.1', 'deepseek'],
    ]);
    expect(openFamily('phi-3').chat.name).toBe('file');
  });

  test.each(['gemma-2', 'gemma-3', 'phi-3', 'mistral-nemo'])('%s: which says the same as its own', (name) => {
    expect(openFamily(name, null).chat.render(CHATS['several turns']!.messages)).toBe(
      openFamily(name).chat.render(CHATS['several turns']!.messages),
    );
  });

  test.each<[string, string, string]>([
    [
      'smollm2',
      'a system message',
      '<|im_start|>system\nYou are brief.<|im_end|>\n<|im_start|>user\nHi, who are you?<|im_end|>\n<|im_start|>assistant\n',
    ],
    [
      'llama-3.1',
      'a system message',
      '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are brief.<|eot_id|>' +
        '<|start_header_id|>user<|end_header_id|>\n\nHi, who are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    ],
    [
      'granite-3.3',
      'a system message',
      '<|start_of_role|>system<|end_of_role|>You are brief.<|end_of_text|>\n' +
        '<|start_of_role|>user<|end_of_role|>Hi, who are you?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>',
    ],
    [
      'gemma-3',
      'a system message',
      '<bos><start_of_turn>user\nYou are brief.\n\nHi, who are you?<end_of_turn>\n<start_of_turn>model\n',
    ],
    [
      'deepseek-r1-distill',
      'several turns',
      '<｜begin▁of▁sentence｜><｜User｜>Hi, who are you?<｜Assistant｜>A loom.\n\nReally.<｜end▁of▁sentence｜>' +
        '<｜User｜>Since when?<｜Assistant｜>',
    ],
  ])('%s: which renders %s', (name, title, text) => {
    expect(openFamily(name, null).chat.render(CHATS[title]!.messages)).toBe(text);
  });
});

test('a model thinks between the tags that its template knows, or its vocabulary where it has none', () => {
  const tags = (name: string, template?: null): unknown => {
    const { chat, tokenizer } = openFamily(name, template);
    const { open, close, ids } = chat.reasoning ?? { ids: [] };
    return [open, close, [...ids].map((id) => tokenizer.pieceText(id)).join('')];
  };
  expect(tags('qwen3')).toEqual(['<think>', '</think>', '<think></think>']);
  expect(tags('qwen3', null)).toEqual(['<think>', '</think>', '<think></think>']);
  expect(tags('ministral-3-reasoning')).toEqual(['[THINK]', '[/THINK]', '[THINK][/THINK]']);
  expect(tags('smollm3')).toEqual(['<think>', '</think>', '<think></think>']);
  expect(tags('llama-3.2')).toEqual([undefined, undefined, '']);
});
