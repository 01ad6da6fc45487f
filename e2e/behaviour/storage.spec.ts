/**
 * Model storage in real Chromium with a real profile on disk: what is fetched how often, what survives, what is
 * refused. Every test has a server, and so an origin, of its own. Bytes are counted by the server, so "no network"
 * and "exactly one chunk" are facts and not timings.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { BrowserContext, Page } from '@playwright/test';
import { rolldown } from 'rolldown';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';
import { startFaultServer } from '../fixtures/fault-server.mjs';
import type { Answer, Command, Loaded, Message } from '../fixtures/storage-worker.ts';

const CHUNK = 4 * 1024 * 1024;
/** Five chunks, the last one short. */
const SIZE = 4 * CHUNK + 1_234_567;
const PATH = '/model.gguf';

const model = noise(SIZE, 1);
const otherModel = noise(SIZE, 2);
const sum = sha256(model);
const otherSum = sha256(otherModel);
const root = rootOf(model);
const otherRoot = rootOf(otherModel);
let workerScript = '';

interface StorageWorker {
  /** Sends a command and waits for its answer. */
  run(command: Command): Promise<Answer>;
  load(path?: string, more?: object): Promise<Loaded>;
  fail(path?: string, more?: object): Promise<Extract<Answer, { error: unknown }>>;
  /** Starts a load that pauses, and waits until it does. */
  pause(pauseAfter: number): Promise<void>;
  goOn(): Promise<Answer>;
  page: Page;
}

interface Browser {
  context: BrowserContext;
  /** Closes it, tabs and all, and opens it again on the same profile. */
  restart(): Promise<void>;
}

interface Tabs {
  worker(without?: string): Promise<StorageWorker>;
  restartBrowser(): Promise<void>;
}

interface Fixtures {
  server: Awaited<ReturnType<typeof startFaultServer>>;
  tabs: Tabs;
}

