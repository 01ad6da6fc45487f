/**
 * Looking at models over the network without loading them, in a real browser: how much is fetched is counted by the
 * server, and nothing is kept.
 */
import { expect, test } from '@playwright/test';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import { openLibraryPage, startLibraryServer, type FaultServer } from '../fixtures/library-page.ts';

const PATH = '/large.gguf';
/** Some 60 MB, of which the header is between one and two. */
const large = tinyGguf({ vocab: 60_000, hidden: 256, heads: 4, ffn: 512 });
const MEGABYTE = 2 ** 20;

let server: FaultServer;
test.beforeAll(async () => {
  server = await startLibraryServer();
  server.put(PATH, large);
});
test.afterAll(() => server.close());

// Of a request that is cancelled, what lies in buffers on the way was fetched for nothing.
for (const [host, query, most] of [
  ['a good host', '', 2 * MEGABYTE],
  ['a host without ranges', '?ranges=no', large.length / 2],
  ['a host that names no versions', '?validators=no', large.length / 2],
] as const) {
  test(`from ${host} the beginning is fetched, and nothing is kept`, async ({ page }) => {
    const path = `${PATH}${query}`;
    const before = server.count(PATH).bytes;
    await openLibraryPage(page, server.address);
    const found = await page.evaluate((model) => selvedge.inspectModel(model), path);
    expect(found).toMatchObject({
      id: 'large',
      byteLength: large.length,
      architecture: 'llama',
      isSupported: true,
      memory: { fits: true },
    });
    expect(found.speed?.tokensPerSecond).toBeGreaterThan(0);
    expect(found.headerBytes).toBeGreaterThan(MEGABYTE);
    expect(server.count(PATH).bytes - before).toBeLessThanOrEqual(most);
    const stored = await page.evaluate(async () => {
      const names: string[] = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
      return names;
    });
    expect(stored).toEqual([]);
  });
}

test('a model that is not there is an error with its code', async ({ page }) => {
  await openLibraryPage(page, server.address);
  const code = await page.evaluate(async () => {
    try {
      await selvedge.inspectModel('/none.gguf');
      return 'none';
    } catch (error) {
      return error instanceof selvedge.SelvedgeError ? error.code : String(error);
    }
  });
  expect(code).toBe('model_unavailable');
});
