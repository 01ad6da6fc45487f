/**
 * The chat page with the real model: what a newcomer sees after `npm start`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder } from '../../scripts/lib/paths.mjs';

test.skip(
  !existsSync(join(modelsFolder, defaultModel.name)),
  'the default model is not in public/models; "npm test" fetches it',
);

const answers = (page: Page) => page.locator('.turn[data-role=assistant]');

async function openPage(page: Page): Promise<void> {
  await page.goto('/');
  await expect(page.getByLabel('Message')).toBeEnabled({ timeout: 90_000 });
}

async function ask(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text);
  await page.keyboard.press('Enter');
}

const finished = (page: Page) =>
  expect(page.getByRole('button', { name: 'Send' })).toBeVisible({ timeout: 90_000 });

test('answers a question, says how fast, and remembers the conversation', async ({ page }) => {
  await openPage(page);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await ask(page, 'What is the capital of France? Answer in one word.');
  await expect(page.locator('#speed')).toContainText('tokens/s', { timeout: 90_000 });
  await finished(page);
  await expect(answers(page).first()).toContainText('Paris');
  await ask(page, 'And of Italy?');
  await finished(page);
  await expect(answers(page)).toHaveCount(2);
  await expect(page.locator('#speed')).not.toContainText(' 0 kept from before');
});

test('stops when asked, by the button and by Escape, and can be asked again', async ({ page }) => {
  await openPage(page);
  for (const [index, stop] of [
    () => page.getByRole('button', { name: 'Stop' }).click(),
    () => page.keyboard.press('Escape'),
  ].entries()) {
    await ask(page, 'Write a very long story about the sea.');
    await expect(answers(page).nth(index)).toContainText(/\w+/, { timeout: 90_000 });
    await stop();
    await finished(page);
  }
});

test('has no accessibility defects that axe finds, before and after an answer', async ({ page }) => {
  await openPage(page);
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await ask(page, 'Say hello.');
  await finished(page);
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
});