const it = test.extend<Fixtures, { realProfile: Browser }>({
  realProfile: [
    async ({ playwright }, use) => {
      const profile = await mkdtemp(join(tmpdir(), 'selvedge-storage-'));
      const executablePath = findChromium();
      const launch = (): Promise<BrowserContext> =>
        playwright.chromium.launchPersistentContext(profile, {
          args: chromiumFlags,
          ...(executablePath ? { executablePath } : {}),
        });
      const browser: Browser = {
        context: await launch(),
        async restart() {
          await browser.context.close();
          browser.context = await launch();
        },
      };
      await use(browser);
      await browser.context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
    { scope: 'worker' },
  ],
  tabs: async ({ realProfile, server }, use) => {
    await use({
      async worker(without = '') {
        const page = await realProfile.context.newPage();
        await page.goto(server.address);
        await page.evaluate(startWorker, `/worker.js?without=${without}`);
        return drive(page, server.address);
      },
      restartBrowser: () => realProfile.restart(),
    });
    await Promise.all(
      realProfile.context
        .pages()
        .slice(1)
        .map((page) => page.close()),
    );
  },
  // Another port is another origin, whose storage is empty.
  server: async ({ realProfile }, use) => {
    const server = await startFaultServer();
    server.put('/', new TextEncoder().encode('<!doctype html><title>storage</title>'), 'text/html');
    server.put('/worker.js', new TextEncoder().encode(workerScript), 'text/javascript');
    server.put(PATH, model);
    await use(server);
    const [, ...opened] = realProfile.context.pages();
    await Promise.all(opened.map((page) => page.close()));
    await server.close();
  },
});

test.beforeAll(async () => {
  const bundle = await rolldown({
    input: new URL('../fixtures/storage-worker.ts', import.meta.url).pathname,
    platform: 'browser',
  });
  const { output } = await bundle.generate({ format: 'es', codeSplitting: false });
  await bundle.close();
  workerScript = output[0].code;
});

it('downloads once, and reads the same bytes offline after a restart of the browser', async ({
  server,
  tabs,
}) => {
  const first = await (await tabs.worker()).load();
  expect(first).toMatchObject({
    origin: 'network',
    kept: true,
    sha256: sum,
    identity: root,
  });
  expect(server.count(PATH)).toMatchObject({ requests: 1, bytes: SIZE });

  await tabs.restartBrowser();
  const worker = await tabs.worker();
  server.fault(PATH, { offline: true });
  const second = await worker.load();
  expect(second).toMatchObject({ origin: 'opfs', sha256: sum, identity: root });
  expect(server.count(PATH).requests).toBe(1);
  expect(await models(worker)).toMatchObject([
    { id: 'model', complete: true, byteLength: SIZE, storedBytes: SIZE, backend: 'opfs' },
  ]);
});

it('reports progress in order and at the end, first as download and then as read', async ({ tabs }) => {
  const worker = await tabs.worker();
  for (const phase of ['download', 'read']) {
    const { progress, ms } = await worker.load();
    expect(new Set(progress.map((event) => event.phase))).toEqual(new Set([phase]));
    const loaded = progress.map((event) => event.loadedBytes);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect(progress.at(-1)).toMatchObject({ loadedBytes: SIZE, totalBytes: SIZE });
    expect(progress.length).toBeLessThanOrEqual(ms / 100 + 2);
  }
});

it('goes on from the last whole chunk when the browser was closed in mid-download', async ({
  server,
  tabs,
}) => {
  await (await tabs.worker()).pause(2 * CHUNK + 100_000);
  await tabs.restartBrowser();
  server.resetCounts();
  const worker = await tabs.worker();
  const resumed = await worker.load();
  expect(resumed).toMatchObject({ origin: 'network', sha256: sum, identity: root });
  const { ranges, bytes } = server.count(PATH);
  expect([`bytes=${CHUNK}-`, `bytes=${2 * CHUNK}-`]).toContain(ranges[0]);
  expect(ranges).toHaveLength(1);
  expect(bytes).toBe(SIZE - Number(/\d+/.exec(ranges[0] ?? '')?.[0]));
});

it('keeps what was fetched when the caller aborts, and throws the reason', async ({ server, tabs }) => {
  const worker = await tabs.worker();
  const { error } = await worker.fail(PATH, { abortAfter: 3 * CHUNK + 1 });
  expect(error).toMatchObject({ code: 'AbortError', message: 'enough' });
  expect(await models(worker)).toMatchObject([{ complete: false, storedBytes: 3 * CHUNK }]);
  server.resetCounts();
  expect(await worker.load()).toMatchObject({ sha256: sum });
  expect(server.count(PATH)).toMatchObject({ ranges: [`bytes=${3 * CHUNK}-`], bytes: SIZE - 3 * CHUNK });
});

it('keeps what was fetched when the consumer stops early', async ({ server, tabs }) => {
  const worker = await tabs.worker();
  await worker.load(PATH, { stopAfter: CHUNK + CHUNK / 2 });
  server.resetCounts();
  expect(await worker.load()).toMatchObject({ sha256: sum });
  expect(server.count(PATH).ranges).toEqual([`bytes=${CHUNK}-`]);
});

it('survives a connection that is cut again and again, each time going on where it stopped', async ({
  server,
  tabs,
}) => {
  server.fault(PATH, { cut: 3_000_000 });
  expect(await (await tabs.worker()).load()).toMatchObject({ sha256: sum, identity: root });
  const { ranges } = server.count(PATH);
  // What was under way when a connection broke never arrived; what arrived is not asked for again.
  const starts = ranges.map((range) => Number(/\d+/.exec(range ?? '')?.[0]));
  expect(starts.length).toBeGreaterThanOrEqual(Math.ceil(SIZE / 3_000_000));
  expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
});

it('gives up when the server stays away, and goes on from there later', async ({ server, tabs }) => {
  const worker = await tabs.worker();
  server.fault(PATH, { cut: 2 * CHUNK + CHUNK / 2, away: true });
  expect((await worker.fail()).error).toMatchObject({ code: 'model_unavailable', retryable: true });
  // The first and three more, of which the browser may double each.
  expect(server.count(PATH).requests).toBeGreaterThanOrEqual(4);
  expect(server.count(PATH).requests).toBeLessThanOrEqual(8);
  server.resetCounts();
  server.fault(PATH);
  expect(await worker.load()).toMatchObject({ sha256: sum });
  expect(server.count(PATH).ranges).toEqual([`bytes=${2 * CHUNK}-`]);
});

for (const ifRange of [true, false]) {
  const host = ifRange ? 'a good server' : 'a server that ignores If-Range';
  it(`starts again when the file changed between two visits, at ${host}`, async ({ server, tabs }) => {
    const worker = await tabs.worker();
    await worker.load(PATH, { stopAfter: 3 * CHUNK + 1 });
    server.put(PATH, otherModel);
    server.fault(PATH, ifRange ? undefined : { ifRange });
    // From the moment it starts again, nothing speaks of the old version.
    await worker.load(PATH, { stopAfter: 1 });
    expect(await models(worker)).toEqual([]);
    await worker.load(PATH, { stopAfter: 2 * CHUNK + 1 });
    expect(await worker.load()).toMatchObject({ sha256: otherSum, identity: otherRoot });
    expect(await worker.load()).toMatchObject({ origin: 'opfs', sha256: otherSum });
  });
}

it('never mixes two versions when the file changes under way', async ({ server, tabs }) => {
  server.fault(PATH, { swap: { at: 2 * CHUNK + 77, bytes: otherModel } });
  const worker = await tabs.worker();
  expect(await worker.fail()).toMatchObject({ error: { code: 'integrity_failed', retryable: true } });
  expect(await worker.load()).toMatchObject({ sha256: otherSum });
});

it('starts again when the server does not know ranges', async ({ server, tabs }) => {
  server.fault(PATH, { ranges: false });
  const worker = await tabs.worker();
  await worker.load(PATH, { stopAfter: 2 * CHUNK + 1 });
  server.resetCounts();
  expect(await worker.load()).toMatchObject({ origin: 'network', sha256: sum });
  expect(server.count(PATH)).toMatchObject({ requests: 1, bytes: SIZE });
  server.resetCounts();
  server.put('/cut.gguf', model);
  server.fault('/cut.gguf', { ranges: false, cut: 3 * CHUNK + 1, cuts: 1 });
  expect(await worker.load('/cut.gguf')).toMatchObject({ sha256: sum });
  expect(server.count('/cut.gguf').requests).toBe(2);
});

it('starts again when the server names no version to go by', async ({ server, tabs }) => {
  server.fault(PATH, { validators: false });
  const worker = await tabs.worker();
  await worker.load(PATH, { stopAfter: 2 * CHUNK + 1 });
  expect(await worker.load()).toMatchObject({ sha256: sum });
});

for (const without of ['', 'opfs']) {
  it(`fetches exactly the chunk that is damaged${without ? ' (in IndexedDB)' : ''}, and repairs it`, async ({
    server,
    tabs,
  }) => {
    const worker = await tabs.worker(without);
    await worker.load();
    await damage(worker, without, 2 * CHUNK + 1000);
    server.resetCounts();
    expect(await worker.load()).toMatchObject({ sha256: sum, identity: root });
    const range = `bytes=${2 * CHUNK}-${3 * CHUNK - 1}`;
    expect(server.count(PATH)).toMatchObject({ requests: 1, ranges: [range], bytes: CHUNK });
    expect(await worker.load()).toMatchObject({ sha256: sum });
    expect(server.count(PATH).requests).toBe(1);
  });
}

it('says that a damaged chunk cannot be fetched when offline, and repairs it later', async ({
  server,
  tabs,
}) => {
  const worker = await tabs.worker();
  await worker.load();
  await damage(worker, '', 3 * CHUNK + 5);
  server.fault(PATH, { offline: true });
  const { error, readBytes } = await worker.fail();
  expect(error).toMatchObject({ code: 'integrity_failed', retryable: true, details: { start: 3 * CHUNK } });
  expect(readBytes).toBe(3 * CHUNK);
  server.fault(PATH);
  expect(await worker.load()).toMatchObject({ origin: 'opfs', sha256: sum });
});

it('gives up a damaged copy whose file changed on the server, and downloads the new one', async ({
  server,
  tabs,
}) => {
  const worker = await tabs.worker();
  await worker.load();
  await damage(worker, '', 5);
  server.put(PATH, otherModel);
  expect(await worker.fail()).toMatchObject({
    error: { code: 'integrity_failed', retryable: true },
    readBytes: 0,
  });
  expect(await models(worker)).toEqual([]);
  expect(await worker.load()).toMatchObject({ origin: 'network', sha256: otherSum });
});

it('fetches the rest when the stored file lost its end', async ({ server, tabs }) => {
  const worker = await tabs.worker();
  await worker.load();
  await worker.run({ do: 'truncate', byteLength: 2 * CHUNK + 10 });
  server.resetCounts();
  expect(await worker.load()).toMatchObject({ origin: 'network', sha256: sum });
  expect(server.count(PATH).ranges).toEqual([`bytes=${2 * CHUNK}-`]);
});

it('checks the SHA-256 of the whole file when it is given, over a resumed download too', async ({ tabs }) => {
  const worker = await tabs.worker();
  const named = { sha256: sum.toUpperCase() };
  await worker.load(PATH, { ...named, stopAfter: 2 * CHUNK + 1 });
  expect(await worker.load(PATH, named)).toMatchObject({ origin: 'network', sha256: sum });
  expect(await worker.load(PATH, named)).toMatchObject({ origin: 'opfs', sha256: sum });
});

it('refuses and deletes a file of another SHA-256, before its last bytes are handed on', async ({
  server,
  tabs,
}) => {
  const worker = await tabs.worker();
  server.fault(PATH, { corrupt: 5_000_000 });
  const { error, readBytes } = await worker.fail(PATH, { sha256: sum });
  expect(error).toMatchObject({ code: 'integrity_failed', details: { expected: sum } });
  expect(readBytes).toBeLessThan(SIZE);
  expect(await models(worker)).toEqual([]);
  expect(await worker.run({ do: 'files' })).toEqual({ files: [] });
  server.fault(PATH);
  await worker.load(PATH);
  const stored = await worker.fail(PATH, { sha256: otherSum });
  expect(stored.error).toMatchObject({ code: 'integrity_failed' });
  expect(await models(worker)).toEqual([]);
});

it('refuses a file that the quota does not hold, with both numbers, and registers nothing', async ({
  server,
  tabs,
}) => {
  const worker = await tabs.worker('room');
  const { error, readBytes } = await worker.fail();
  expect(error.code).toBe('storage_full');
  expect(error.details).toEqual({ neededBytes: SIZE, availableBytes: 9_000_000 });
  expect(readBytes).toBe(0);
  expect(server.count(PATH).requests).toBe(1);
  expect(await models(worker)).toEqual([]);
  expect(await worker.run({ do: 'files' })).toEqual({ files: [] });
});

it('leaves nothing behind when the disk fills up under way', async ({ server, tabs }) => {
  const worker = await tabs.worker();
  await worker.pause(CHUNK + 1);
  await limitQuota(worker, server.address, 10_000_000);
  const answer = await worker.goOn();
  expect(answer).toMatchObject({ error: { code: 'storage_full', details: { neededBytes: SIZE } } });
  const available = 'error' in answer ? answer.error.details['availableBytes'] : undefined;
  expect([CHUNK, 2 * CHUNK]).toContain(available);
  expect(await models(worker)).toEqual([]);
  expect(await worker.run({ do: 'files' })).toEqual({ files: [] });
});

it('keeps chunks in IndexedDB where there is no private file system', async ({ server, tabs }) => {
  await (await tabs.worker('opfs')).pause(2 * CHUNK + 100_000);
  await tabs.restartBrowser();
  server.resetCounts();
  const worker = await tabs.worker('opfs');
  expect(await worker.load()).toMatchObject({
    origin: 'network',
    sha256: sum,
    identity: root,
  });
  expect(server.count(PATH).bytes).toBeLessThan(SIZE);
  server.fault(PATH, { offline: true });
  expect(await worker.load()).toMatchObject({ origin: 'indexeddb', kept: true, sha256: sum });
  expect(await models(worker)).toMatchObject([{ backend: 'indexeddb', complete: true, storedBytes: SIZE }]);
  expect(await worker.run({ do: 'delete', id: 'model' })).toEqual({ deleted: true });
  expect(await worker.fail()).toMatchObject({ error: { code: 'model_unavailable' } });
});

it('streams without keeping, and says so, where nothing can be stored', async ({ server, tabs }) => {
  const worker = await tabs.worker('opfs,indexeddb');
  for (const requests of [1, 2]) {
    expect(await worker.load()).toMatchObject({
      origin: 'network',
      kept: false,
      sha256: sum,
      identity: root,
    });
    expect(server.count(PATH).requests).toBe(requests);
  }
  expect(await models(worker)).toEqual([]);
});

it('needs neither Web Locks nor WebCrypto, which insecure pages lack', async ({ server, tabs }) => {
  const worker = await tabs.worker('opfs,locks,subtle');
  expect(await worker.load()).toMatchObject({ identity: root });
  expect(await worker.load()).toMatchObject({
    origin: 'indexeddb',
    sha256: sum,
    identity: root,
  });
  expect(server.count(PATH).requests).toBe(1);
});

it('refuses what the server refuses, without trying again or storing anything', async ({ server, tabs }) => {
  const worker = await tabs.worker();
  for (const [status, retryable] of [
    [404, false],
    [403, false],
    [500, true],
  ] as const) {
    server.resetCounts();
    server.fault(PATH, { status });
    const { error } = await worker.fail();
    expect(error).toMatchObject({ code: 'model_unavailable', retryable, details: { status } });
    expect(server.count(PATH).requests).toBe(1);
  }
  server.fault(PATH, { type: 'text/html; charset=utf-8' });
  expect((await worker.fail()).error).toMatchObject({ code: 'model_unavailable', retryable: false });
  server.fault(PATH, { offline: true });
  expect((await worker.fail()).error).toMatchObject({ code: 'model_unavailable', retryable: true });
  server.fault(PATH);
  server.put('/empty.gguf', new Uint8Array(0));
  expect((await worker.fail('/empty.gguf')).error).toMatchObject({ code: 'invalid_model' });
  expect(await models(worker)).toEqual([]);
  expect(await worker.run({ do: 'files' })).toEqual({ files: [] });
});

it('finds out when the server sends less than its Content-Length', async ({ server, tabs }) => {
  server.put('/short.gguf', model.subarray(0, CHUNK + 1000));
  server.fault('/short.gguf', { ranges: false, length: CHUNK + 5000 });
  const { error, readBytes } = await (await tabs.worker()).fail('/short.gguf');
  expect(error).toMatchObject({ code: 'model_unavailable', retryable: true });
  expect(readBytes).toBeLessThanOrEqual(CHUNK + 1000);
});

for (const without of ['', 'modes']) {
  const kind = without ? 'exclusive file handles' : 'shared file handles';
  it(`makes one download for two tabs at once (${kind})`, async ({ server, tabs }) => {
    const [one, two] = [await tabs.worker(without), await tabs.worker(without)];
    const both = await Promise.all([one.load(), two.load()]);
    for (const loaded of both) expect(loaded.sha256).toBe(sum);
    expect(both.map(({ origin }) => origin).sort()).toEqual(['network', 'opfs']);
    expect(server.count(PATH)).toMatchObject({ requests: 1, bytes: SIZE });
  });

  it(`lets a tab read while another one reads (${kind})`, async ({ server, tabs }) => {
    const [one, two] = [await tabs.worker(without), await tabs.worker(without)];
    await one.load();
    await one.pause(CHUNK);
    expect(await two.load()).toMatchObject({ origin: 'opfs', sha256: sum });
    const refused = await two.run({ do: 'delete', id: 'model' });
    expect(refused).toMatchObject({ error: { code: 'model_unavailable', retryable: true } });
    expect(await one.goOn()).toMatchObject({ loaded: { sha256: sum } });
    expect(server.count(PATH).requests).toBe(1);
  });

  it(`takes over the download of a tab that died (${kind})`, async ({ server, tabs }) => {
    const [one, two] = [await tabs.worker(without), await tabs.worker(without)];
    await one.pause(2 * CHUNK + 100_000);
    const waiting = two.load();
    await one.page.close();
    const { sha256: hash, origin } = await waiting;
    expect({ hash, origin }).toEqual({ hash: sum, origin: 'network' });
    expect(server.count(PATH).ranges).toHaveLength(2);
    expect(server.count(PATH).ranges[1]).not.toBe('bytes=0-');
  });
}

it('shows the progress of the download it waits for, and can be told to stop waiting', async ({ tabs }) => {
  const [one, two, three] = [await tabs.worker(), await tabs.worker(), await tabs.worker()];
  await one.pause(3 * CHUNK + 1);
  const waiting = two.load();
  const reported = async (): Promise<unknown> => {
    const answer = await two.run({ do: 'progress' });
    return 'progress' in answer ? answer.progress[0] : undefined;
  };
  await expect.poll(reported).toMatchObject({ phase: 'download', totalBytes: SIZE });
  const stopped = three.fail();
  await three.run({ do: 'abort' });
  expect(await stopped).toMatchObject({ error: { code: 'AbortError' }, readBytes: 0 });
  await one.goOn();
  const { progress, origin } = await waiting;
  expect(origin).toBe('opfs');
  expect(progress.at(-1)).toMatchObject({ phase: 'read', loadedBytes: SIZE });
});

it('deletes what is stored, whole or partial, and only that', async ({ server, tabs }) => {
  server.put('/other.gguf', otherModel);
  const worker = await tabs.worker();
  await worker.load();
  await worker.load('/other.gguf', { id: 'other', stopAfter: CHUNK + 1 });
  expect((await models(worker)).map(({ id, complete }) => ({ id, complete }))).toEqual([
    { id: 'other', complete: false },
    { id: 'model', complete: true },
  ]);
  expect(await worker.run({ do: 'delete', id: 'other' })).toEqual({ deleted: true });
  expect(await worker.run({ do: 'delete', id: 'other' })).toEqual({ deleted: false });
  expect(await worker.run({ do: 'files' })).toMatchObject({ files: [{ size: SIZE }] });
  expect(await worker.run({ do: 'delete', id: 'model' })).toEqual({ deleted: true });
  expect(await worker.run({ do: 'files' })).toEqual({ files: [] });
  server.resetCounts();
  expect(await worker.load()).toMatchObject({ origin: 'network' });
});

it('reads a file of the user in place, with the same identity, and stores nothing', async ({ tabs }) => {
  const worker = await tabs.worker();
  const loaded = await worker.load(PATH, { asBlob: true, sha256: sum });
  expect(loaded).toMatchObject({ origin: 'local-file', sha256: sum, identity: root });
  expect(await models(worker)).toEqual([]);
  const wrong = await worker.fail(PATH, { asBlob: true, sha256: otherSum });
  expect(wrong.error).toMatchObject({ code: 'integrity_failed' });
});

it('notices that a file of the user changes or goes away while it is read', async ({ tabs }) => {
  const worker = await tabs.worker();
  const own = { do: 'load-own', byteLength: SIZE } as const;
  expect(await worker.run(own)).toEqual({ at: SIZE });
  expect(await worker.run({ ...own, change: 'rewrite' })).toMatchObject({
    error: { code: 'integrity_failed' },
  });
  expect(await worker.run({ ...own, change: 'remove' })).toMatchObject({
    error: { code: 'model_unavailable' },
  });
});

// ---- the worker, driven from here

interface Question {
  id: number;
  command: Command;
  /** Fetch the file in the page and hand it over as a Blob. */
  asBlob?: boolean;
}

function drive(page: Page, address: string): StorageWorker {
  let sent = 0;
  const put = (question: Question): Promise<Answer> => page.evaluate(ask, question);
  const run = (command: Command): Promise<Answer> => put({ id: ++sent, command });
  const start = (path = PATH, more: object = {}): Promise<Answer> => {
    const { id, sha256, asBlob, ...rest } = more as { id?: string; sha256?: string; asBlob?: boolean };
    const named = { id: id ?? 'model', ...(sha256 === undefined ? {} : { sha256 }) };
    const url = address + path;
    const command = { do: 'load', source: { kind: 'url', url, ...named }, ...rest } as Command;
    return put({ id: ++sent, command, asBlob: asBlob ?? false });
  };
  let paused = 0;
  return {
    page,
    run,
    async load(path, more) {
      const answer = await start(path, more);
      if (!('loaded' in answer)) throw new Error(`the load failed: ${JSON.stringify(answer)}`);
      return answer.loaded;
    },
    async fail(path, more) {
      const answer = await start(path, more);
      if (!('error' in answer)) throw new Error('the load was expected to fail');
      return answer;
    },
    async pause(pauseAfter) {
      const answer = await start(PATH, { pauseAfter });
      paused = sent;
      expect(answer).toHaveProperty('at');
    },
    goOn: () => put({ id: paused, command: { do: 'go-on' } }),
  };
}

/** Runs in the page. */
function startWorker(url: string): Promise<void> {
  const worker = new Worker(url, { type: 'module' });
  (globalThis as { storageWorker?: Worker }).storageWorker = worker;
  return new Promise((resolve, reject) => {
    worker.addEventListener('message', () => resolve(), { once: true });
    worker.addEventListener('error', (event) => reject(new Error(event.message)), { once: true });
  });
}

/** Runs in the page. */
async function ask({ id, command, asBlob }: Question): Promise<Answer> {
  const worker = (globalThis as unknown as { storageWorker: Worker }).storageWorker;
  let content: unknown = command;
  if (asBlob && command.do === 'load' && command.source.kind === 'url') {
    const { url, ...source } = command.source;
    content = { ...command, source: { ...source, kind: 'blob', blob: await (await fetch(url)).blob() } };
  }
  return new Promise((resolve) => {
    const answered = ({ data }: MessageEvent<Message<Answer>>): void => {
      if (data.id !== id) return;
      worker.removeEventListener('message', answered);
      resolve(data.content);
    };
    worker.addEventListener('message', answered);
    worker.postMessage({ id, content });
  });
}

async function models(worker: StorageWorker): Promise<Extract<Answer, { models: unknown }>['models']> {
  const answer = await worker.run({ do: 'list' });
  if (!('models' in answer)) throw new Error(`no list: ${JSON.stringify(answer)}`);
  return answer.models;
}

/** Overwrites a few bytes of the stored file behind the library's back. */
async function damage(worker: StorageWorker, without: string, at: number): Promise<void> {
  if (without === '') return void (await worker.run({ do: 'overwrite', at, bytes: [1, 2, 3, 4] }));
  await worker.page.evaluate(
    ([index, offset]) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('selvedge');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('chunks', 'readwrite');
          const cursor = transaction.objectStore('chunks').openCursor();
          cursor.onsuccess = () => {
            if (!cursor.result) return;
            if ((cursor.result.key as [string, number])[1] === index) {
              const bytes = new Uint8Array(cursor.result.value as ArrayBuffer);
              bytes[offset] = bytes[offset]! ^ 1;
              cursor.result.update(bytes.buffer);
            }
            cursor.result.continue();
          };
          transaction.oncomplete = () => {
            opening.result.close();
            resolve();
          };
        };
      }),
    [Math.floor(at / CHUNK), at % CHUNK] as const,
  );
}

async function limitQuota(worker: StorageWorker, origin: string, quotaSize: number): Promise<void> {
  const session = await worker.page.context().newCDPSession(worker.page);
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
}

// ---- what is expected, computed independently

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function rootOf(bytes: Uint8Array): string {
  const root = createHash('sha256');
  for (let at = 0; at < bytes.length; at += CHUNK) {
    root.update(
      createHash('sha256')
        .update(bytes.subarray(at, at + CHUNK))
        .digest(),
    );
  }
  return root.digest('hex');
}

/** Seeded noise (xorshift32). */
function noise(byteLength: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(byteLength / 4));
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, byteLength);
}
