/**
 * Whatever is wrong with a model, through the public API in a real browser: each is a `SelvedgeError` with its code
 * and a way out in its message, nothing broken stays in storage, and the next load of a good file works. Every test
 * has a server, and so an origin and a storage, of its own.
 */
import { expect, test, type Page } from '@playwright/test';
import type { ErrorCode, ErrorDetails } from '../../src/index.ts';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import { openLibraryPage, startLibraryServer, type FaultServer } from '../fixtures/library-page.ts';

const PATH = '/models/tiny.gguf';
const CHUNK = 4 * 1024 * 1024;
/** Three chunks, so that a part of it can be stored. */
const SIZES = { type: 'Q8_0', layers: 1, hidden: 1024, heads: 16, kvHeads: 4, vocab: 8000 } as const;
const good = tinyGguf(SIZES);
const other = tinyGguf({ ...SIZES, seed: 2 });

/** What is wrong is found after its first chunk was stored: the header does not end where the file does. */
const endsInHeader = ((): Uint8Array => {
  const { metadata, tensors } = tinyParts({ type: 'Q8_0' });
  const padded = { 'general.padding': { string: 'x'.repeat(CHUNK) }, ...metadata };
  return writeGguf(padded, tensors).subarray(0, CHUNK + 5000);
})();

const unknownKind = ((): Uint8Array => {
  const { metadata, tensors } = tinyParts(SIZES);
  return writeGguf({ ...metadata, 'general.architecture': { string: 'mamba' } }, tensors);
})();

interface Failure {
  isOurs: boolean;
  code: ErrorCode;
  message: string;
  retryable: boolean;
  details: ErrorDetails;
}

interface Extra {
  sha256?: string;
  workerUrl?: string;
}

const it = test.extend<{ server: FaultServer }>({
  server: async ({ page }, use) => {
    const server = await startLibraryServer();
    server.put(PATH, good);
    await openLibraryPage(page, server.address);
    await use(server);
    await page.close();
    await server.close();
  },
});

it.beforeAll(() => {
  expect(good.length).toBeGreaterThan(2 * CHUNK);
});

/** Loads what is at PATH and expects it to fail. */
function failToLoad(page: Page, extra: Extra = {}): Promise<Failure> {
  return page.evaluate(
    async ([url, { sha256, workerUrl }]) => {
      try {
        await selvedge.createClient({ model: { url, ...(sha256 ? { sha256 } : {}) }, workerUrl });
      } catch (error) {
        const { code, message, retryable, details } = error as InstanceType<typeof selvedge.SelvedgeError>;
        return { isOurs: error instanceof selvedge.SelvedgeError, code, message, retryable, details };
      }
      throw new Error('it loaded');
    },
    [PATH, extra] as const,
  );
}

interface Loaded {
  text: string;
  origin: string;
  isKept: boolean;
  /** The models in storage: their names, and whether all of each is there. */
  stored: [id: string, complete: boolean][];
}

/** Loads what is at PATH, and answers with it. */
function load(page: Page, extra: Extra = {}): Promise<Loaded> {
  return page.evaluate(
    async ([url, { workerUrl }]) => {
      const client = await selvedge.createClient({ model: url, workerUrl });
      const { model } = await client.info();
      const answer = await client.completions.create({ prompt: 'hi', max_tokens: 8, temperature: 0 });
      const { data } = await client.models.list();
      client.close();
      return {
        text: answer.choices[0]?.text ?? '',
        origin: model.origin,
        isKept: model.isKept,
        stored: data.map(({ id, complete }): [string, boolean] => [id, complete]),
      };
    },
    [PATH, extra] as const,
  );
}

