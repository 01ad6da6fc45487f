/**
 * Kept prefixes in real Chromium with a real profile on disk: answers and stored bytes after a restart are those of never
 * having stopped, tabs agree, damage is a miss, and nothing secret is in any file of the profile. Every test has a server,
 * and so an origin, of its own.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test as base, type BrowserContext, type Page } from '@playwright/test';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';
import type { Client, ClientOptions, CompletionParams, StoredPrefix } from '../../src/index.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import { openLibraryPage, startLibraryServer, type FaultServer } from '../fixtures/library-page.ts';

declare global {
  // The only way to declare a property of globalThis.
  var client: Client;
}

const MODEL = '/models/tiny.gguf';
/** Large enough that computing is slower than reading. */
const model = tinyGguf({
  type: 'Q8_0',
  layers: 4,
  hidden: 512,
  heads: 8,
  kvHeads: 8,
  ffn: 1024,
  vocab: 400,
  contextLength: 2048,
});

interface Answer {
  text: string;
  /** Bit by bit. */
  logprobs: number[];
  cached: number;
  promptTokens: number;
  restoreMs: number;
}

interface Profile {
  folder: string;
  context: BrowserContext;
  restart(): Promise<void>;
  /** What all files of the profile hold while the browser is closed. */
  files(): Promise<Buffer[]>;
}

/** Words of two tokens or so, the same at every call. */
function words(count: number, salt = 0): string {
  const all = ['sea', 'tide', 'stone', 'road', 'lamp', 'corn', 'hill', 'mouse', 'door', 'rain'];
  return Array.from({ length: count }, (_, i) => all[(i * i + 3 * i + salt) % all.length]).join(' ');
}

const it = base.extend<{ profile: Profile; server: FaultServer }>({
  profile: async ({ playwright }, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-prefixes-'));
    const executablePath = findChromium();
    const launch = (): Promise<BrowserContext> =>
      playwright.chromium.launchPersistentContext(folder, {
        args: chromiumFlags,
        ...(executablePath ? { executablePath } : {}),
      });
    const profile = {
      folder,
      context: await launch(),
      async restart() {
        await profile.context.close();
        profile.context = await launch();
      },
      async files() {
        await profile.context.close();
        const files = await filesOf(folder);
        profile.context = await launch();
        return files;
      },
    };
    await use(profile);
    await profile.context.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  },
  server: async ({}, use) => {
    const server = await serve();
    await use(server);
    await server.close();
  },
});

async function serve(): Promise<FaultServer> {
  const server = await startLibraryServer();
  server.put(MODEL, model);
  return server;
}

async function openTab(
  { context }: Pick<Profile, 'context'>,
  server: FaultServer,
  options: Partial<ClientOptions> = {},
): Promise<Page> {
  const page = await context.newPage();
  await openLibraryPage(page, server.address);
  await page.evaluate(
    async ([url, more]) => {
      globalThis.client = await selvedge.createClient({ model: url, ...more });
    },
    [MODEL, options] as const,
  );
  return page;
}

function ask(page: Page, prompt: string, more: Partial<CompletionParams> = {}): Promise<Answer> {
  return page.evaluate(
    async (params) => {
      const { choices, timings, usage } = await client.completions.create({ ...params, stream: false });
      const [choice] = choices;
      return {
        text: choice?.text ?? '',
        logprobs: choice?.logprobs?.token_logprobs ?? [],
        cached: timings.cache_n,
        promptTokens: usage.prompt_tokens,
        restoreMs: timings.restore_ms,
      };
    },
    { prompt, max_tokens: 12, temperature: 1, seed: 3, logprobs: 0, ...more },
  );
}

const settle = (page: Page): Promise<void> => page.evaluate(() => client.prefixes.settled());
const list = (page: Page): Promise<StoredPrefix[]> => page.evaluate(() => client.prefixes.list());
const bitsOf = ({ text, logprobs }: Answer): unknown => [text, logprobs];

/** Every record of a store in the database: its name, and its bytes in base64. */
async function recordsOf(
  page: Page,
  name: 'prefix-blocks' | 'past-outputs' = 'prefix-blocks',
): Promise<Record<string, string>> {
  return page.evaluate(async (storeName) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('selvedge');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const store = database.transaction(storeName).objectStore(storeName);
    const read = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const [names, values] = await Promise.all([
      read(store.getAllKeys()),
      read<ArrayBuffer[]>(store.getAll()),
    ]);
    database.close();
    const base64 = (bytes: Uint8Array): string => {
      let binary = '';
      for (const byte of bytes) binary += String.fromCharCode(byte);
      return btoa(binary);
    };
    return Object.fromEntries(names.map((key, i) => [String(key), base64(new Uint8Array(values[i]!))]));
  }, name);
}

async function filesOf(folder: string): Promise<Buffer[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name))),
  );
}

