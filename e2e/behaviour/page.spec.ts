/**
 * The chat page with the real model: what a newcomer sees after `npm start`, with keyboard, screen reader, two tabs,
 * no network, and an engine that dies.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder } from '../../scripts/lib/paths.mjs';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import { tinyParts } from '../../test/models/tiny-gguf.ts';

test.skip(
  !existsSync(join(modelsFolder, defaultModel.name)),
  'the default model is not in public/models; "npm test" fetches it',
);

/** One to which the model has a clear answer. */
const QUESTION = 'What is the capital of France? Answer in a sentence.';
const STORY = 'Write a very long story about the sea.';

const answers = (page: Page) => page.locator('.turn[data-role=assistant]');
const prompt = (page: Page) => page.getByLabel('Message');
const button = (page: Page, name: string) => page.getByRole('button', { name });

async function openPage(page: Page): Promise<void> {
  await page.goto('/?seed=1');
  await isReady(page);
}

const isReady = (page: Page) => expect(prompt(page)).toBeEnabled({ timeout: 90_000 });

async function ask(page: Page, text: string): Promise<void> {
  await prompt(page).fill(text);
  await page.keyboard.press('Enter');
}

const finished = (page: Page) => expect(button(page, 'Send')).toBeVisible({ timeout: 90_000 });

/** Waits until the answer of this number has words. */
const streams = (page: Page, index: number) =>
  expect(answers(page).nth(index).locator('.text')).toContainText(/\w+ \w+/, { timeout: 90_000 });

/** Counts requests for the model, those of workers included. */
function countModelRequests(context: BrowserContext): { count: number } {
  const seen = { count: 0 };
  context.on('request', (request) => {
    if (request.url().endsWith('.gguf')) seen.count += 1;
  });
  return seen;
}

async function killWorker(page: Page): Promise<void> {
  const engine = page.workers().find((worker) => worker.url().includes('engine'));
  await engine?.evaluate(() => self.close());
}

test('answers, says how fast and on what, and remembers the conversation', async ({ page }) => {
  await openPage(page);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await expect(page.locator('#engine')).toHaveText(
    /smollm2-135m-instruct-q4_1 on the CPU, \d+ threads?, SIMD/,
  );
  await ask(page, QUESTION);
  await finished(page);
  await expect(answers(page).first()).toContainText('Paris');
  await expect(answers(page).first()).toContainText('On this device');
  await expect(answers(page).first()).toContainText(
    /\d+ tokens at \d+ tokens\/s(, \d+ of them guessed ahead)? · first after \d+ ms/,
  );
  await ask(page, 'And of Italy?');
  await finished(page);
  await expect(answers(page)).toHaveCount(2);
  await expect(answers(page).nth(1)).toContainText(/[1-9]\d* kept from before/);
  await button(page, 'New chat').click();
  await expect(answers(page)).toHaveCount(0);
  await expect(prompt(page)).toBeFocused();
  await button(page, 'Why is the sky blue?').click();
  await streams(page, 0);
  await page.keyboard.press('Escape');
  await finished(page);
});

test('stops by the button and by Escape, keeps what was written, and can be asked again', async ({
  page,
}) => {
  await openPage(page);
  const ways = [() => button(page, 'Stop').click(), () => page.keyboard.press('Escape')];
  for (const [index, stop] of ways.entries()) {
    await ask(page, STORY);
    await streams(page, index);
    await stop();
    await finished(page);
    await expect(answers(page).nth(index)).toContainText('Stopped');
    await expect(answers(page).nth(index).locator('.text')).toContainText(/\w+ \w+/);
    await expect(prompt(page)).toBeFocused();
  }
  await ask(page, STORY);
  await streams(page, 2);
  await button(page, 'New chat').click();
  await finished(page);
  await expect(page.locator('.turn')).toHaveCount(0);
});

test('loads the model once: after a reload it is read from storage, and chats without a network', async ({
  page,
  context,
}) => {
  const model = countModelRequests(context);
  await openPage(page);
  expect(model.count).toBe(1);
  await page.reload();
  await isReady(page);
  await context.setOffline(true);
  await ask(page, QUESTION);
  await finished(page);
  await expect(answers(page)).toContainText('Paris');
  expect(model.count).toBe(1);
});

