import { afterEach, expect, test, vi } from 'vitest';
import { textIds } from '../../test/fakes/byte-model.ts';
import { openClient } from '../../test/fakes/client.ts';
import type { FakeClient } from '../../test/fakes/client.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import { SelvedgeError } from '../errors.ts';
import { createClient } from './client.ts';
import type { ChatCompletionChunk } from './types.ts';

const opened: FakeClient[] = [];
afterEach(() => {
  for (const { client } of opened.splice(0)) client.close();
  vi.unstubAllGlobals();
});

async function open(...parameters: Parameters<typeof openClient>): Promise<FakeClient> {
  const fake = await openClient(...parameters);
  opened.push(fake);
  return fake;
}

const messages = [{ role: 'user' as const, content: 'hi' }];

async function readAll<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const chunks: T[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const HEAD = {
  id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
  created: expect.any(Number),
  model: 'byte-model',
  system_fingerprint: 'selvedge-cpu-none-f32',
};

const TIMINGS = {
  prompt_n: 21,
  restore_ms: 0,
  prompt_ms: expect.any(Number),
  prompt_per_second: expect.any(Number),
  predicted_n: 3,
  predicted_ms: expect.any(Number),
  predicted_per_second: expect.any(Number),
  cache_n: 0,
  draft_n: 0,
  draft_n_accepted: 0,
  draft_gained_ms: 0,
  draft_by: {},
};

test('a full chat completion has exactly the documented shape', async () => {
  const { client } = await open({ answer: () => textIds('ok') });
  const full = await client.chat.completions.create({ messages, temperature: 0 });
  expect(full).toStrictEqual({
    ...HEAD,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'ok', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 21,
      completion_tokens: 3,
      total_tokens: 24,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
    timings: TIMINGS,
    seed: 1,
  });
});

test('a stream begins with the role, then has text, then the finish with timings', async () => {
  const { client } = await open({ answer: () => textIds('ok') });
  const chunks = await readAll(
    await client.chat.completions.create({ messages, stream: true, max_tokens: 2 }),
  );
  const base = { ...HEAD, object: 'chat.completion.chunk' };
  const choice = { index: 0, logprobs: null, finish_reason: null };
  expect(chunks).toStrictEqual([
    { ...base, choices: [{ ...choice, delta: { role: 'assistant', content: '' } }] },
    { ...base, choices: [{ ...choice, delta: { content: 'o' } }] },
    { ...base, choices: [{ ...choice, delta: { content: 'k' } }] },
    {
      ...base,
      choices: [{ ...choice, delta: {}, finish_reason: 'length' }],
      timings: { ...TIMINGS, predicted_n: 2 },
      seed: 1,
    },
  ]);
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
});

test('usage comes in a last chunk without choices, only when it is asked for', async () => {
  const { client } = await open({ answer: () => textIds('ok') });
  const stream_options = { include_usage: true };
  const chunks = await readAll(
    await client.chat.completions.create({ messages, stream: true, stream_options }),
  );
  expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual(chunks.slice(0, -1).map(() => null));
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 21, completion_tokens: 3 } });
  const without = await readAll(await client.chat.completions.create({ messages, stream: true }));
  expect(without.filter((chunk) => 'usage' in chunk)).toEqual([]);
});

test('each choice of a stream has its role, its text and its finish', async () => {
  const { client } = await open();
  const params = { messages, n: 2, seed: 5, max_tokens: 12 };
  const chunks = await readAll(await client.chat.completions.create({ ...params, stream: true }));
  const full = await client.chat.completions.create(params);
  const of = (index: number): ChatCompletionChunk['choices'] =>
    chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
  for (const index of [0, 1]) {
    expect(of(index).at(0)?.delta).toEqual({ role: 'assistant', content: '' });
    expect(of(index).at(-1)?.finish_reason).toBe('length');
    const text = of(index)
      .map(({ delta }) => delta.content ?? '')
      .join('');
    expect(text).toBe(full.choices[index]?.message.content);
  }
  expect(full.choices[0]?.message.content).not.toBe(full.choices[1]?.message.content);
  expect(chunks.filter(({ timings }) => timings)).toHaveLength(1);
});

test('logprobs have token, bytes and the most likely tokens', async () => {
  const { client } = await open({ answer: () => textIds('oé') });
  const full = await client.chat.completions.create({ messages, logprobs: true, top_logprobs: 1 });
  const token = (text: string, bytes: number[]): object => ({
    token: text,
    bytes,
    logprob: expect.closeTo(0, 5),
  });
  expect(full.choices[0]?.logprobs).toEqual({
    content: [
      { ...token('o', [111]), top_logprobs: [token('o', [111])] },
      { ...token('\uFFFD', [0xc3]), top_logprobs: [token('\uFFFD', [0xc3])] },
      { ...token('\uFFFD', [0xa9]), top_logprobs: [token('\uFFFD', [0xa9])] },
    ],
    refusal: null,
  });
  const chunks = await readAll(
    await client.chat.completions.create({ messages, logprobs: true, top_logprobs: 1, stream: true }),
  );
  const streamed = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
  expect(streamed).toEqual(full.choices[0]?.logprobs?.content);
});

