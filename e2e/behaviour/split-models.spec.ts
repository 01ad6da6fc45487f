/**
 * A model in three files through the public API in a real browser: it answers as it does from one file, each part is stored
 * and resumed by itself, and the parts are one model to whoever lists or deletes it.
 */
import { createHash } from 'node:crypto';
import { expect, test, type Page } from '@playwright/test';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import { splitGguf } from '../../test/models/split-gguf.ts';
import { tinyParts } from '../../test/models/tiny-gguf.ts';
import { openLibraryPage, startLibraryServer, type FaultServer } from '../fixtures/library-page.ts';

/** The second part is of two chunks. */
const SIZES = {
  type: 'Q8_0',
  layers: 2,
  hidden: 1024,
  heads: 16,
  kvHeads: 4,
  ffn: 2048,
  vocab: 8000,
} as const;
const WHOLE = '/models/whole.gguf';
const PARTS = [1, 2, 3].map((part) => `/models/parts-0000${part}-of-00003.gguf`);

const model = tinyParts(SIZES);
const whole = writeGguf(model.metadata, model.tensors);
const parts = splitGguf(model, PARTS.length);

const it = test.extend<{ server: FaultServer }>({
  server: [
    async ({ page }, use) => {
      const server = await startLibraryServer();
      parts.forEach((bytes, index) => server.put(PARTS[index]!, bytes));
      server.put(WHOLE, whole);
      await openLibraryPage(page, server.address);
      await use(server);
      await page.close();
      await server.close();
    },
    { auto: true },
  ],
});

interface Loaded {
  text: string;
  origin: string;
  stored: [id: string, complete: boolean][];
}

function load(page: Page, url: string): Promise<Loaded> {
  return page.evaluate(async (model) => {
    const client = await selvedge.createClient({ model });
    const { origin } = (await client.info()).model;
    const answer = await client.completions.create({ prompt: 'hi', max_tokens: 8, temperature: 0 });
    const { data } = await client.models.list();
    client.close();
    const stored = data.map(({ id, complete }): [string, boolean] => [id, complete]);
    return { text: answer.choices[0]?.text ?? '', origin, stored };
  }, url);
}

const failToLoad = (page: Page, url: string): Promise<string> =>
  page.evaluate(
    (model) =>
      selvedge.createClient({ model }).then(
        () => 'it loaded',
        (error: unknown) => (error as InstanceType<typeof selvedge.SelvedgeError>).code,
      ),
    url,
  );

it('answers as from one file, is one model in the list, and works without the network', async ({
  page,
  server,
}) => {
  const { text } = await load(page, WHOLE);
  const first = await load(page, PARTS[0]!);
  expect(first).toMatchObject({ text, origin: 'network' });
  expect(first.stored.toSorted()).toEqual([
    ['parts', true],
    ['whole', true],
  ]);
  server.resetCounts();
  for (const part of PARTS) server.fault(part, { status: 404 });
  expect(await load(page, PARTS[0]!)).toMatchObject({ text, origin: 'opfs' });
  expect(PARTS.map((part) => server.count(part).requests)).toEqual([0, 0, 0]);
});

it.beforeAll(() => {
  expect(parts[1]!.length).toBeGreaterThan(4_500_000);
});

it('goes on where it broke off, without the parts it has', async ({ page, server }) => {
  server.fault(PARTS[1]!, { cut: 4_400_000, away: true, rate: 8_000_000 });
  expect(await failToLoad(page, PARTS[0]!)).toBe('model_unavailable');
  server.fault(PARTS[1]!);
  server.resetCounts();
  const { stored } = await load(page, PARTS[0]!);
  expect(stored).toEqual([['parts', true]]);
  expect(server.count(PARTS[0]!).requests).toBe(0);
  expect(server.count(PARTS[1]!).ranges).toContain(`bytes=${4 * 1024 * 1024}-`);
});

it('is deleted with all its parts', async ({ page, server }) => {
  await load(page, PARTS[0]!);
  await load(page, WHOLE);
  const left = await page.evaluate(async (model) => {
    const client = await selvedge.createClient({ model });
    await client.models.delete('parts');
    const { data } = await client.models.list();
    client.close();
    return data.map(({ id }) => id);
  }, WHOLE);
  expect(left).toEqual(['whole']);
  server.resetCounts();
  expect(await load(page, PARTS[0]!)).toMatchObject({ origin: 'network' });
  expect(PARTS.map((part) => server.count(part).requests > 0)).toEqual([true, true, true]);
});

it('answers from files that the user chose, in any order', async ({ page }) => {
  const { text } = await load(page, WHOLE);
  const chosen = await page.evaluate(async (urls) => {
    const fetched = urls.map(async (url) => {
      const blob = await (await fetch(url)).blob();
      return new File([blob], url.slice(url.lastIndexOf('/') + 1));
    });
    const client = await selvedge.createClient({ model: await Promise.all(fetched) });
    const { origin, id } = (await client.info()).model;
    const answer = await client.completions.create({ prompt: 'hi', max_tokens: 8, temperature: 0 });
    client.close();
    return { text: answer.choices[0]?.text, origin, id };
  }, PARTS.toReversed());
  expect(chosen).toEqual({ text, origin: 'local-file', id: 'parts' });
});

it('of which each file has its hash is refused if one is another', async ({ page }) => {
  const hashes = parts.map((bytes) => createHash('sha256').update(bytes).digest('hex'));
  const failures = await page.evaluate(
    async ({ url, sums }) => {
      const fail = async (sha256: string[]): Promise<unknown> => {
        try {
          (await selvedge.createClient({ model: { url, sha256 } })).close();
          return 'it loaded';
        } catch (error) {
          return (error as InstanceType<typeof selvedge.SelvedgeError>).code;
        }
      };
      return [await fail(sums.with(2, sums[1]!)), await fail(sums)];
    },
    { url: PARTS[0]!, sums: hashes },
  );
  expect(failures).toEqual(['integrity_failed', 'it loaded']);
});
