import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import { afterEach, expect, test } from 'vitest';
import { textIds } from '../../test/fakes/byte-model.ts';
import { openClient } from '../../test/fakes/client.ts';
import type { FakeClient } from '../../test/fakes/client.ts';

const opened: FakeClient[] = [];
afterEach(() => {
  for (const { client } of opened.splice(0)) client.close();
});

/** A model that answers with `text`; `promptOpens`: the template itself begins the thought. */
async function open(text: string, { promptOpens = false } = {}): Promise<FakeClient['client']> {
  const answer = (): number[] => textIds((promptOpens ? '<think>\n' : '') + text);
  const fake = await openClient({ answer, thinks: { promptOpens } });
  opened.push(fake);
  return fake.client;
}

const params = { messages: [{ role: 'user' as const, content: 'hi' }], temperature: 0 };
const THOUGHT = '<think>\nwhy\n</think>\n\nSo é.';

test('what is thought is no part of the content, and its tokens are counted', async () => {
  for (const [text, promptOpens, reasoningTokens] of [
    [THOUGHT, false, 20],
    ['why\n</think>\n\nSo é.', true, 12],
  ] as const) {
    const client = await open(text, { promptOpens });
    const { choices, usage } = await client.chat.completions.create(params);
    expect(choices[0]?.message).toEqual({
      role: 'assistant',
      content: 'So é.',
      reasoning_content: 'why',
      refusal: null,
    });
    expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: reasoningTokens });
  }
});

test('it is streamed before the content, in chunks of its own', async () => {
  const client = await open(THOUGHT);
  const deltas = [];
  for await (const { choices } of await client.chat.completions.create({ ...params, stream: true })) {
    deltas.push(choices[0]?.delta ?? {});
  }
  expect(
    deltas.map((delta) => Object.keys(delta).join()).filter((key, i, all) => key !== all[i - 1]),
  ).toEqual(['role,content', 'reasoning_content', 'content', '']);
  expect(deltas.map(({ reasoning_content }) => reasoning_content ?? '').join('')).toBe('why');
  expect(deltas.map(({ content }) => content ?? '').join('')).toBe('So é.');
});

test('an answer without thought has no such field, and one that thinks too long has no content', async () => {
  const plain = await open('So.');
  const { choices, usage } = await plain.chat.completions.create(params);
  expect(choices[0]?.message).toEqual({ role: 'assistant', content: 'So.', refusal: null });
  expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: 0 });
  const long = await (await open(THOUGHT)).chat.completions.create({ ...params, max_tokens: 10 });
  expect(long.choices[0]).toMatchObject({
    message: { content: '', reasoning_content: 'wh' },
    finish_reason: 'length',
  });
  expect(long.usage.completion_tokens_details).toEqual({ reasoning_tokens: 10 });
});

test('a stop string within the thought ends the answer', async () => {
  const client = await open(THOUGHT);
  const { choices, usage } = await client.chat.completions.create({ ...params, stop: 'y\n' });
  expect(choices[0]).toMatchObject({
    message: { content: '', reasoning_content: 'wh' },
    finish_reason: 'stop',
  });
  expect(usage.completion_tokens).toBe(12);
});

test('logprobs are those of the content', async () => {
  const client = await open(THOUGHT);
  const { choices } = await client.chat.completions.create({ ...params, logprobs: true });
  expect(choices[0]?.logprobs?.content.flatMap(({ bytes }) => bytes)).toEqual([...textIds('\n\nSo é.')]);
});

test('every choice is parted by itself', async () => {
  const client = await open(THOUGHT);
  const { choices, usage } = await client.chat.completions.create({ ...params, n: 2 });
  expect(choices.map(({ message }) => message.reasoning_content)).toEqual(['why', 'why']);
  expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: 40 });
});

test('a raw completion is all text', async () => {
  const client = await open(THOUGHT);
  const { choices, usage } = await client.completions.create({ prompt: 'a|', max_tokens: 100 });
  expect(choices[0]?.text).toBe(THOUGHT);
  expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: 0 });
});

test('an answer can be sent back with what was thought, which only an assistant has', async () => {
  const client = await open(THOUGHT);
  const { choices } = await client.chat.completions.create(params);
  const back = {
    ...params,
    messages: [...params.messages, choices[0]!.message],
  };
  await expect(client.chat.completions.create(back)).resolves.toBeDefined();
  const wrong = [{ role: 'user' as const, content: 'hi', reasoning_content: 'why' }];
  await expect(client.chat.completions.create({ messages: wrong })).rejects.toMatchObject({
    code: 'invalid_request',
    details: { param: 'messages[0].reasoning_content' },
  });
});

test('client.fetch has it too: the AI SDK finds the reasoning', async () => {
  const client = await open(THOUGHT);
  const provider = createOpenAICompatible({
    name: 'x',
    baseURL: 'https://local.test/v1',
    fetch: client.fetch,
  });
  const model = provider('byte-model');
  const full = await generateText({ model, prompt: 'hi', temperature: 0 });
  expect([full.reasoningText, full.text]).toEqual(['why', 'So é.']);
  const streamed = streamText({ model, prompt: 'hi', temperature: 0 });
  expect([await streamed.reasoningText, await streamed.text]).toEqual(['why', 'So é.']);
});