test('a raw completion continues the prompt as it is', async () => {
  const { client } = await open({ answer: (prompt) => textIds(prompt.toUpperCase()) });
  const full = await client.completions.create({ prompt: 'abc|', logprobs: 1 });
  expect(full).toMatchObject({
    object: 'text_completion',
    choices: [
      {
        index: 0,
        text: 'ABC|',
        finish_reason: 'stop',
        logprobs: { tokens: ['A', 'B', 'C', '|'], text_offset: [0, 1, 2, 3] },
      },
    ],
    usage: { prompt_tokens: 4 },
  });
  const chunks = await readAll(
    await client.completions.create({ prompt: 'abc|', logprobs: 1, stream: true }),
  );
  expect(chunks.map(({ choices }) => choices[0]?.text).join('')).toBe('ABC|');
  expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.text_offset ?? [])).toEqual([0, 1, 2, 3]);
  expect(chunks.at(-1)).toMatchObject({ choices: [{ text: '', finish_reason: 'stop' }], seed: 1 });
});

test('a stream can be read once', async () => {
  const { client } = await open({ answer: () => textIds('ok') });
  const stream = await client.chat.completions.create({ messages, stream: true });
  await readAll(stream);
  expect(() => stream[Symbol.asyncIterator]()).toThrow(/read once/);
});

test('leaving the loop aborts the request, and the next one runs', async () => {
  const { client, process } = await open({ contextLength: 8000 });
  for await (const chunk of await client.chat.completions.create({ messages, stream: true })) {
    if (chunk.choices[0]?.delta.content) break;
  }
  const next = await client.chat.completions.create({ messages, max_tokens: 2 });
  expect(next.choices[0]?.finish_reason).toBe('length');
  const ends = process.engine.events
    .recent()
    .flatMap((event) => (event.type === 'request-end' ? [event.outcome] : []));
  expect(ends).toEqual(['aborted', 'done']);
});

test('a stream that is left before it is read is aborted too, and abort() ends a loop', async () => {
  const { client, process } = await open({ contextLength: 8000 });
  const unread = await client.chat.completions.create({ messages, stream: true });
  await unread[Symbol.asyncIterator]().return?.();
  const stopped = await client.chat.completions.create({ messages, stream: true });
  let count = 0;
  for await (const _ of stopped) if (++count === 3) stopped.abort();
  await client.chat.completions.create({ messages, max_tokens: 1 });
  const ends = process.engine.events
    .recent()
    .flatMap((event) => (event.type === 'request-end' ? [event.outcome] : []));
  expect(ends).toEqual(['aborted', 'aborted', 'done']);
});

test('an abort signal rejects with its reason, streaming or not', async () => {
  const { client } = await open({ contextLength: 8000 });
  const full = new AbortController();
  const pending = client.chat.completions.create({ messages }, { signal: full.signal });
  full.abort('changed my mind');
  await expect(pending).rejects.toBe('changed my mind');
  const controller = new AbortController();
  const stream = await client.chat.completions.create(
    { messages, stream: true },
    { signal: controller.signal },
  );
  const reading = (async () => {
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) controller.abort();
  })();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
});

test('priority decides who of those that wait is next', async () => {
  const { client } = await open({ answer: () => textIds('x'.repeat(60)) });
  const order: string[] = [];
  const ask = async (name: string, priority: number): Promise<void> => {
    await client.chat.completions.create({ messages }, { priority });
    order.push(name);
  };
  await Promise.all([ask('first', 0), ask('low', -1), ask('high', 1)]);
  expect(order).toEqual(['first', 'high', 'low']);
});

test('a conversation that goes on is not computed again', async () => {
  const { client } = await open({ answer: () => textIds('fine') });
  const first = await client.chat.completions.create({ messages });
  const more = [
    ...messages,
    { role: 'assistant' as const, content: 'fine' },
    { role: 'user' as const, content: 'and?' },
  ];
  const second = await client.chat.completions.create({ messages: more });
  expect(first.timings.cache_n).toBe(0);
  expect(second.timings.cache_n).toBe(first.usage.prompt_tokens + 4);
  expect(second.timings.cache_n + second.timings.prompt_n).toBe(second.usage.prompt_tokens);
});

