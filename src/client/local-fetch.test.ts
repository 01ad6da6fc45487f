import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import { textIds } from '../../test/fakes/byte-model.ts';
import { openClient } from '../../test/fakes/client.ts';
import type { FakeClient } from '../../test/fakes/client.ts';
import { SelvedgeError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { toHttpError } from './http-errors.ts';

const BASE = 'http://selvedge.local/v1';

const opened: FakeClient[] = [];
afterEach(() => {
  for (const { client } of opened.splice(0)) client.close();
});

async function open(...parameters: Parameters<typeof openClient>): Promise<FakeClient> {
  const fake = await openClient(...parameters);
  opened.push(fake);
  return fake;
}

const messages = [{ role: 'user' as const, content: 'hi' }];
const post = (body: BodyInit): RequestInit => ({ method: 'POST', body });

const answer = (): number[] => textIds('Grüße \u{1F30D}!');

test('chat completions are answered as JSON, however the body comes', async () => {
  const { client } = await open({ answer });
  const body = JSON.stringify({ messages, temperature: 0 });
  const inits: (RequestInit & { duplex?: 'half' })[] = [
    post(body),
    post(new TextEncoder().encode(body)),
    post(new Blob([body]).stream()),
    post(new Blob([body])),
  ];
  const responses = [
    ...inits.map((init) => client.fetch(`${BASE}/chat/completions`, init)),
    client.fetch(new Request(`${BASE}/chat/completions`, post(body))),
    client.fetch(new URL(`${BASE}/chat/completions/`), post(body)),
  ];
  for (const response of await Promise.all(responses)) {
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Grüße \u{1F30D}!' } }] });
  }
});

test('a stream is server-sent events that end with [DONE]', async () => {
  const { client } = await open({ answer });
  const response = await client.fetch(
    `${BASE}/chat/completions`,
    post(JSON.stringify({ messages, stream: true })),
  );
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events = (await response.text()).split('\n\n');
  expect(events.pop()).toBe('');
  expect(events.pop()).toBe('data: [DONE]');
  const chunks = events.map((event) => JSON.parse(event.replace(/^data: /, '')) as { choices: unknown[] });
  expect(chunks[0]).toMatchObject({
    object: 'chat.completion.chunk',
    choices: [{ delta: { role: 'assistant' } }],
  });
  expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: 'stop' }], timings: { predicted_n: 14 } });
});

