/**
 * The public API with the real model in a real browser: aborts counted in steps, the `openai` package, a page
 * without isolation, workers that are missing or die, prompts that cannot be run.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { rolldown } from 'rolldown';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder, root } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import type { Client } from '../../src/index.ts';
import { openLibraryPage, writeLibrary } from '../fixtures/library-page.ts';

declare global {
  // The only way to declare a property of globalThis.
  var client: Client;
}

test.skip(
  !existsSync(join(modelsFolder, defaultModel.name)),
  'the default model is not in public/models; "npm test" fetches it',
);

/** One to which the model has a clear answer, so that it does not depend on the last bit. */
const QUESTION = [{ role: 'user' as const, content: 'What is the capital of France? Answer in a sentence.' }];
/** About 900 tokens: seven blocks. */
const LONG = [{ role: 'user' as const, content: 'The sea is wide and the boat is small. '.repeat(90) }];

let folder: string;
let page: Page;
let isolated: Awaited<ReturnType<typeof serveFolders>>;
let plain: Awaited<ReturnType<typeof serveFolders>>;

test.beforeAll(async ({ browser }) => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-client-'));
  writeLibrary(folder);
  await bundleOpenAi();
  const mounts = [
    ['/models/', modelsFolder],
    ['/', folder],
  ] as const;
  isolated = await serveFolders({ mounts });
  plain = await serveFolders({ mounts, isolated: false });
  page = await browser.newPage();
  await openLibraryPage(page, isolated.address);
  await openClient(page);
});

test.afterAll(async () => {
  await page.close();
  await Promise.all([isolated.close(), plain.close()]);
  rmSync(folder, { recursive: true, force: true });
});

async function bundleOpenAi(): Promise<void> {
  const bundle = await rolldown({ input: join(root, 'e2e/fixtures/openai-page.ts'), platform: 'browser' });
  await bundle.write({ file: join(folder, 'openai-page.js'), format: 'esm', codeSplitting: false });
  await bundle.close();
}

/** Loads the model into the page's global `client`. */
async function openClient(target: Page): Promise<void> {
  await target.evaluate(async (name) => {
    globalThis.client = await selvedge.createClient({ model: `/models/${name}` });
  }, defaultModel.name);
}

/** The answer to the question, without chance. */
function answerOf(target: Page): Promise<string | undefined> {
  return target.evaluate(async (messages) => {
    const { choices } = await client.chat.completions.create({ messages, temperature: 0, max_tokens: 24 });
    return choices[0]?.message.content;
  }, QUESTION);
}

/** Code, message and details of what `ask` throws in the page. */
function failureOf(
  ask: () => Promise<unknown>,
): Promise<{ isOurs: boolean; code: string; message: string; details: Record<string, unknown> }> {
  return page.evaluate(`(${ask.toString()})().then(
    () => { throw new Error('it did not fail'); },
    (error) => ({ isOurs: error instanceof selvedge.SelvedgeError, code: error.code, message: error.message, details: error.details }),
  )`);
}

test('the `openai` package streams from the local model', async () => {
  await page.addScriptTag({ url: '/openai-page.js', type: 'module' });
  await page.waitForFunction(() => 'askOpenAi' in globalThis);
  const answers = await page.evaluate(() => askOpenAi(client));
  expect(answers.streamed).toContain('Paris');
  expect(answers.full).toBe(answers.streamed);
  expect(answers.chunks).toBeGreaterThan(2);
  expect(answers.models).toEqual(['smollm2-135m-instruct-q4_1']);
  expect([answers.badStatus, answers.badParam]).toEqual([400, 'tools']);
});

test('an abort while decoding takes effect within one step', async () => {
  const { steps, outcome, lateSteps } = await page.evaluate(async () => {
    const now = (): number => performance.timeOrigin + performance.now();
    const ends: string[] = [];
    const stepsAt: number[] = [];
    const stopSteps = client.on('step', ({ at }) => stepsAt.push(at));
    const stopEnds = client.on('request-end', ({ outcome }) => ends.push(outcome));
    const controller = new AbortController();
    const messages = [{ role: 'user' as const, content: 'Write a long story about the sea.' }];
    const stream = await client.chat.completions.create(
      { messages, stream: true, max_tokens: 400 },
      { signal: controller.signal },
    );
    let abortedAt = 0;
    let chunkCount = 0;
    try {
      for await (const _ of stream) {
        if (++chunkCount !== 10) continue;
        abortedAt = now();
        controller.abort();
      }
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'AbortError') throw error;
    }
    while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stopSteps();
    stopEnds();
    return {
      steps: stepsAt.length,
      outcome: ends[0],
      lateSteps: stepsAt.filter((at) => at > abortedAt).length,
    };
  });
  expect(outcome).toBe('aborted');
  expect(steps).toBeGreaterThan(5);
  expect(steps).toBeLessThan(100);
  // The one that was under way.
  expect(lateSteps).toBeLessThanOrEqual(1);
});