test('an answer that was begun is continued, and its beginning is not said again', async () => {
  const { client } = await open({ answer: () => textIds('The sky is blue.') });
  const begun = { role: 'assistant' as const, content: 'The sky' };
  const request = { messages: [...messages, begun], temperature: 0 };
  const { choices } = await client.chat.completions.create({ ...request, continue_final_message: true });
  expect(choices[0]?.message.content).toBe(' is blue.');
  const other = client.chat.completions.create({ messages, continue_final_message: true });
  await expect(other).rejects.toMatchObject({ details: { param: 'continue_final_message' } });
});

test('a model that is not loaded is refused by name', async () => {
  const { client } = await open();
  await expect(client.chat.completions.create({ messages, model: 'gpt-4o' })).rejects.toMatchObject({
    code: 'invalid_request',
    details: { param: 'model' },
    message: expect.stringContaining(`'byte-model'`),
  });
});

test('tokenize reads special tokens only when asked, and detokenize gives the text back', async () => {
  const { client } = await open();
  const plain = await client.tokenize('a<|im_end|>');
  expect(plain).toHaveLength(11);
  expect(await client.detokenize(plain)).toBe('a<|im_end|>');
  expect(await client.tokenize('a<|im_end|>', { special: true })).toEqual([97, 257]);
});

test('models lists what is kept and what is loaded, and deletes', async () => {
  const kept = {
    url: 'https://models.test/other.gguf',
    byteLength: 10,
    storedBytes: 4,
    lastUsed: 5000,
    complete: false,
    backend: 'opfs' as const,
  };
  const { client } = await open({}, { stored: [{ ...kept, id: 'other' }] });
  const list = await client.models.list();
  expect(list).toEqual({
    object: 'list',
    data: [
      {
        id: 'byte-model',
        object: 'model',
        created: expect.any(Number),
        owned_by: 'selvedge',
        loaded: true,
        stored_bytes: 0,
        complete: true,
      },
      {
        id: 'other',
        object: 'model',
        created: 5,
        owned_by: 'selvedge',
        loaded: false,
        stored_bytes: 4,
        complete: false,
      },
    ],
  });
  expect(await client.models.delete('other')).toBe(true);
  expect(await client.models.delete('other')).toBe(false);
});

test('info tells of the session and the model', async () => {
  const { client } = await open();
  expect(await client.info()).toMatchObject({
    device: 'cpu',
    threads: 1,
    contextLength: 1024,
    model: { id: 'byte-model', architecture: 'table' },
  });
});

test('listeners get their events until they leave, and a broken one hurts nobody', async () => {
  const { client, process } = await open({ answer: () => textIds('ok') });
  const ends: number[] = [];
  const reported: unknown[] = [];
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error));
  const offBroken = client.on('request-end', () => {
    throw new Error('broken listener');
  });
  const off = client.on('request-end', ({ predictedTokens }) => ends.push(predictedTokens));
  await client.chat.completions.create({ messages });
  await vi.waitFor(() => expect(ends).toEqual([3]));
  expect(reported).toHaveLength(1);
  off();
  offBroken();
  await vi.waitFor(() => expect(process.engine.events.watched).toBe(false));
  await client.chat.completions.create({ messages });
  expect(ends).toEqual([3]);
  expect((await client.recentEvents()).map(({ type }) => type)).toContain('load-end');
});

test('closing may be done twice, rejects what is pending and what comes, and ends the worker', async () => {
  const { client, process } = await open({ beforeStep: () => new Promise(() => {}) });
  const pending = client.chat.completions.create({ messages });
  const stream = await client.chat.completions.create({ messages, stream: true });
  const reading = readAll(stream);
  client.close();
  client.close();
  for (const call of [pending, reading, client.info(), client.chat.completions.create({ messages })]) {
    await expect(call).rejects.toMatchObject({ code: 'closed' });
  }
  expect(process.terminated).toBe(true);
});

test('a load that fails ends the worker and rejects with its code', async () => {
  const failure = new SelvedgeError('model_unavailable', 'The server answers 404.', {
    details: { status: 404 },
  });
  const process = startInProcess({ loadModel: () => Promise.reject(failure) });
  const creating = createClient({ model: 'https://models.test/none.gguf', worker: process.worker });
  await expect(creating).rejects.toMatchObject({ code: 'model_unavailable', details: { status: 404 } });
  expect(process.terminated).toBe(true);
});

test('progress arrives, and a load can be aborted', async () => {
  const process = startInProcess({
    loadModel: (_request, { signal, onProgress }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        onProgress?.({ model: 'a', phase: 'read', loadedBytes: 1, totalBytes: 2, bytesPerSecond: 0 });
      }),
  });
  const controller = new AbortController();
  const creating = createClient({
    model: 'https://models.test/a.gguf',
    worker: process.worker,
    signal: controller.signal,
    onProgress: ({ phase }) => controller.abort(`at ${phase}`),
  });
  await expect(creating).rejects.toBe('at read');
  expect(process.terminated).toBe(true);
});