/** What storage holds, seen by a client of another model that is not kept in it. */
function listStored(page: Page): Promise<[id: string, complete: boolean][]> {
  return page.evaluate(
    async (bytes) => {
      const model = new File([Uint8Array.from(bytes)], 'local.gguf');
      const client = await selvedge.createClient({ model });
      const { data } = await client.models.list();
      client.close();
      return data.flatMap(({ id, complete }): [string, boolean][] =>
        id === 'local' ? [] : [[id, complete]],
      );
    },
    [...tinyGguf({ type: 'Q8_0' })],
  );
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const BAD: [what: string, bytes: Uint8Array, code: ErrorCode][] = [
  ['is not a GGUF', bytesOf('PK\u0003\u0004 an archive of something else'.repeat(1000)), 'invalid_model'],
  ['is empty', new Uint8Array(0), 'invalid_model'],
  ['is truncated in its tensors', good.subarray(0, good.length >> 1), 'invalid_model'],
  ['is truncated in its header, of which a part was stored', endsInHeader, 'invalid_model'],
  ['is a model of an unknown kind', unknownKind, 'unsupported_model'],
];

for (const [what, bytes, code] of BAD) {
  it(`a file that ${what} is ${code}, is not kept, and a good one loads afterwards`, async ({
    page,
    server,
  }) => {
    server.put(PATH, bytes);
    const failure = await failToLoad(page);
    expect(failure).toMatchObject({ isOurs: true, code, retryable: false });
    expect(await listStored(page)).toEqual([]);
    server.put(PATH, good);
    expect(await load(page)).toMatchObject({ origin: 'network', stored: [['tiny', true]] });
  });
}

for (const [status, advice] of [
  [404, 'Check the URL'],
  [403, 'access rights'],
  [503, 'Try again later'],
] as const) {
  it(`an answer of ${status} is model_unavailable, with the status and what to do`, async ({
    page,
    server,
  }) => {
    server.fault(PATH, { status });
    const failure = await failToLoad(page);
    expect(failure).toMatchObject({ isOurs: true, code: 'model_unavailable', details: { status } });
    expect(failure.message).toContain(advice);
    expect(failure.retryable).toBe(status === 503);
    expect(await listStored(page)).toEqual([]);
    server.fault(PATH);
    expect((await load(page)).stored).toEqual([['tiny', true]]);
  });
}

it('a web page in the place of the model is model_unavailable', async ({ page, server }) => {
  server.fault(PATH, { type: 'text/html; charset=utf-8' });
  expect(await failToLoad(page)).toMatchObject({ isOurs: true, code: 'model_unavailable' });
  expect(await listStored(page)).toEqual([]);
});

it('a connection that stays cut is model_unavailable, and the next load goes on from there', async ({
  page,
  server,
}) => {
  // At a pace at which the page keeps up: what a browser has not handed on when a connection breaks is lost.
  server.fault(PATH, { cut: good.length - 1000, away: true, rate: 8_000_000 });
  const failure = await failToLoad(page);
  expect(failure).toMatchObject({ isOurs: true, code: 'model_unavailable', retryable: true });
  expect(await listStored(page)).toEqual([['tiny', false]]);
  server.fault(PATH);
  server.resetCounts();
  expect((await load(page)).stored).toEqual([['tiny', true]]);
  const { requests, ranges } = server.count(PATH);
  expect(requests).toBe(1);
  expect([CHUNK, 2 * CHUNK].map((start) => `bytes=${start}-`)).toContain(ranges[0]);
});

it('a file that changes under way is integrity_failed, and the new one loads whole', async ({
  page,
  server,
}) => {
  server.fault(PATH, { swap: { at: CHUNK + 1000, bytes: other } });
  const failure = await failToLoad(page);
  expect(failure).toMatchObject({ isOurs: true, code: 'integrity_failed', retryable: true });
  const { text, stored } = await load(page);
  expect(stored).toEqual([['tiny', true]]);
  server.put('/models/other.gguf', other);
  const expected = await page.evaluate(async () => {
    const client = await selvedge.createClient({ model: '/models/other.gguf' });
    return client.completions.create({ prompt: 'hi', max_tokens: 8, temperature: 0 });
  });
  expect(text).toBe(expected.choices[0]?.text);
});

it('a file with another hash than was promised is integrity_failed and is not kept', async ({
  page,
  server,
}) => {
  const failure = await failToLoad(page, { sha256: 'ab'.repeat(32) });
  expect(failure).toMatchObject({ isOurs: true, code: 'integrity_failed' });
  expect(await listStored(page)).toEqual([]);
  expect(server.count(PATH).requests).toBe(1);
});

it('without room in storage it is storage_full, with both numbers, before anything is fetched whole', async ({
  page,
  server,
}) => {
  const failure = await failToLoad(page, { workerUrl: '/without-room.js' });
  expect(failure).toMatchObject({ isOurs: true, code: 'storage_full' });
  expect(Object.values(failure.details).filter((value) => typeof value === 'number')).toHaveLength(2);
  expect(server.count(PATH).bytes).toBeLessThan(good.length);
  expect(await listStored(page)).toEqual([]);
});

it('without a private file system the model is kept in IndexedDB', async ({ page, server }) => {
  const extra = { workerUrl: '/without-opfs.js' };
  expect(await load(page, extra)).toMatchObject({ origin: 'network', isKept: true });
  expect(await load(page, extra)).toMatchObject({ origin: 'indexeddb', stored: [['tiny', true]] });
  expect(server.count(PATH).requests).toBe(1);
});

it('without any storage the model loads all the same, says that it is not kept, and is fetched again', async ({
  page,
  server,
}) => {
  const extra = { workerUrl: '/without-storage.js' };
  for (const requests of [1, 2]) {
    expect(await load(page, extra)).toMatchObject({ origin: 'network', isKept: false });
    expect(server.count(PATH).requests).toBe(requests);
  }
});
