/**
 * The built library on a GPU, in the worker where it runs for apps: a browser whose GPU is software, so that it is there on
 * every machine. Its speed means nothing.
 */
import { chromium, expect, test, type Browser, type Page } from '@playwright/test';
import { chromiumFlags, findChromium, softwareGpuFlags } from '../../scripts/lib/chromium.mjs';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import type { Client } from '../../src/index.ts';
import { openLibraryPage, startLibraryServer, type FaultServer } from '../fixtures/library-page.ts';

declare global {
  // The only way to declare a property of globalThis.
  var gpuClient: Client;
  // Nor of a function that is there.
  var answerOf: (client: Client) => Promise<string | undefined>;
}

// A GPU in software takes seconds to compile the kernels, on a quiet machine.
test.describe.configure({ timeout: 300_000 });

const PATH = '/tiny.gguf';
/** A worker whose device is lost when the page says so. Its modules are evaluated in order. */
const LOSSY = `import '/lose.js'; import '/workers/engine.js';`;
const LOSE = `
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...wanted) {
  const device = await request.apply(this, wanted);
  new BroadcastChannel('lose the GPU').onmessage = () => device.destroy();
  return device;
};
`;

let server: FaultServer;
let browser: Browser;
let page: Page;

test.beforeAll(async () => {
  server = await startLibraryServer();
  server.put(PATH, tinyGguf({ type: 'Q8_0' }));
  for (const [path, code] of [
    ['/lossy.js', LOSSY],
    ['/lose.js', LOSE],
  ] as const) {
    server.put(path, new TextEncoder().encode(code), 'text/javascript');
  }
  const executablePath = findChromium();
  browser = await chromium.launch({
    args: [...chromiumFlags, ...softwareGpuFlags],
    ...(executablePath ? { executablePath } : {}),
  });
  page = await browser.newPage();
  await openLibraryPage(page, server.address);
  await page.evaluate(() => {
    globalThis.answerOf = async (client) => {
      const request = { prompt: 'The sea', temperature: 0, max_tokens: 8 };
      return (await client.completions.create(request)).choices[0]?.text;
    };
  });
});

test.afterAll(async () => {
  await browser.close();
  await server.close();
});

test('the GPU is described, and a software one is not chosen', async () => {
  const { found, info } = await page.evaluate(async (model) => {
    const client = await selvedge.createClient({ model });
    const info = await client.info();
    client.close();
    return { found: await selvedge.capabilities(), info };
  }, PATH);
  expect(found.adapter).toMatchObject({ isSoftware: true });
  expect(found.storage.medium).toBe('opfs');
  expect(found.limitations).toContainEqual(expect.stringContaining('software'));
  expect(info).toMatchObject({ device: 'cpu', adapter: null });
  expect(info.why).toContain('software');
});

test('on the GPU a chat is what it is on the CPU, and goes on there when the GPU is lost', async () => {
  const onGpu = await page.evaluate(async (model) => {
    globalThis.gpuClient = await selvedge.createClient({ model, device: 'webgpu', workerUrl: '/lossy.js' });
    const { device, adapter, why } = await gpuClient.info();
    const events = await gpuClient.recentEvents();
    return { device, adapter, why, events: events.filter(({ type }) => type === 'device-choice') };
  }, PATH);
  expect(onGpu).toMatchObject({
    device: 'webgpu',
    adapter: { isSoftware: true },
    why: 'The GPU was asked for.',
  });
  expect(onGpu.events).toMatchObject([{ device: 'webgpu', why: 'The GPU was asked for.' }]);

  const text = await page.evaluate(() => answerOf(gpuClient));
  const again = await page.evaluate(() => answerOf(gpuClient));
  const onCpu = await page.evaluate(async (model) => {
    const client = await selvedge.createClient({ model, device: 'cpu' });
    const answer = await answerOf(client);
    client.close();
    return answer;
  }, PATH);
  expect([text, again]).toEqual([onCpu, onCpu]);

  const after = await page.evaluate(async () => {
    new BroadcastChannel('lose the GPU').postMessage('now');
    const answer = await answerOf(gpuClient);
    const { device, why } = await gpuClient.info();
    gpuClient.close();
    return { answer, device, why };
  });
  expect(after).toEqual({
    answer: onCpu,
    device: 'cpu',
    why: 'The GPU was asked for. But the GPU was lost.',
  });
});
