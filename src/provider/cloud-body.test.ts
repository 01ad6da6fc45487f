/** What is sent to an endpoint is what is on the list, and nothing else, whatever a request carries. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../test/fakes/cloud-requests.ts';
import type { ChatCompletionParams } from '../client/types.ts';
import { chatBody } from './cloud-body.ts';

const MARK = 'MUST-NOT-LEAVE';
const KEYS = new Set([
  'model',
  'messages',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'stop',
  'seed',
  'n',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'max_tokens',
  'stream',
  'stream_options',
]);

/** Values that hold the mark, under names that are not on the list, known ones of other places among them. */
const marked = fc.oneof(
  fc.constant(MARK),
  fc.array(fc.constant(MARK)),
  fc.record({ privacy: fc.constant(MARK) }),
);
const extras = fc.dictionary(
  fc.oneof(
    fc.constantFrom(
      'selvedge',
      'privacy',
      'user',
      'metadata',
      'store',
      'logit_bias',
      'top_k',
      'label',
      'class',
    ),
    fc.constantFrom('reasoning_content', 'chat_template_kwargs', 'min_p', 'repetition_penalty', '__proto__x'),
    fc.string({ minLength: 12, maxLength: 20 }),
  ),
  marked,
);
const text = fc.string();
const part = fc.oneof(
  fc.tuple(extras, text).map(([more, said]) => ({ ...more, type: 'text' as const, text: said })),
  extras.map((more) => ({ ...more, type: 'image_url' as const, image_url: { ...more, url: 'data:,' } })),
  extras.map((more) => ({
    ...more,
    type: 'input_audio' as const,
    input_audio: { ...more, data: 'AA', format: 'wav' as const },
  })),
  extras.map((more) => ({ ...more, type: 'file' as const, file: { ...more, file_data: 'AA' } })),
);
const message = fc.tuple(extras, extras, fc.oneof(text, fc.array(part))).map(([more, ofCall, content]) => ({
  ...more,
  role: 'assistant' as const,
  content,
  tool_calls: [
    { ...ofCall, id: 'c', type: 'function' as const, function: { ...ofCall, name: 'f', arguments: '{}' } },
  ],
}));

describe('a body', () => {
  it('never carries labels, the selvedge field or anything else that is not on the list', () => {
    fc.assert(
      fc.property(
        extras,
        fc.array(message, { minLength: 1, maxLength: 3 }),
        text,
        (more, messages, prefix) => {
          const tools = [{ ...more, type: 'function' as const, function: { ...more, name: 'f' } }];
          const request = { ...more, messages, tools } as unknown as ChatCompletionParams;
          const body = chatBody(request, endpointOf(), { prefix: '', maxTokens: 5 });
          expect(body).not.toContain(MARK);
          expect(Object.keys(JSON.parse(body)).filter((key) => !KEYS.has(key))).toEqual([]);
          expect(chatBody(request, endpointOf(), { prefix: `a${prefix}`, maxTokens: 5 })).not.toContain(MARK);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has what OpenAI knows, under its names, and asks for a stream with its usage', () => {
    const request: ChatCompletionParams = {
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: [{ type: 'text', text: 'Hi', privacy: 'public' }], name: 'ann' },
        { role: 'tool', content: '3', tool_call_id: 'c-1' },
      ],
      temperature: 0.5,
      stop: ['.'],
      seed: null,
      n: 2,
      max_tokens: 7,
      response_format: { type: 'json_object' },
      selvedge: { privacy: 'public' },
    };
    const endpoint = endpointOf({ capParameter: 'max_completion_tokens', model: 'large' });
    expect(JSON.parse(chatBody(request, endpoint, { prefix: '', maxTokens: 7 }))).toEqual({
      model: 'large',
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: [{ type: 'text', text: 'Hi' }], name: 'ann' },
        { role: 'tool', content: '3', tool_call_id: 'c-1' },
      ],
      temperature: 0.5,
      stop: ['.'],
      n: 2,
      max_completion_tokens: 7,
      response_format: { type: 'json_object' },
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it.each([
    ['continue_final_message', { role: 'assistant', content: 'So' }],
    ['prefix', { role: 'assistant', content: 'So', prefix: true }],
    ['partial', { role: 'assistant', content: 'So', partial: true }],
  ] as const)('gives the beginning of an answer as %s says', (continuation, last) => {
    const request: ChatCompletionParams = { messages: [{ role: 'user', content: 'Hi' }] };
    const body = JSON.parse(
      chatBody(request, endpointOf({ continuation }), { prefix: 'So', maxTokens: null }),
    );
    expect(body.messages.at(-1)).toEqual(last);
    expect(body.add_generation_prompt).toBe(continuation === 'continue_final_message' ? false : undefined);
  });

  it('is refused for a part that nobody knows', () => {
    const messages = [{ role: 'user', content: [{ type: 'video', video: 'x' }] }] as unknown;
    const request = { messages } as ChatCompletionParams;
    expect(() => chatBody(request, endpointOf(), { prefix: '', maxTokens: null })).toThrow("type 'video'");
  });
});