test('two tabs opened at once share one download, and both answer', async ({ context }) => {
  const model = countModelRequests(context);
  const pages = [await context.newPage(), await context.newPage()];
  await Promise.all(pages.map(openPage));
  expect(model.count).toBe(1);
  for (const page of pages) await ask(page, QUESTION);
  for (const page of pages) {
    await finished(page);
    await expect(answers(page)).toContainText('Paris');
  }
});

test('keyboard: Enter sends, Shift+Enter does not, nor does the Enter that ends a composition', async ({
  page,
}) => {
  await openPage(page);
  await expect(prompt(page)).toBeFocused();
  await page.keyboard.type('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  await expect(prompt(page)).toHaveValue('one\ntwo');
  for (const composing of [
    { key: 'Enter', isComposing: true },
    { key: 'Enter', keyCode: 229 },
  ]) {
    await prompt(page).evaluate((element, init) => {
      element.dispatchEvent(new KeyboardEvent('keydown', { ...init, bubbles: true, cancelable: true }));
    }, composing);
  }
  await expect(page.locator('.turn')).toHaveCount(0);
  await page.keyboard.press('Enter');
  await expect(page.locator('.turn[data-role=user] .text')).toHaveText('one\ntwo', { useInnerText: true });
  await page.keyboard.press('Escape');
  await finished(page);
  await prompt(page).fill('   ');
  await page.keyboard.press('Enter');
  await expect(page.locator('.turn')).toHaveCount(2);
});

test('a screen reader hears the whole answer when it is finished, and not its pieces', async ({ page }) => {
  await openPage(page);
  const log = page.getByRole('log', { name: 'Conversation' });
  const announcement = page.locator('#announcement');
  await expect(log).toHaveAttribute('aria-live', 'off');
  await expect(announcement).toHaveText('The model is ready.');
  await ask(page, 'Write a short poem about the sea.');
  await streams(page, 0);
  await expect(log).toHaveAttribute('aria-busy', 'true');
  await expect(announcement).not.toContainText(/\w+ \w+ \w+ \w+ \w+/);
  await finished(page);
  await expect(log).not.toHaveAttribute('aria-busy');
  const shown = await answers(page).locator('.text').textContent();
  expect(await announcement.textContent()).toBe(shown);
});

test('scrolls along at the end of the conversation, and not while the reader is further up', async ({
  page,
}) => {
  await page.setViewportSize({ width: 500, height: 420 });
  await openPage(page);
  await ask(page, STORY);
  const log = page.locator('#log');
  const isAtEnd = () =>
    log.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight < 40);
  const scrollTop = () => log.evaluate((element) => element.scrollTop);
  await expect.poll(scrollTop, { timeout: 90_000 }).toBeGreaterThan(100);
  expect(await isAtEnd()).toBe(true);
  await log.evaluate((element) => (element.scrollTop = 0));
  const height = await log.evaluate((element) => element.scrollHeight);
  await expect.poll(() => log.evaluate((element) => element.scrollHeight)).toBeGreaterThan(height);
  expect(await scrollTop()).toBe(0);
  await page.keyboard.press('Escape');
  await finished(page);
});

test('the main thread computes for over 50 ms at a stretch neither while loading nor while answering', async ({
  page,
  browser,
}) => {
  await browser.startTracing(page, { categories: ['toplevel'] });
  await openPage(page);
  await ask(page, STORY);
  await streams(page, 0);
  await page.waitForFunction(() => {
    const turn = document.querySelector<HTMLElement>('.turn[data-role=assistant]');
    return !turn?.dataset['state'] || (turn.textContent ?? '').length > 600;
  });
  await page.keyboard.press('Escape');
  await finished(page);
  // One task is made on purpose, which shows that such tasks would be seen.
  await page.evaluate(() => {
    for (const start = performance.now(); performance.now() - start < 500;);
  });
  expect(longTasks(await browser.stopTracing())).toHaveLength(1);
});

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  args: { name?: string };
  /** Microseconds that the thread was running, not those it waited for a processor. */
  tdur?: number;
}

/**
 * Tasks over 50 ms of computing on the thread that had the longest of all tasks. The browser's own long tasks count the
 * time that a thread waits while engine and other programs have the processors, of which a test cannot say anything.
 */
