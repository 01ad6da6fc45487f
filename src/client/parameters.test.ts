import { expect, test } from 'vitest';
import { readChatRequest, readTextRequest } from './parameters.ts';

const messages = [{ role: 'user', content: 'hi' }];
const chat = (params: object, options?: object): ReturnType<typeof readChatRequest> =>
  readChatRequest({ messages, ...params }, options);

test('what is not given has the documented default', () => {
  expect(chat({}).request).toEqual({
    prompt: {
      kind: 'chat',
      messages: [{ role: 'user', content: 'hi' }],
      templateArguments: {},
      context: 'error',
    },
    sampling: {
      bias: [],
      repetitionPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      seed: null,
    },
    choiceCount: 1,
    privacy: 'personal',
    maxTokens: null,
    stop: [],
    topLogprobs: null,
    stream: false,
    priority: 0,
  });
});

test('every parameter arrives', () => {
  const { request, model, includeUsage } = chat(
    {
      model: 'm',
      stop: ['a', 'b'],
      seed: 7,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      frequency_penalty: 0.1,
      presence_penalty: -0.2,
      repetition_penalty: 1.1,
      logit_bias: { '5': -100, '6': 2.5 },
      logprobs: true,
      top_logprobs: 3,
      max_completion_tokens: 9,
      n: 2,
      stream: true,
      stream_options: { include_usage: true },
      chat_template_kwargs: { enable_thinking: false },
      user: 'u',
      metadata: { a: 'b' },
      store: true,
    },
    { priority: 3, context: 'drop-oldest' },
  );
  expect([model, includeUsage]).toEqual(['m', true]);
  expect(request).toMatchObject({
    prompt: { templateArguments: { enable_thinking: false }, context: 'drop-oldest' },
    sampling: {
      bias: [
        [5, -100],
        [6, 2.5],
      ],
      repetitionPenalty: 1.1,
      frequencyPenalty: 0.1,
      presencePenalty: -0.2,
      temperature: 0.5,
      topK: 40,
      topP: 0.9,
      minP: 0.05,
      seed: 7,
    },
    choiceCount: 2,
    maxTokens: 9,
    stop: ['a', 'b'],
    topLogprobs: 3,
    stream: true,
    priority: 3,
  });
});

test('null counts as absent, for every parameter, also those that are not supported', () => {
  const nulls = Object.fromEntries(
    [
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
      'max_completion_tokens',
      'logprobs',
      'top_logprobs',
      'chat_template_kwargs',
      'user',
      'tools',
      'response_format',
      'audio',
    ].map((name) => [name, null]),
  );
  expect(chat(nulls)).toEqual(chat({}));
});

test('one stop string is a list of one', () => {
  expect(chat({ stop: 'x' }).request.stop).toEqual(['x']);
});

test('a seed is taken modulo 2^32', () => {
  expect(chat({ seed: -1 }).request.sampling.seed).toBe(0xffffffff);
  expect(chat({ seed: 2 ** 32 + 5 }).request.sampling.seed).toBe(5);
});

test('text parts are joined, and an assistant may have said nothing', () => {
  const parts = [
    {
      role: 'developer',
      content: [
        { type: 'text', text: 'be ' },
        { type: 'text', text: 'brief' },
      ],
    },
    { role: 'assistant', content: null },
    { role: 'tool', content: '42', tool_call_id: 'call_1' },
  ];
  expect(readChatRequest({ messages: parts }, undefined).request.prompt).toMatchObject({
    messages: [
      { role: 'developer', content: 'be brief' },
      { role: 'assistant', content: '' },
      { role: 'tool', content: '42', toolCallId: 'call_1' },
    ],
  });
});

test.each([
  ['nothing is said', {}, [{ role: 'user', content: 'a' }], 'personal'],
  ['the request is labelled', { privacy: 'public' }, [{ role: 'user', content: 'a' }], 'public'],
  ['a message is', { privacy: 'public' }, [{ role: 'user', content: 'a', privacy: 'secret' }], 'secret'],
  ['a part is', {}, [{ role: 'user', content: [{ type: 'text', text: 'a', privacy: 'secret' }] }], 'secret'],
  [
    'a part is less private',
    {},
    [{ role: 'user', content: [{ type: 'text', text: 'a', privacy: 'public' }] }],
    'personal',
  ],
])('a request is as private as the most private of it when %s', (_, selvedge, messages, privacy) => {
  expect(readChatRequest({ messages, selvedge }, undefined).request.privacy).toBe(privacy);
});

test('without a cloud a route can only be the one that is taken anyway', () => {
  expect(chat({ selvedge: { route: 'local', deadlineMs: 5, maxCost: 0 } })).toEqual(chat({}));
  const thrown = expect(() => chat({ selvedge: { route: 'cloud' } }));
  thrown.toThrow(expect.objectContaining({ code: 'no_route', details: { gate: 'policy' } }));
});