test('raw completions and models are answered', async () => {
  const { client } = await open({ answer });
  const completion = await client.fetch(`${BASE}/completions`, post(JSON.stringify({ prompt: 'a|' })));
  expect(await completion.json()).toMatchObject({ object: 'text_completion' });
  const list = await client.fetch(`${BASE}/models`);
  expect(await list.json()).toMatchObject({ object: 'list', data: [{ id: 'byte-model' }] });
  const one = await client.fetch(`${BASE}/models/byte-model`);
  expect(await one.json()).toMatchObject({ id: 'byte-model', object: 'model' });
  const none = await client.fetch(`${BASE}/models/other`);
  expect([none.status, await none.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
});

test.each([
  ['another path', 'https://api.openai.com/v1/embeddings', post('{}'), 404, 'unknown_url'],
  ['a path that only ends alike', 'https://x.test/proxy/v1/models', {}, 404, 'unknown_url'],
  ['a wrong method', `${BASE}/chat/completions`, {}, 405, 'method_not_allowed'],
  ['a body that is not JSON', `${BASE}/chat/completions`, post('{'), 400, 'invalid_json'],
  ['a body that is no object', `${BASE}/chat/completions`, post('[]'), 400, 'invalid_request'],
  [
    'a parameter that is not supported',
    `${BASE}/chat/completions`,
    post(JSON.stringify({ messages, tools: [] })),
    400,
    'unsupported_parameter',
  ],
  [
    'another model',
    `${BASE}/chat/completions`,
    post(JSON.stringify({ messages, model: 'gpt' })),
    404,
    'model_not_found',
  ],
  [
    'a prompt that is too long',
    `${BASE}/completions`,
    post(JSON.stringify({ prompt: 'x'.repeat(2000) })),
    400,
    'context_length_exceeded',
  ],
])("%s is an error in OpenAI's shape", async (_, url, init, status, code) => {
  const { client } = await open();
  const response = await client.fetch(url, init);
  const body: unknown = await response.json();
  expect([response.status, body]).toMatchObject([status, { error: { code, message: expect.any(String) } }]);
  expect(Object.keys((body as { error: object }).error)).toEqual(['message', 'type', 'param', 'code']);
});

test('an error in mid-stream is an event, and the client of OpenAI throws it', async () => {
  let steps = 0;
  const { client } = await open({
    beforeStep() {
      if (++steps === 4) throw new SelvedgeError('out_of_memory', 'No page is left. Close other tabs.');
    },
  });
  const openai = clientOf(client.fetch);
  const stream = await openai.chat.completions.create({ model: 'byte-model', messages, stream: true });
  const reading = (async () => {
    for await (const chunk of stream) void chunk;
  })();
  await expect(reading).rejects.toThrow(/No page is left/);
});

test('an abort rejects as fetch does, and cancelling the body aborts the request', async () => {
  const { client, process } = await open({ contextLength: 8000 });
  const controller = new AbortController();
  const body = JSON.stringify({ messages });
  const pending = client.fetch(`${BASE}/chat/completions`, { ...post(body), signal: controller.signal });
  controller.abort();
  await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
  const streaming = await client.fetch(
    `${BASE}/chat/completions`,
    post(JSON.stringify({ messages, stream: true })),
  );
  await streaming.body?.cancel();
  await client.chat.completions.create({ messages, max_tokens: 1 });
  const ends = process.engine.events
    .recent()
    .flatMap((event) => (event.type === 'request-end' ? [event.outcome] : []));
  expect(ends.filter((outcome) => outcome === 'done')).toHaveLength(1);
});

/** 408, 409, 429 and 5xx are retried by clients. */
const isRetried = (status: number): boolean => [408, 409, 429].includes(status) || status >= 500;

test('only what may succeed when tried again has a status that clients retry', () => {
  const codes: ErrorCode[] = [
    'invalid_request',
    'unsupported_parameter',
    'context_length_exceeded',
    'unsupported_device',
    'unsupported_model',
    'invalid_model',
    'model_unavailable',
    'integrity_failed',
    'storage_full',
    'out_of_memory',
    'worker_crashed',
    'closed',
  ];
  for (const code of codes) {
    expect(isRetried(toHttpError(new SelvedgeError(code, 'x')).status)).toBe(false);
    expect(isRetried(toHttpError(new SelvedgeError(code, 'x', { retryable: true })).status)).toBe(true);
  }
  expect(isRetried(toHttpError(new Error('a bug')).status)).toBe(false);
});

function clientOf(fetch: FakeClient['client']['fetch']): OpenAI {
  return new OpenAI({ fetch, apiKey: '-', baseURL: BASE, dangerouslyAllowBrowser: true });
}

test('the openai package answers, streams and lists models', async () => {
  const { client } = await open({ answer });
  const openai = clientOf(client.fetch);
  const params = { model: 'byte-model', messages, temperature: 0 };
  const full = await openai.chat.completions.create(params);
  expect(full.choices[0]?.message.content).toBe('Grüße \u{1F30D}!');
  let text = '';
  let usage: unknown;
  const stream_options = { include_usage: true };
  for await (const chunk of await openai.chat.completions.create({
    ...params,
    stream: true,
    stream_options,
  })) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe('Grüße \u{1F30D}!');
  expect(usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 14 });
  const ids: string[] = [];
  for await (const model of openai.models.list()) ids.push(model.id);
  expect(ids).toEqual(['byte-model']);
  const completion = await openai.completions.create({ model: 'byte-model', prompt: 'a|', max_tokens: 2 });
  expect(completion.choices[0]?.text).toBe('Gr');
});

test('the openai package throws its own errors, once, without retrying', async () => {
  const { client } = await open();
  let calls = 0;
  const openai = clientOf((input, init) => ((calls += 1), client.fetch(input, init)));
  const wrong = openai.chat.completions.create({ model: 'byte-model', messages, temperature: 7 });
  await expect(wrong).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  await expect(wrong).rejects.toMatchObject({ param: 'temperature', code: 'invalid_request' });
  const missing = openai.chat.completions.create({ model: 'gpt-4o', messages });
  await expect(missing).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  client.close();
  const closed = openai.chat.completions.create({ model: 'byte-model', messages });
  await expect(closed).rejects.toMatchObject({ status: 410, code: 'closed' });
  expect(calls).toBe(3);
});

test('leaving a loop of the openai package aborts the request', async () => {
  const { client, process } = await open({ contextLength: 8000 });
  const openai = clientOf(client.fetch);
  for await (const chunk of await openai.chat.completions.create({
    model: 'byte-model',
    messages,
    stream: true,
  })) {
    if (chunk.choices[0]?.delta.content) break;
  }
  await client.chat.completions.create({ messages, max_tokens: 1 });
  const ends = process.engine.events
    .recent()
    .flatMap((event) => (event.type === 'request-end' ? [event.outcome] : []));
  expect(ends).toEqual(['aborted', 'done']);
});

test('the AI SDK answers and streams through its OpenAI-compatible provider', async () => {
  const { client } = await open({ answer });
  const provider = createOpenAICompatible({
    name: 'selvedge',
    baseURL: BASE,
    fetch: client.fetch,
    includeUsage: true,
  });
  const model = provider('byte-model');
  const { text, usage, finishReason } = await generateText({ model, prompt: 'hi', temperature: 0 });
  expect([text, finishReason]).toEqual(['Grüße \u{1F30D}!', 'stop']);
  expect(usage).toMatchObject({ inputTokens: 21, outputTokens: 14 });
  const streamed = streamText({ model, prompt: 'hi', temperature: 0 });
  let joined = '';
  for await (const piece of streamed.textStream) joined += piece;
  expect(joined).toBe('Grüße \u{1F30D}!');
  expect((await streamed.usage).outputTokens).toBe(14);
});