test('an abort while the prompt is read ends it between two blocks', async () => {
  const { end, hasPrefillEnd, again, promptTokens } = await page.evaluate(async (messages) => {
    const controller = new AbortController();
    const params = { messages, stream: true as const, max_tokens: 1 };
    const before = (await client.recentEvents()).length;
    const stream = await client.chat.completions.create(params, { signal: controller.signal });
    controller.abort();
    await stream[Symbol.asyncIterator]()
      .next()
      .catch(() => {});
    const repeated = await client.chat.completions.create({ ...params, stream: false });
    const events = (await client.recentEvents()).slice(before);
    const ended = events.find((event) => event.type === 'request-end');
    return {
      end: ended,
      hasPrefillEnd: events.some((event) => event.type === 'prefill-end' && event.request === ended?.request),
      again: repeated.timings.cache_n,
      promptTokens: repeated.usage.prompt_tokens,
    };
  }, LONG);
  expect(promptTokens).toBeGreaterThan(6 * 128);
  expect(end).toMatchObject({ type: 'request-end', outcome: 'aborted', steps: 0, predictedTokens: 0 });
  expect(hasPrefillEnd).toBe(false);
  // What the blocks before the abort computed is still there; it is far from all.
  expect(again).toBeLessThan(promptTokens / 2);
});

test('leaving the loop aborts, and the next request is answered', async () => {
  const outcomes = await page.evaluate(async () => {
    const messages = [{ role: 'user' as const, content: 'Write a long story about the sea.' }];
    const before = (await client.recentEvents()).length;
    for await (const { choices } of await client.chat.completions.create({ messages, stream: true })) {
      if (choices[0]?.delta.content) break;
    }
    await client.chat.completions.create({ messages, max_tokens: 1 });
    const events = (await client.recentEvents()).slice(before);
    return events.flatMap((event) => (event.type === 'request-end' ? [event.outcome] : []));
  });
  expect(outcomes).toEqual(['aborted', 'done']);
});

test('a prompt that does not fit the context is context_length_exceeded, with the numbers', async () => {
  const failure = await failureOf(() =>
    client.chat.completions.create({ messages: [{ role: 'user', content: 'word '.repeat(9000) }] }),
  );
  expect(failure).toMatchObject({
    isOurs: true,
    code: 'context_length_exceeded',
    details: { contextLength: await page.evaluate(async () => (await client.info()).contextLength) },
  });
  expect(failure.message).toContain("context: 'drop-oldest'");
});

test('half a surrogate pair is invalid_request, wherever it stands, and says where', async () => {
  const failures = [
    await failureOf(() =>
      client.chat.completions.create({ messages: [{ role: 'user', content: 'so \ud83d' }] }),
    ),
    await failureOf(() => client.completions.create({ prompt: 'so \ude00 on' })),
    await failureOf(() => client.tokenize('so \ud83d')),
  ];
  for (const failure of failures) {
    expect(failure).toMatchObject({ isOurs: true, code: 'invalid_request' });
    expect(failure.message).toContain('index 3');
  }
  expect(await answerOf(page)).toContain('Paris');
});

test('a page that is not isolated has one thread, says why, and gives the same answer', async ({
  browser,
}) => {
  const other = await browser.newPage();
  await openLibraryPage(other, plain.address);
  await openClient(other);
  const info = await other.evaluate(() => client.info());
  expect(await other.evaluate(() => crossOriginIsolated)).toBe(false);
  expect(info).toMatchObject({ threads: 1, isIsolated: false, device: 'cpu' });
  expect(await page.evaluate(() => client.info())).toMatchObject({ isIsolated: true });
  expect(await answerOf(other)).toBe(await answerOf(page));
  await other.close();
});

test('a worker that is killed in mid-answer fails the stream with worker_crashed, and a new client works', async ({
  browser,
}) => {
  const other = await (await browser.newContext()).newPage();
  await openLibraryPage(other, isolated.address);
  const seen = await other.evaluate(async (name) => {
    const worker = new Worker('/workers/engine.js', { type: 'module' });
    const dying = await selvedge.createClient({ model: `/models/${name}`, worker });
    const messages = [{ role: 'user' as const, content: 'Write a long story about the sea.' }];
    const waiting = dying.chat.completions.create({ messages, max_tokens: 5 }).catch((error) => error.code);
    let text = '';
    const codes: unknown[] = [];
    try {
      for await (const chunk of await dying.chat.completions.create({ messages, stream: true })) {
        text += chunk.choices[0]?.delta.content ?? '';
        if (text.length > 20) worker.terminate();
      }
    } catch (error) {
      codes.push(error instanceof selvedge.SelvedgeError && error.code);
    }
    await waiting;
    codes.push(await dying.tokenize('later').catch((error) => error.code));
    return { codes, hasText: text.length > 20 };
  }, defaultModel.name);
  expect(seen).toEqual({ codes: ['worker_crashed', 'worker_crashed'], hasText: true });
  await openClient(other);
  expect(await answerOf(other)).toContain('Paris');
  await other.context().close();
});

test('a worker script that is missing is worker_crashed, names the script and says what to do', async () => {
  const failure = await failureOf(() =>
    selvedge.createClient({ model: '/models/any.gguf', workerUrl: '/nowhere/engine.js' }),
  );
  expect(failure).toMatchObject({ isOurs: true, code: 'worker_crashed', details: { status: 404 } });
  expect(failure.message).toContain('/nowhere/engine.js');
  expect(failure.message).toContain('workerUrl');
});