function longTasks(trace: Buffer): TraceEvent[] {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const mainThreads = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain',
  );
  const tasks = traceEvents
    .filter(({ name, tdur = 0 }) => name === 'ThreadControllerImpl::RunTask' && tdur > 50_000)
    .filter(({ pid, tid }) => mainThreads.some((thread) => thread.pid === pid && thread.tid === tid))
    .toSorted((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0));
  return tasks.filter(({ pid }) => pid === tasks[0]?.pid);
}

test('what a model thinks is in view while it thinks, and folded away after that', async ({ page }) => {
  const template = '{{ messages[0].content }}<think>{% if false %}</think>{% endif %}';
  const { metadata, tensors } = tinyParts({ contextLength: 4096 });
  const thinker = writeGguf({ ...metadata, 'tokenizer.chat_template': { string: template } }, tensors);
  await page.route('**/models/thinker.gguf', (route) => route.fulfill({ body: Buffer.from(thinker) }));
  await page.goto('/?seed=1&model=models/thinker.gguf');
  await isReady(page);
  const first = page.evaluate(
    () =>
      new Promise<{ summary: string; open: boolean; words: string }>((resolve) => {
        const observer = new MutationObserver(() => {
          const details = document.querySelector<HTMLDetailsElement>('.turn details');
          if (!details) return;
          observer.disconnect();
          const [summary, words] = [...details.children].map(({ textContent }) => textContent ?? '');
          resolve({ summary: summary ?? '', open: details.open, words: words ?? '' });
        });
        observer.observe(document.body, { subtree: true, childList: true });
      }),
  );
  await ask(page, 'Why?');
  expect(await first).toEqual({ summary: 'Thinking …', open: true, words: expect.stringMatching(/./) });
  await page.keyboard.press('Escape');
  await finished(page);
  const thoughts = answers(page).locator('details');
  await expect(thoughts.locator('summary')).toHaveText('Thoughts');
  await expect(thoughts).not.toHaveAttribute('open');
  await expect(answers(page).locator('.text')).toBeEmpty();
});

test('an engine that dies in mid-answer is said, and started again by a button', async ({ page }) => {
  await openPage(page);
  await ask(page, STORY);
  await streams(page, 0);
  await killWorker(page);
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('The engine worker died');
  await expect(answers(page)).toContainText('Broken off');
  await finished(page);
  await button(page, 'Try again').click();
  await isReady(page);
  await expect(alert).toBeHidden();
  await ask(page, QUESTION);
  await finished(page);
  await expect(answers(page).nth(1)).toContainText(/\d+ tokens at/);
});

test('a model that cannot be had is said with what to do, and can be tried again', async ({ page }) => {
  await page.goto('/?model=models/none.gguf');
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('404');
  await expect(alert).toContainText('Check the URL');
  await expect(prompt(page)).toBeDisabled();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await page.route('**/models/none.gguf', (route) =>
    route.fulfill({ body: 'no model', contentType: 'application/octet-stream' }),
  );
  await button(page, 'Try again').click();
  await expect(alert).toContainText('instead of "GGUF"');
});

test('a message that cannot be sent goes back to where it was written', async ({ page }) => {
  await openPage(page);
  await prompt(page).evaluate((element: HTMLTextAreaElement) => (element.value = 'half \ud83d'));
  await prompt(page).press('Enter');
  await expect(page.getByRole('alert')).toContainText('surrogate');
  await expect(page.locator('.turn')).toHaveCount(0);
  expect(await prompt(page).inputValue()).toContain('half');
  await ask(page, QUESTION);
  await expect(page.getByRole('alert')).toBeHidden();
  await finished(page);
  await expect(answers(page)).toContainText('Paris');
});

for (const look of [
  { colorScheme: 'light', width: 1100 },
  { colorScheme: 'dark', width: 320 },
] as const) {
  test(`has no accessibility defects that axe finds: ${look.colorScheme}, ${look.width} pixels wide`, async ({
    page,
  }) => {
    await page.emulateMedia({ colorScheme: look.colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width: look.width, height: 640 });
    const defects = async () => (await new AxeBuilder({ page }).analyze()).violations;
    await openPage(page);
    expect(await defects()).toEqual([]);
    await ask(page, STORY);
    await streams(page, 0);
    expect(await defects()).toEqual([]);
    await page.keyboard.press('Escape');
    await finished(page);
    expect(await defects()).toEqual([]);
    const isTooWide = () => document.documentElement.scrollWidth > document.documentElement.clientWidth;
    expect(await page.evaluate(isTooWide)).toBe(false);
  });
}
