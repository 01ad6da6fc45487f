/**
 * The router from end to end: the built library with the real model in a page, an endpoint of OpenAI's wire format on
 * loopback that keeps every byte it receives, and the `openai` package over `client.fetch`.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { rolldown } from 'rolldown';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder, root } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import type { ChatCompletionParams, Client, ClientOptions, RouteEvent } from '../../src/index.ts';
import { startCloudServer } from '../fixtures/cloud/server.mjs';
import { openLibraryPage, writeLibrary } from '../fixtures/library-page.ts';
import type {} from '../fixtures/router-page.ts';

declare global {
  // The only way to declare a property of globalThis.
  var client: Client;
}

test.skip(
  !existsSync(join(modelsFolder, defaultModel.name)),
  'the default model is not in public/models; "npm test" fetches it',
);

let folder: string;
let page: Page;
let app: Awaited<ReturnType<typeof serveFolders>>;
let cloud: Awaited<ReturnType<typeof startCloudServer>>;
/** What the page asked the network for. */
const asked: string[] = [];

test.beforeAll(async ({ browser }) => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-router-'));
  writeLibrary(folder);
  const bundle = await rolldown({ input: join(root, 'e2e/fixtures/router-page.ts'), platform: 'browser' });
  await bundle.write({ file: join(folder, 'router-page.js'), format: 'esm', codeSplitting: false });
  await bundle.close();
  app = await serveFolders({
    mounts: [
      ['/models/', modelsFolder],
      ['/', folder],
    ],
  });
  cloud = await startCloudServer();
  page = await browser.newPage();
  page.on('request', (request) => asked.push(request.url()));
  await openLibraryPage(page, app.address);
});

test.beforeEach(() => cloud.reset());