it('after a restart of the browser a conversation goes on as if it had never stopped, bit by bit', async ({
  profile,
  server,
}) => {
  const first = words(300);
  const second = `${first} and then ${words(80, 4)}`;
  const tab = await openTab(profile, server);
  const before = await ask(tab, first);
  await settle(tab);
  await profile.restart();
  const later = await openTab(profile, server);
  const again = await ask(later, first);
  expect([again.cached, bitsOf(again)]).toEqual([before.promptTokens - 1, bitsOf(before)]);
  expect(again.restoreMs).toBeGreaterThan(0);
  const resumed = await ask(later, second);
  await settle(later);

  const elsewhere = await serve();
  const steady = await openTab(profile, elsewhere);
  await ask(steady, first);
  await ask(steady, first);
  expect(bitsOf(await ask(steady, second))).toEqual(bitsOf(resumed));
  await settle(steady);
  const records = await recordsOf(later);
  expect(Object.keys(records).length).toBeGreaterThan(6);
  expect(await recordsOf(steady)).toEqual(records);
  await steady.close();
  await elsewhere.close();
});

it('tabs that compute the same at the same time agree, and a third goes on from it', async ({
  profile,
  server,
}) => {
  const prompt = words(300);
  const tabs = await Promise.all([openTab(profile, server), openTab(profile, server)]);
  const third = await openTab(profile, server);
  const answers = await Promise.all(tabs.map((tab) => ask(tab, prompt)));
  await Promise.all(tabs.map(settle));
  expect(bitsOf(answers[0]!)).toEqual(bitsOf(answers[1]!));
  const answer = await ask(third, prompt);
  expect(answer.cached).toBe(answer.promptTokens - 1);
  expect(bitsOf(answer)).toEqual(bitsOf(answers[0]!));
  const names = await Promise.all(tabs.map(async (tab) => (await list(tab)).map(({ id }) => id).sort()));
  expect(names[0]).toEqual(names[1]);
  expect(names[0]!.length).toBeGreaterThan(1);
});

it('a tab that is closed while it writes leaves what the next can use', async ({ profile, server }) => {
  for (const [i, delayMs] of [0, 3, 10, 30].entries()) {
    const prompt = words(400, i + 1);
    const tab = await openTab(profile, server);
    const before = await ask(tab, prompt);
    await tab.waitForTimeout(delayMs);
    await tab.close();
    const next = await openTab(profile, server);
    expect(bitsOf(await ask(next, prompt)), `closed after ${delayMs} ms`).toEqual(bitsOf(before));
    await settle(next);
    await next.close();
    const last = await openTab(profile, server);
    const again = await ask(last, prompt);
    expect([again.cached, bitsOf(again)]).toEqual([before.promptTokens - 1, bitsOf(before)]);
    await last.close();
  }
});

it('whatever is wrong in the database is computed again', async ({ profile, server }) => {
  const prompt = words(300);
  const tab = await openTab(profile, server);
  const before = await ask(tab, prompt);
  await settle(tab);
  await tab.close();
  for (const damage of ['flip', 'cut', 'swap', 'text', 'version', 'lose', 'nodes'] as const) {
    const breaker = await profile.context.newPage();
    await openLibraryPage(breaker, server.address);
    await breaker.evaluate(async (how) => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open('selvedge');
        request.onsuccess = () => resolve(request.result);
      });
      const transaction = database.transaction(['prefix-blocks', 'prefix-nodes'], 'readwrite');
      const store = transaction.objectStore('prefix-blocks');
      const nodes = transaction.objectStore('prefix-nodes');
      const names = await new Promise<IDBValidKey[]>((resolve) => {
        const request = store.getAllKeys();
        request.onsuccess = () => resolve(request.result);
      });
      const values = await new Promise<ArrayBuffer[]>((resolve) => {
        const request = store.getAll();
        request.onsuccess = () => resolve(request.result);
      });
      for (const [i, name] of names.entries()) {
        const bytes = new Uint8Array(values[i]!);
        if (how === 'flip') bytes[(i * 977 + 90) % bytes.length]! ^= 4;
        if (how === 'version') bytes[4] = 9;
        if (how === 'cut') store.put(bytes.slice(0, bytes.length - 7).buffer, name);
        else if (how === 'swap') store.put(values[(i + 1) % values.length], name);
        else if (how === 'text') store.put('no bytes', name);
        else if (how === 'lose') store.delete(name);
        else if (how === 'nodes') nodes.put({ key: name, positions: 'many' }, name);
        else store.put(bytes.buffer, name);
      }
      await new Promise((resolve) => (transaction.oncomplete = resolve));
      database.close();
    }, damage);
    await breaker.close();
    const next = await openTab(profile, server);
    const answer = await ask(next, prompt);
    expect([answer.cached, bitsOf(answer)], damage).toEqual([0, bitsOf(before)]);
    await settle(next);
    await next.close();
  }
});

