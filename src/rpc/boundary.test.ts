/**
 * Page and engine over real MessageChannels: what arrives, in which order, and that every way out leads out.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { createByteModel, textIds } from '../../test/fakes/byte-model.ts';
import type { ByteModel, ByteModelOptions } from '../../test/fakes/byte-model.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import type { InProcess, InProcessOptions } from '../../test/fakes/in-process.ts';
import { CONTENT, ask } from '../../test/fakes/requests.ts';
import { SelvedgeError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { connect } from './connect.ts';
import type { Connection, WorkerLike } from './connect.ts';
import type { GenerationStream } from './generation-stream.ts';
import type { GenerationMessage } from './protocol.ts';
import { toWire } from './wire.ts';

const LOAD = {
  source: { kind: 'url' as const, url: 'https://models.test/m.gguf', id: 'm' },
  options: { threads: 1, simd: 'auto' as const, kv: 'q8' as const, contextLength: 0 },
  device: 'cpu' as const,
  draft: null,
  content: CONTENT,
  speculation: null,
};

const connections: Connection[] = [];
afterEach(() => {
  for (const connection of connections.splice(0)) connection.close(new Error('the test is over'));
  vi.unstubAllGlobals();
});

interface Open extends Omit<InProcess, 'terminated'> {
  isTerminated(): boolean;
  connection: Connection;
  model: ByteModel;
}

async function open(
  options: ByteModelOptions = {},
  parts: Omit<InProcessOptions, 'model'> = {},
): Promise<Open> {
  const model = createByteModel(options);
  const process = startInProcess({ model, ...parts });
  const connection = await connect(process.worker);
  connections.push(connection);
  if (!parts.loadModel) await connection.load(LOAD, {});
  return { ...process, isTerminated: () => process.terminated, connection, model };
}

async function readAll(stream: GenerationStream): Promise<GenerationMessage[]> {
  const messages: GenerationMessage[] = [];
  for (let message = await stream.next(); message; message = await stream.next()) messages.push(message);
  return messages;
}

function textOf(messages: readonly GenerationMessage[]): string {
  return messages
    .flatMap((message) => (message.type === 'chunk' || message.type === 'end' ? message.deltas : []))
    .map(({ text }) => text)
    .join('');
}

/** Lets everything that is under way arrive. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

test('messages of a generation arrive in order and end with its end', async () => {
  const text = 'The quick brown fox jumps over the lazy dog.';
  const { connection } = await open({ answer: () => textIds(text) });
  const messages = await readAll(connection.generate(ask('hi'), undefined));
  expect(textOf(messages)).toBe(text);
  expect(messages[0]).toMatchObject({ type: 'accepted', seed: 1 });
  expect(messages.slice(1).map(({ type }) => type)).toEqual([...messages.slice(2).map(() => 'chunk'), 'end']);
});

test('several generations at once each get their own text, one after the other', async () => {
  const { connection, model } = await open({
    answer: (prompt) => textIds(`answer to ${prompt.split('\n')[1]}`),
  });
  const questions = ['one', 'two', 'three'];
  const answers = questions.map((question) => readAll(connection.generate(ask(question), undefined)));
  const texts = (await Promise.all(answers)).map(textOf);
  expect(texts).toEqual(questions.map((question) => expect.stringContaining(`answer to ${question}`)));
  const prefills = model.session.steps.map(({ length }) => length > 1);
  expect(prefills.filter(Boolean)).toHaveLength(3);
});

test('control calls are answered while a generation runs', async () => {
  const { connection } = await open({ answer: () => textIds('x'.repeat(300)) });
  const stream = connection.generate(ask('hi'), undefined);
  await stream.next();
  expect(await connection.calls.tokenize('ab', false)).toEqual([97, 98]);
  expect(await connection.calls.detokenize([97, 98])).toBe('ab');
  expect(textOf(await readAll(stream))).toHaveLength(300);
});

/** How many steps ran after the one in which `leave` was called. */
async function stepsAfter(
  options: ByteModelOptions,
  atStep: number,
  leave: (stream: GenerationStream, controller: AbortController) => void,
): Promise<number> {
  let count = 0;
  const controller = new AbortController();
  const streams: GenerationStream[] = [];
  const { connection, model } = await open({
    ...options,
    beforeStep: () => {
      count += 1;
      for (const stream of count === atStep ? streams : []) leave(stream, controller);
    },
  });
  const stream = connection.generate(ask('x'.repeat(150)), controller.signal);
  streams.push(stream);
  await readAll(stream).catch(() => {});
  await settle();
  return model.session.steps.length - atStep;
}

