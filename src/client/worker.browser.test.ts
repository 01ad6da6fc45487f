/**
 * The client with its real worker in a real browser, on a tiny model: what Node cannot show.
 */
import { afterEach, expect, test } from 'vitest';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import { connect } from '../rpc/connect.ts';
import { createTurn } from '../rpc/turn.ts';
import { spawnWorker } from '../spawn-worker.ts';
import { createClient } from './client.ts';
import type { Client } from './client.ts';
import type { ClientOptions } from './options.ts';

const opened: Client[] = [];
afterEach(() => {
  for (const client of opened.splice(0)) client.close();
});

async function open(options: Partial<ClientOptions> = {}): Promise<Client> {
  const model = new File([tinyGguf({ type: 'Q4_1' }).slice()], 'tiny.gguf');
  const client = await createClient({ model, ...options });
  opened.push(client);
  return client;
}

const messages = [{ role: 'user' as const, content: 'hi' }];

test('a file of the user is loaded and answers', async () => {
  const phases: string[] = [];
  const client = await open({ onProgress: ({ phase }) => phases.push(phase) });
  expect(phases.at(-1)).toBe('ready');
  expect(await client.info()).toMatchObject({
    device: 'cpu',
    contextLength: 256,
    model: { id: 'tiny', architecture: 'llama', quantisation: 'Q4_1', origin: 'local-file' },
  });
  const full = await client.chat.completions.create({ messages, temperature: 0, max_tokens: 20 });
  let text = '';
  for await (const { choices } of await client.chat.completions.create({
    messages,
    temperature: 0,
    max_tokens: 20,
    stream: true,
  })) {
    text += choices[0]?.delta.content ?? '';
  }
  expect(text).toBe(full.choices[0]?.message.content);
});

test('a model and its draft are loaded into one worker, and a draft of other tokens is refused', async () => {
  const fileOf = (bytes: Uint8Array, name: string): File => new File([bytes.slice()], `${name}.gguf`);
  const draft = fileOf(tinyGguf({ type: 'Q4_1', layers: 1, seed: 2 }), 'small');
  const client = await open({ draft, threads: 2 });
  const info = await client.info();
  expect(info.draft).toMatchObject({ id: 'small', quantisation: 'Q4_1', contextLength: 256, threads: 2 });
  expect(info.draft?.memory.totalBytes).toBeGreaterThan(0);
  const alone = await open({ threads: 2 });
  const params = { messages, seed: 3, max_tokens: 40 };
  const [{ choices: drafted }, { choices: plain }] = await Promise.all([
    client.chat.completions.create(params),
    alone.chat.completions.create(params),
  ]);
  expect(drafted).toEqual(plain);
  const other = fileOf(tinyGguf({ vocab: 330 }), 'other');
  await expect(open({ draft: other })).rejects.toMatchObject({
    code: 'invalid_request',
    details: { param: 'draft', token: 317, target: '<|endoftext|>' },
  });
});

test('an answer is the same with one thread as with two, and with seeded noise', async () => {
  const answers: (string | undefined)[] = [];
  for (const threads of [1, 2]) {
    const client = await open({ threads });
    const params = { messages, seed: 3, max_tokens: 40, n: 2, repetition_penalty: 1.2 };
    const { choices } = await client.chat.completions.create(params);
    answers.push(...choices.map(({ message }) => message.content));
  }
  expect(answers.slice(0, 2)).toEqual(answers.slice(2));
  expect(answers[0]).not.toBe(answers[1]);
});

test('an abort in mid-answer stops the engine, by the shared flag too', async () => {
  expect(crossOriginIsolated).toBe(true);
  const client = await open();
  const controller = new AbortController();
  const stream = await client.chat.completions.create(
    { messages, stream: true, logit_bias: { '1': -100, '2': -100 } },
    { signal: controller.signal },
  );
  const reading = (async () => {
    for await (const { choices } of stream) if (choices[0]?.delta.content) controller.abort();
  })();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  await client.chat.completions.create({ messages, max_tokens: 1 });
  const ends = (await client.recentEvents()).flatMap((event) =>
    event.type === 'request-end' ? [[event.outcome, event.predictedTokens < 150]] : [],
  );
  expect(ends).toEqual([
    ['aborted', true],
    ['done', true],
  ]);
});

test('a file that is not a model is refused with its code', async () => {
  const model = new File(['<!doctype html>'.repeat(100)], 'page.gguf');
  await expect(createClient({ model })).rejects.toMatchObject({ code: 'invalid_model' });
});

test('a worker that is killed rejects what is pending', async () => {
  const { worker } = spawnWorker(undefined);
  const connection = await connect(worker);
  const pending = connection.load(
    {
      // A source that never comes: the request stays under way until the worker is gone.
      source: { kind: 'url', url: new URL('/never', location.href).href.replace(/:\d+/, ':1'), id: 'never' },
      device: 'cpu' as const,
      draft: null,
      options: { threads: 1, simd: 'auto', kv: 'q8', contextLength: 0 },
      content: { prefixBytes: 0, tenant: '', passphrase: null },
      speculation: null,
    },
    {},
  );
  worker.terminate();
  await expect(pending).rejects.toMatchObject({ code: 'worker_crashed' });
  await expect(connection.calls.listModels()).rejects.toMatchObject({ code: 'worker_crashed' });
});

test('a script that is not there is an error that names it', async () => {
  const model = new Blob(['x']);
  const workerUrl = '/no/such/engine.js';
  await expect(createClient({ model, workerUrl })).rejects.toMatchObject({
    code: 'worker_crashed',
    message: expect.stringContaining('/no/such/engine.js'),
  });
});

test('a script of another origin is an error that says what to do', async () => {
  const model = new Blob(['x']);
  const workerUrl = 'https://elsewhere.invalid/engine.js';
  await expect(createClient({ model, workerUrl })).rejects.toMatchObject({
    code: 'worker_crashed',
    message: expect.stringContaining('your own origin'),
  });
});

test('a turn of the event loop lets a message in, which a settled promise does not', async () => {
  const turn = createTurn();
  await turn();
  const { port1, port2 } = new MessageChannel();
  let isSeen = false;
  port1.onmessage = () => (isSeen = true);
  port2.postMessage(null);
  await Promise.resolve();
  expect(isSeen).toBe(false);
  await turn();
  expect(isSeen).toBe(true);
  port1.close();
});