/** A few places of every record: its name, and what lies in it. */
function tracesOf(records: Record<string, string>): Buffer[] {
  return Object.entries(records).flatMap(([name, record]) => {
    const bytes = Buffer.from(record, 'base64');
    const places = [0.1, 0.3, 0.6, 0.9].map((part) => Math.floor(part * bytes.length));
    return [Buffer.from(name), ...places.map((at) => bytes.subarray(at, at + 24))];
  });
}

it('nothing of a secret is in any file of the profile, whatever was done, and blocks are gone when deleted', async ({
  profile,
  server,
  browser,
}) => {
  const known = words(300);
  const canary = 'Zebulon keeps 7 amber keys under the third stone. ';
  const secret = canary.repeat(8);
  const going = `${secret} And so on.`;
  const inPrivate: Partial<CompletionParams> = { selvedge: { privacy: 'secret' } };

  // What it would leave, from a profile in memory where it is no secret.
  const leaky = await openTab({ context: await browser.newContext() }, server);
  await ask(leaky, secret);
  await ask(leaky, going);
  await settle(leaky);
  const wouldLeave = [
    ...tracesOf(await recordsOf(leaky)),
    ...Object.values(await recordsOf(leaky, 'past-outputs')).map((bytes) => Buffer.from(bytes, 'base64')),
  ];
  await leaky.context().close();

  const tab = await openTab(profile, server);
  await ask(tab, known);
  await settle(tab);
  const kept = await recordsOf(tab);
  const answers = await recordsOf(tab, 'past-outputs');
  expect(Object.keys(answers)).toHaveLength(1);
  await ask(tab, secret, inPrivate);
  await ask(tab, going);
  await settle(tab);
  const ids = await tab.evaluate((text) => client.tokenize(text), canary);
  expect(await recordsOf(tab)).toEqual(kept);
  expect(await recordsOf(tab, 'past-outputs')).toEqual(answers);

  const secrets = [
    ...(['utf8', 'utf16le'] as const).map((form) => Buffer.from('keeps 7 amber', form)),
    ...[Uint16Array, Uint32Array].map((Words) => Buffer.from(Words.from(ids.slice(2, 8)).buffer)),
    ...wouldLeave,
  ];
  const isIn = (files: Buffer[]) => (needle: Buffer) => files.some((file) => file.includes(needle));
  const used = await profile.files();
  expect(secrets.filter(isIn(used))).toEqual([]);
  // What is no secret is found in the same way, so that finding nothing means something.
  const traces = tracesOf(kept);
  const answered = Object.values(answers).map((bytes) => Buffer.from(bytes, 'base64'));
  expect(answered.filter(isIn(used))).toEqual(answered);
  expect(traces.filter(isIn(used)).length).toBeGreaterThan(traces.length / 2);

  const last = await openTab(profile, server);
  await last.evaluate(() => client.prefixes.clear({ everyTenant: true }));
  expect(await recordsOf(last)).toEqual({});
  expect(await recordsOf(last, 'past-outputs')).toEqual({});
  expect(await list(last)).toEqual([]);
  const emptied = await profile.files();
  expect(secrets.filter(isIn(emptied))).toEqual([]);
  // Chromium keeps small values in a log, whose space is used again later; whole blocks are files of their own.
  const whole = Object.entries(kept).filter(([, record]) => record.length > 300_000);
  expect(whole.length).toBeGreaterThan(6);
  const contents = whole.flatMap(([name, record]) => tracesOf({ [name]: record }).slice(1));
  expect(contents.filter(isIn(emptied))).toEqual([]);
});

it('with a passphrase a secret is kept, found again with it only, and in no file as it is', async ({
  profile,
  server,
  browser,
}) => {
  const secret = words(300, 7);
  const inPrivate: Partial<CompletionParams> = { selvedge: { privacy: 'secret' } };
  const open = await openTab({ context: await browser.newContext() }, server);
  const expected = await ask(open, secret);
  await settle(open);
  const plain = [
    ...tracesOf(await recordsOf(open)),
    ...Object.values(await recordsOf(open, 'past-outputs')).map((bytes) => Buffer.from(bytes, 'base64')),
  ];
  await open.context().close();

  const passphrase = 'correct horse battery staple';
  const tab = await openTab(profile, server, { passphrase });
  await ask(tab, secret, inPrivate);
  await settle(tab);
  expect(Object.keys(await recordsOf(tab)).length).toBeGreaterThan(6);
  expect(Object.keys(await recordsOf(tab, 'past-outputs'))).toHaveLength(1);
  const files = await profile.files();
  expect(
    [...plain, Buffer.from(passphrase)].filter((trace) => files.some((file) => file.includes(trace))),
  ).toEqual([]);

  const other = await openTab(profile, server, { passphrase: 'another' });
  expect((await ask(other, secret, inPrivate)).cached).toBe(0);
  const again = await openTab(profile, server, { passphrase });
  const answer = await ask(again, secret, inPrivate);
  expect([answer.cached, bitsOf(answer)]).toEqual([expected.promptTokens - 1, bitsOf(expected)]);
});