test.each([
  ['in a prefill', 3],
  ['while decoding', 30],
])('an abort %s takes effect within one step, by message or by shared flag', async (_, atStep) => {
  const options = { maxBatch: 16, contextLength: 4000, answer: () => textIds('x'.repeat(2000)) };
  const abort = (_stream: GenerationStream, controller: AbortController): void => controller.abort();
  expect(await stepsAfter(options, atStep, abort)).toBeLessThanOrEqual(1);
  vi.stubGlobal('crossOriginIsolated', true);
  expect(await stepsAfter(options, atStep, abort)).toBeLessThanOrEqual(1);
});

test('leaving the stream stops the engine within one step', async () => {
  const options = { contextLength: 4000, answer: () => textIds('x'.repeat(2000)) };
  expect(await stepsAfter(options, 20, (stream) => stream.cancel())).toBeLessThanOrEqual(1);
});

test('an abort rejects the reader at once with its reason', async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { connection } = await open({ beforeStep: () => gate });
  const controller = new AbortController();
  const stream = connection.generate(ask('hi'), controller.signal);
  await stream.next();
  const reason = new Error('the user left');
  controller.abort(reason);
  await expect(stream.next()).rejects.toBe(reason);
  release();
});

test('a call aborted before it begins is not sent', async () => {
  const { connection, engine } = await open();
  const stream = connection.generate(ask('hi'), AbortSignal.abort('no'));
  await expect(stream.next()).rejects.toBe('no');
  await settle();
  expect(engine.events.recent().filter(({ type }) => type === 'request-queued')).toEqual([]);
});

test('a call aborted while it waits is never run, and the next one is', async () => {
  const { connection, model, engine } = await open({ answer: () => textIds('x'.repeat(40)) });
  const controller = new AbortController();
  const first = readAll(connection.generate(ask('first'), undefined));
  const second = connection.generate(ask('second'), controller.signal);
  const third = readAll(connection.generate(ask('third'), undefined));
  await second.next();
  controller.abort();
  await expect(second.next()).rejects.toMatchObject({ name: 'AbortError' });
  expect(textOf(await first)).toHaveLength(40);
  expect(textOf(await third)).toHaveLength(40);
  const fed = String.fromCharCode(...model.session.steps.flat());
  expect(fed).toContain('third');
  expect(fed).not.toContain('second');
  const ends = engine.events
    .recent()
    .flatMap((event) => (event.type === 'request-end' ? [event.outcome] : []));
  expect(ends.toSorted()).toEqual(['aborted', 'done', 'done']);
});

test('after an abort the next request is answered as if nothing had been', async () => {
  const options = { answer: (prompt: string) => textIds(`re: ${prompt.slice(0, 40)}`), contextLength: 4000 };
  const { connection } = await open(options);
  const controller = new AbortController();
  const aborted = connection.generate(ask('hello there'), controller.signal);
  await aborted.next();
  await aborted.next();
  controller.abort();
  const after = textOf(await readAll(connection.generate(ask('hello there'), undefined)));
  const fresh = await open(options);
  expect(after).toBe(textOf(await readAll(fresh.connection.generate(ask('hello there'), undefined))));
});

const CODES: Record<ErrorCode, true> = {
  invalid_request: true,
  unsupported_parameter: true,
  context_length_exceeded: true,
  unsupported_device: true,
  unsupported_model: true,
  invalid_model: true,
  model_unavailable: true,
  integrity_failed: true,
  storage_full: true,
  out_of_memory: true,
  device_lost: true,
  worker_crashed: true,
  no_route: true,
  cloud_failed: true,
  egress_refused: true,
  closed: true,
};

test.each(Object.keys(CODES) as ErrorCode[])(
  'the code %s crosses with message, details and retryability',
  async (code) => {
    const error = new SelvedgeError(code, `what failed, what to do (${code})`, {
      details: { neededBytes: 7, param: 'model' },
      retryable: code === 'model_unavailable',
    });
    const { connection } = await open({}, { loadModel: () => Promise.reject(error) });
    const received = await connection.load(LOAD, {}).catch((reason: unknown) => reason);
    expect(received).toBeInstanceOf(SelvedgeError);
    expect(received).toMatchObject({
      code,
      message: error.message,
      details: error.details,
      retryable: error.retryable,
    });
    const running = await open({ beforeStep: () => Promise.reject(error) });
    await expect(readAll(running.connection.generate(ask('hi'), undefined))).rejects.toMatchObject({
      code,
      details: error.details,
    });
  },
);

