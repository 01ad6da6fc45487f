/**
 * The cloud client in a real browser, over the network of this machine: an endpoint that fails in every way that a browser
 * can see, and one that goes silent, whose answer the model on this device ends.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import type { Client } from '../../src/index.ts';
import { startCloudServer } from '../fixtures/cloud/server.mjs';
import type { Fault } from '../fixtures/cloud/wire.mjs';
import { openLibraryPage, writeLibrary } from '../fixtures/library-page.ts';

declare global {
  // The only way to declare a property of globalThis.
  var cloudClient: Client;
}

test.skip(
  !existsSync(join(modelsFolder, defaultModel.name)),
  'the default model is not in public/models; "npm test" fetches it',
);

const SAID = 'The keeper, Ünal, wrote: “no ship” 🔦 and lit the lamp all the same.';

let folder: string;
let page: Page;
let library: Awaited<ReturnType<typeof serveFolders>>;
let cloud: Awaited<ReturnType<typeof startCloudServer>>;

test.beforeAll(async ({ browser }) => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-cloud-'));
  writeLibrary(folder);
  const mounts = [
    ['/models/', modelsFolder],
    ['/', folder],
  ] as const;
  library = await serveFolders({ mounts });
  cloud = await startCloudServer({ token: 'short-lived' });
  page = await browser.newPage();
  await openLibraryPage(page, library.address);
  await page.evaluate(
    async ({ model, baseURL }) => {
      const endpoint = {
        baseURL,
        model: 'scripted',
        contextLength: 4096,
        getToken: () => 'short-lived',
        timeouts: { betweenTokensMs: 2000 },
      };
      globalThis.cloudClient = await selvedge.createClient({
        model,
        cloud: [
          { ...endpoint, id: 'goes-on', continuation: 'continue_final_message' },
          { ...endpoint, id: 'breaks-off' },
        ],
        policy: { prefer: 'cloud' },
      });
    },
    { model: `/models/${defaultModel.name}`, baseURL: cloud.baseURL },
  );
});

test.beforeEach(() => cloud.reset());

test.afterAll(async () => {
  await page.close();
  await Promise.all([library.close(), cloud.close()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Asks one endpoint for a public text; what came of it, and the events of who answered. */
function ask(
  provider: string,
  text: string,
): Promise<{ said: string; error: string | null; events: string[] }> {
  return page.evaluate(
    async ({ route, content }) => {
      const events: string[] = [];
      const stop = cloudClient.on('route-provider', ({ event }) => {
        events.push(event.type === 'seam' ? `seam ${event.from} ${event.provider} ${event.at}` : event.type);
      });
      let said = '';
      let error: string | null = null;
      try {
        const stream = await cloudClient.chat.completions.create({
          messages: [{ role: 'user', content }],
          model: route,
          temperature: 0,
          max_tokens: 40,
          stream: true,
          selvedge: { privacy: 'public', route: 'cloud' },
        });
        for await (const { choices } of stream) said += choices[0]?.delta.content ?? '';
      } catch (thrown) {
        error = thrown instanceof selvedge.SelvedgeError ? thrown.code : String(thrown);
      }
      stop();
      return { said, error, events };
    },
    { route: provider, content: `say: ${text}` },
  );
}

const FAULTS: [string, Fault, string][] = [
  // What a browser has received and not handed out when the connection breaks, it may drop: then there is no seam.
  ['breaks off in the middle of an answer', { cut: 1100 }, 'attempt-failed'],
  ['stalls in the middle of an answer', { stall: 1100 }, 'seam'],
  ['sends an event that is malformed', { malformed: 9 }, 'seam'],
  // The browser itself asks again where it had kept the connection.
  ['hangs up', { hangUp: true }, 'first-token'],
  ['answers 503', { status: 503 }, 'attempt-failed'],
  [
    'answers 429 and says when to come back',
    { status: 429, headers: { 'retry-after': '1' } },
    'attempt-failed',
  ],
  ['sends an event twice', { duplicate: 5 }, 'first-token'],
];

for (const [what, fault, event] of FAULTS) {
  test(`an endpoint that ${what}: the answer is whole`, async () => {
    cloud.failNext(fault);
    const { said, error, events } = await ask('goes-on', SAID);
    expect(error).toBeNull();
    expect(said).toBe(SAID);
    expect(events.some((one) => one.startsWith(event))).toBe(true);
  });
}

test('an answer that an endpoint does not end is ended on this device', async () => {
  cloud.failNext({ stall: 1100 });
  const { said, error, events } = await ask('breaks-off', SAID);
  expect(error).toBeNull();
  const seam = events.find((one) => one.startsWith('seam'));
  const at = Number(/^seam breaks-off local (\d+)$/.exec(seam ?? '')?.[1]);
  expect(at).toBeGreaterThan(10);
  expect(SAID.startsWith(said.slice(0, at))).toBe(true);
  expect(said.length).toBeGreaterThan(at);
});

test('leaving an answer ends the request, and the token is kept nowhere', async () => {
  const text = 'word '.repeat(400);
  cloud.failNext({ drip: 5 });
  await page.evaluate(async (content) => {
    const stream = await cloudClient.chat.completions.create({
      messages: [{ role: 'user', content }],
      model: 'goes-on',
      stream: true,
      selvedge: { privacy: 'public', route: 'cloud' },
    });
    for await (const { choices } of stream) if (choices[0]?.delta.content) break;
  }, `say: ${text}`);
  await expect.poll(() => cloud.openAnswers()).toBe(0);
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  expect(kept).not.toContain('short-lived');
});