test('a label that is none is refused where it stands', () => {
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'a', privacy: 'hidden' }] }];
  expect(() => readChatRequest({ messages }, undefined)).toThrow(
    expect.objectContaining({ details: { param: 'messages[0].content[0].privacy' } }),
  );
});

test('what asks for nothing but what is done anyway passes', () => {
  expect(chat({ response_format: { type: 'text' }, modalities: ['text'] })).toEqual(chat({}));
  expect(readTextRequest({ prompt: 'a', echo: false, best_of: 1 }, undefined)).toEqual(
    readTextRequest({ prompt: 'a' }, undefined),
  );
});

test.each([
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'response_format',
  'audio',
  'modalities',
  'prediction',
  'reasoning_effort',
  'parallel_tool_calls',
  'web_search_options',
  'verbosity',
  'service_tier',
  'temprature',
  'best_of',
  'prompt',
])('%s is refused by name', (param) => {
  const value = param === 'response_format' ? { type: 'json_object' } : ['x'];
  expect(() => chat({ [param]: value })).toThrow(
    expect.objectContaining({ code: 'unsupported_parameter', details: { param } }),
  );
});

test.each([
  [
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
    'messages[0].content[0].type',
  ],
  [{ messages: [{ role: 'user', content: 'x', audio: {} }] }, 'messages[0].audio'],
  [{ messages: [{ role: 'assistant', content: null, tool_calls: [] }] }, 'messages[0].tool_calls'],
  [{ stream: true, stream_options: { include_obfuscation: true } }, 'stream_options.include_obfuscation'],
])('%j is refused by the name of its part', (params, param) => {
  expect(() => chat(params)).toThrow(
    expect.objectContaining({ code: 'unsupported_parameter', details: { param } }),
  );
});

test.each([
  [{ temperature: 2.1 }, 'temperature'],
  [{ temperature: '1' }, 'temperature'],
  [{ temperature: NaN }, 'temperature'],
  [{ top_p: -0.1 }, 'top_p'],
  [{ top_k: 1.5 }, 'top_k'],
  [{ min_p: 2 }, 'min_p'],
  [{ repetition_penalty: 0 }, 'repetition_penalty'],
  [{ frequency_penalty: -3 }, 'frequency_penalty'],
  [{ seed: 1.5 }, 'seed'],
  [{ n: 0 }, 'n'],
  [{ max_tokens: 0 }, 'max_tokens'],
  [{ max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens'],
  [{ stop: [''] }, 'stop'],
  [{ stop: 5 }, 'stop'],
  [{ stop: Array.from({ length: 65 }, () => 'x') }, 'stop'],
  [{ logit_bias: { a: 1 } }, 'logit_bias'],
  [{ logit_bias: { 1: 101 } }, 'logit_bias'],
  [{ logit_bias: [1] }, 'logit_bias'],
  [{ logprobs: 3 }, 'logprobs'],
  [{ top_logprobs: 2 }, 'top_logprobs'],
  [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
  [{ stream: 'yes' }, 'stream'],
  [{ stream_options: {} }, 'stream_options'],
  [{ model: 5 }, 'model'],
  [{ chat_template_kwargs: 'x' }, 'chat_template_kwargs'],
  [{ messages: [] }, 'messages'],
  [{ messages: 'hi' }, 'messages'],
  [{ messages: ['hi'] }, 'messages[0]'],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
  [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
])('%j is invalid and names %s', (params, param) => {
  expect(() => chat(params)).toThrow(
    expect.objectContaining({ code: 'invalid_request', details: { param } }),
  );
});

test('the second argument is checked as well', () => {
  expect(() => chat({}, { context: 'forget' })).toThrow(
    /context is 'forget'; give one of 'error', 'drop-oldest'/,
  );
  expect(() => chat({}, { priority: 'high' })).toThrow(/priority/);
  expect(() => chat({}, { timeout: 5 })).toThrow(/options.timeout/);
});

test('a raw prompt is a string, a list of one string, or token ids', () => {
  const prompt = (value: unknown): unknown => readTextRequest({ prompt: value }, undefined).request.prompt;
  expect(prompt('a')).toEqual({ kind: 'text', text: 'a' });
  expect(prompt(['a'])).toEqual({ kind: 'text', text: 'a' });
  expect(prompt([1, 2])).toEqual({ kind: 'ids', ids: [1, 2] });
  expect(() => prompt(['a', 'b'])).toThrow(expect.objectContaining({ code: 'unsupported_parameter' }));
  expect(() => prompt([1.5])).toThrow(expect.objectContaining({ details: { param: 'prompt' } }));
  expect(() => prompt(undefined)).toThrow(expect.objectContaining({ details: { param: 'prompt' } }));
});

test('a raw completion has 16 tokens unless told otherwise', () => {
  expect(readTextRequest({ prompt: 'a' }, undefined).request.maxTokens).toBe(16);
  expect(readTextRequest({ prompt: 'a', max_tokens: 3, logprobs: 2 }, undefined).request).toMatchObject({
    maxTokens: 3,
    topLogprobs: 2,
  });
});