test('a bug crosses as a plain error with its message and stack, and the next request runs', async () => {
  let fails = true;
  const { connection } = await open({
    answer: () => textIds('fine'),
    beforeStep: () => {
      if (fails) throw new RangeError('index 7 of 5');
    },
  });
  const received = await readAll(connection.generate(ask('hi'), undefined)).catch(
    (reason: unknown) => reason,
  );
  expect(received).not.toBeInstanceOf(SelvedgeError);
  expect(received).toMatchObject({ name: 'RangeError', message: 'index 7 of 5' });
  expect((received as Error).stack).toContain('boundary.test.ts');
  fails = false;
  expect(textOf(await readAll(connection.generate(ask('hi'), undefined)))).toBe('fine');
});

test('load progress arrives in order before the load resolves', async () => {
  const model = createByteModel();
  const { connection } = await open(
    {},
    {
      async loadModel(_request, { onProgress }) {
        for (const loadedBytes of [1, 2, 3]) {
          onProgress?.({ model: 'a', phase: 'download', loadedBytes, totalBytes: 3, bytesPerSecond: 0 });
        }
        return model;
      },
    },
  );
  const seen: number[] = [];
  const info = await connection.load(LOAD, { onProgress: ({ loadedBytes }) => seen.push(loadedBytes) });
  expect(seen).toEqual([1, 2, 3]);
  expect(info.model.id).toBe('byte-model');
});