test.afterAll(async () => {
  await page.close();
  await Promise.all([app.close(), cloud.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const fetched = (name: string): boolean => asked.some((url) => url.endsWith(`/lib/${name}.js`));
const bodies = (): string => cloud.received.map(({ body }) => body).join('\n');

/** Loads the model into the page's global `client`, the endpoint as its cloud. */
async function openClient(policy: ClientOptions['policy']): Promise<void> {
  await page.evaluate(
    async ({ model, baseURL, policy: rules }) => {
      globalThis.client?.close();
      globalThis.client = await selvedge.createClient({
        model,
        cloud: [{ id: 'near', baseURL, model: 'scripted', contextLength: 8192 }],
        // Not measured here: the machine may be busy.
        policy: { detectionTimeoutMs: 60_000, ...rules },
      });
    },
    { model: `/models/${defaultModel.name}`, baseURL: cloud.baseURL, policy },
  );
}

interface Asked {
  text: string;
  plan: string;
  words: string;
  events: string[];
}

/** Streams an answer; what fails is its code. */
function ask(params: ChatCompletionParams): Promise<Asked> {
  return page.evaluate(async (request) => {
    const events: string[] = [];
    const types: RouteEvent['type'][] = ['route-decide', 'route-provider', 'route-egress', 'route-end'];
    const ends = types.map((type) =>
      client.on(type, (event) => events.push('event' in event ? event.event.type : event.type)),
    );
    const asked: Asked = { text: '', plan: '', words: '', events };
    try {
      const stream = await client.chat.completions.create({
        temperature: 0,
        max_tokens: 16,
        ...request,
        stream: true,
      });
      for await (const { choices, selvedge: routed } of stream) {
        asked.text += choices[0]?.delta.content ?? '';
        if (routed) [asked.plan, asked.words] = [routed.decision.plan, routed.decision.words];
      }
    } catch (error) {
      if (!(error instanceof selvedge.SelvedgeError)) throw error;
      asked.plan = error.code;
      asked.words = error.message;
    }
    for (const end of ends) end();
    return asked;
  }, params);
}

const user = (
  content: string,
  privacy: 'public' | 'personal' | 'secret' | null = null,
): ChatCompletionParams => ({
  messages: [{ role: 'user', content, privacy }],
});

test('a page without a cloud fetches nothing of it until it asks for a decision', async () => {
  await page.evaluate(async (model) => {
    globalThis.client = await selvedge.createClient({ model });
    await client.chat.completions.create({ messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 });
  }, `/models/${defaultModel.name}`);
  expect(fetched('routed')).toBe(false);
  const { plan } = await page.evaluate(() => client.explain({ messages: [{ role: 'user', content: 'Hi' }] }));
  expect([plan, fetched('routed')]).toEqual(['local', true]);
});

test('an answer comes from here, from the endpoint, redacted from the endpoint, or not at all', async () => {
  // Whether a text with an address in it may leave once that is masked is the policy's say.
  await openClient({ prefer: 'cloud', maxResidualRisk: 1 });

  const secret = await ask(user('What is the capital of France? Answer in a sentence.', 'secret'));
  expect(secret.plan).toBe('local');
  expect(secret.text).toContain('Paris');
  expect(secret.events).not.toContain('route-egress');
  expect(cloud.received).toEqual([]);

  const sent = await ask(user('say: It is public.', 'public'));
  expect([sent.plan, sent.text]).toEqual(['cloud', 'It is public.']);
  expect(sent.events).toContain('route-egress');
  expect(bodies()).toContain('say: It is public.');

  cloud.reset();
  const redacted = await ask(user('say: Write to lovelace@example.org, please.'));
  expect([redacted.plan, redacted.text]).toEqual([
    'cloud-redacted',
    'Write to lovelace@example.org, please.',
  ]);
  expect(bodies()).toMatch(/EMAIL-\w+-\d+/);
  expect(bodies()).not.toMatch(/lovelace|privacy|selvedge/);

  cloud.reset();
  const refused = await ask({ ...user('My secret.', 'secret'), selvedge: { route: 'cloud' } });
  expect(refused.plan).toBe('no_route');
  expect(refused.words).toContain('which never leaves');
  expect(cloud.received).toEqual([]);

  const ledger = await page.evaluate(() => client.privacy.ledger());
  expect(ledger.map(({ outcome, purpose, labels }) => [outcome, purpose, labels])).toEqual([
    ['sent', 'chat', ['public']],
    ['sent', 'chat', ['public', 'personal']],
  ]);
});

test('what is answered to a secret stays secret when the openai package sends it again', async () => {
  await page.addScriptTag({ url: '/router-page.js', type: 'module' });
  await page.waitForFunction(() => 'askThreeTurns' in globalThis);
  await openClient({ prefer: 'cloud', maxResidualRisk: 1 });
  const secret = await page.evaluate(() => askThreeTurns(client, 'secret'));
  expect(secret.plans).toEqual(['local secret', 'local secret', 'local secret']);
  expect(cloud.received).toEqual([]);

  const open = await page.evaluate(() => askThreeTurns(client, 'public'));
  expect(open.plans[0]).toBe('local secret');
  expect(cloud.received).toEqual([]);
});

test('an endpoint that breaks off is gone on with here, and one that is down is done without', async () => {
  await openClient({ prefer: 'cloud' });
  // Byte by byte, so that some of it is there before the connection ends.
  cloud.failNext({ cut: 900, drip: 1 }, { status: 401 });
  const begun = await ask({
    ...user('say: The capital of France is Paris, and that of Italy is', 'public'),
    max_tokens: 40,
  });
  expect(begun.text).toMatch(/^The capital of France/);
  expect(begun.events).toContain('seam');
  expect(begun.events.at(-1)).toBe('route-end');

  cloud.failNext({ status: 401 });
  const { plan, text } = await ask(user('What is the capital of France? Answer in a sentence.', 'public'));
  expect(plan).toBe('cloud');
  expect(text).toContain('Paris');
});

test('the chat page shows who answered, why, and what left, to eyes, keyboard and screen reader', async ({
  page: chat,
}) => {
  await chat.goto(`/?seed=1&cloud=${encodeURIComponent(cloud.baseURL)}`);
  const prompt = chat.getByLabel('Message');
  await expect(prompt).toBeEnabled({ timeout: 90_000 });
  const label = chat.getByLabel('How private this is');
  const turn = (index: number) => chat.locator('.turn[data-role=assistant]').nth(index);
  const sayAs = async (privacy: string, text: string): Promise<void> => {
    await label.selectOption(privacy);
    await prompt.fill(text);
    await prompt.press('Enter');
    await expect(chat.getByRole('button', { name: 'Send' })).toBeVisible({ timeout: 90_000 });
  };

  await sayAs('public', 'say: It is public.');
  await expect(turn(0).locator('.text')).toHaveText('It is public.');
  const badge = turn(0).locator('summary');
  await expect(badge).toHaveText(`Sent to ${new URL(cloud.baseURL).host}`);
  await expect(turn(0).getByText('as it is: it is public')).toBeHidden();
  await badge.focus();
  await chat.keyboard.press('Enter');
  await expect(turn(0).getByText('as it is: it is public')).toBeVisible();

  cloud.failNext({ status: 401 });
  await sayAs('public', 'Name a colour.');
  await expect(turn(1).locator('summary')).toHaveText(/^Sent to .*, ended by this device$/);

  await sayAs('secret', 'What is the capital of France? Answer in a sentence.');
  await expect(turn(2).locator('summary')).toHaveText('On this device');
  await expect(turn(2).locator('.reasons')).toContainText('which never leaves');
  expect(cloud.received).toHaveLength(2);

  const ledger = chat.getByText('What left this page: 2 requests');
  await ledger.click();
  await expect(chat.locator('#ledger tbody tr').first()).toContainText(
    /sent.*127\.0\.0\.1.*bytes.*at most public/,
  );
  expect((await new AxeBuilder({ page: chat }).analyze()).violations).toEqual([]);
});