test('aborting a load rejects at once and tells the engine', async () => {
  let heard: AbortSignal | undefined;
  const { connection } = await open(
    {},
    {
      loadModel: (_request, { signal }) => {
        heard = signal;
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
    },
  );
  const controller = new AbortController();
  const load = connection.load(LOAD, { signal: controller.signal });
  await vi.waitFor(() => expect(heard).toBeDefined());
  controller.abort('enough');
  await expect(load).rejects.toBe('enough');
  await vi.waitFor(() => expect(heard?.aborted).toBe(true));
});

test('a load under way rejects when the worker fails', async () => {
  const { connection, fire } = await open({}, { loadModel: () => new Promise(() => {}) });
  const load = connection.load(LOAD, {});
  fire('error', { message: 'Uncaught RangeError: boom' });
  await expect(load).rejects.toMatchObject({ code: 'worker_crashed' });
});

test('events are posted only while somebody watches', async () => {
  const { connection, engine } = await open({ answer: () => textIds('four') });
  expect(engine.events.watched).toBe(false);
  const types: string[] = [];
  const stop = connection.watch((events) => types.push(...events.map(({ type }) => type)));
  await readAll(connection.generate(ask('hi'), undefined));
  await vi.waitFor(() => expect(types).toContain('request-end'));
  expect(types).toEqual([
    'request-queued',
    'request-start',
    'prefill-end',
    'step',
    'step',
    'step',
    'step',
    'request-end',
  ]);
  stop();
  await vi.waitFor(() => expect(engine.events.watched).toBe(false));
  await readAll(connection.generate(ask('hi'), undefined));
  expect(types).toHaveLength(8);
});

test('when the worker fails, calls and streams under way reject, and later ones at once', async () => {
  const never = new Promise<void>(() => {});
  const { connection, fire, isTerminated } = await open({ beforeStep: () => never });
  expect(isTerminated()).toBe(false);
  const stream = connection.generate(ask('hi'), undefined);
  await stream.next();
  const reading = stream.next();
  const queued = connection.generate(ask('next'), undefined);
  fire('error', { message: 'Uncaught RangeError: boom' });
  const crashed = { code: 'worker_crashed', message: expect.stringContaining('boom') };
  await expect(reading).rejects.toMatchObject(crashed);
  await expect(readAll(queued)).rejects.toMatchObject(crashed);
  await expect(connection.calls.info()).rejects.toMatchObject(crashed);
  await expect(readAll(connection.generate(ask('later'), undefined))).rejects.toMatchObject(crashed);
  await expect(stream.next()).rejects.toMatchObject(crashed);
  expect(isTerminated()).toBe(true);
});

test('a message that cannot be read ends the connection', async () => {
  const { connection, fire } = await open();
  fire('messageerror');
  await expect(connection.calls.info()).rejects.toMatchObject({ code: 'worker_crashed' });
});

test('closing rejects what is under way with the given error and terminates the worker once', async () => {
  const { connection, isTerminated } = await open({ beforeStep: () => new Promise<void>(() => {}) });
  const stream = connection.generate(ask('hi'), undefined);
  await stream.next();
  const reading = stream.next();
  const call = connection.calls.info();
  const closed = new SelvedgeError('closed', 'The client was closed.');
  connection.close(closed);
  connection.close(new Error('a second time'));
  await expect(reading).rejects.toBe(closed);
  await expect(call).rejects.toBe(closed);
  await expect(connection.calls.info()).rejects.toBe(closed);
  expect(isTerminated()).toBe(true);
});

/** A worker that never says a word. */
function silentWorker(): WorkerLike & EventTarget & { terminated: boolean } {
  return Object.assign(new EventTarget(), {
    terminated: false,
    postMessage() {},
    terminate() {
      this.terminated = true;
    },
  });
}

test('a worker that does not answer is given up', async () => {
  const worker = silentWorker();
  await expect(connect(worker, { handshakeTimeoutMs: 5 })).rejects.toMatchObject({ code: 'worker_crashed' });
  expect(worker.terminated).toBe(true);
});

test('a worker that hangs in mid-answer is given up, and what is pending rejects', async () => {
  const model = createByteModel({ beforeStep: () => new Promise<never>(() => {}) });
  const process = startInProcess({ model });
  let isHung = false;
  const { postMessage } = process.worker;
  const worker: WorkerLike = {
    ...process.worker,
    // Messages reach a worker that hangs, and nothing comes of them.
    postMessage: (...message) => (isHung ? undefined : postMessage(...message)),
  };
  const connection = await connect(worker, { watchTickMs: 1 });
  connections.push(connection);
  await connection.load(LOAD, {});
  const stream = connection.generate(ask('hi'), undefined);
  await stream.next();
  isHung = true;
  await expect(stream.next()).rejects.toMatchObject({
    code: 'worker_crashed',
    message: expect.stringContaining('hangs'),
  });
  expect(process.terminated).toBe(true);
});

test('a handshake can be aborted', async () => {
  const worker = silentWorker();
  const controller = new AbortController();
  const connecting = connect(worker, { signal: controller.signal });
  controller.abort('never mind');
  await expect(connecting).rejects.toBe('never mind');
  expect(worker.terminated).toBe(true);
});

/** Serves one status for every address. */
async function serveStatus(status: number, type: string): Promise<{ url: string; close(): void }> {
  const server = createServer((_, response) => response.writeHead(status, { 'content-type': type }).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/engine.js`, close: () => server.close() };
}

test.each([
  [404, 'text/plain', 'the server answers 404'],
  [200, 'text/html', "its content type is 'text/html'"],
  [200, 'text/javascript', 'Content-Security-Policy'],
])('a script that does not load (%i, %s) is explained', async (status, type, reason) => {
  const server = await serveStatus(status, type);
  const worker = silentWorker();
  const connecting = connect(worker, { scriptUrl: server.url });
  worker.dispatchEvent(new Event('error'));
  const error = await connecting.catch((received: unknown) => received);
  server.close();
  expect(error).toMatchObject({ code: 'worker_crashed', details: { scriptUrl: server.url, status } });
  expect((error as Error).message).toContain(reason);
  expect((error as Error).message).toContain('workerUrl');
  expect(worker.terminated).toBe(true);
});

test('a script whose server cannot be reached is explained', async () => {
  const { url, close } = await serveStatus(200, 'text/javascript');
  close();
  const worker = silentWorker();
  const connecting = connect(worker, { scriptUrl: url });
  worker.dispatchEvent(new Event('error'));
  await expect(connecting).rejects.toMatchObject({ message: expect.stringContaining('cannot be reached') });
});

test('an error of a module that was bundled by itself is ours, and keeps its code', () => {
  // As a second copy of the class makes it.
  const fields = { [Symbol.for('selvedge.error')]: true, code: 'device_lost', details: {}, retryable: true };
  const twin: unknown = Object.assign(new Error('gone'), fields);
  expect(twin instanceof SelvedgeError).toBe(true);
  expect(toWire(twin)).toMatchObject({ selvedge: true, code: 'device_lost', retryable: true });
  expect(new Error('gone') instanceof SelvedgeError).toBe(false);
});
