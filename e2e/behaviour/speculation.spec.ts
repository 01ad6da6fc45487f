/**
 * Guessing ahead through the public API, with the real model: clients that guess in every way there is say what a client says
 * that does not, statistics included, and what they tell of their guesses adds up. How often they guess is for them to
 * decide by what steps cost here, so that is not asked.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import { repeating } from '../../scripts/perf/speculation-prompts.mjs';
import type { ChatCompletion, ClientOptions } from '../../src/index.ts';
import { openLibraryPage, writeLibrary } from '../fixtures/library-page.ts';

test.skip(
  !existsSync(join(modelsFolder, defaultModel.name)),
  'the default model is not in public/models; "npm test" fetches it',
);

const REQUESTS = [
  { temperature: 0 },
  { temperature: 0.8, seed: 3, n: 2 },
  { temperature: 1, seed: 4, top_p: 0.9, frequency_penalty: 0.3, repetition_penalty: 1.1 },
  { temperature: 0, logprobs: true, top_logprobs: 2 },
];

/** Clients by who guesses for them; 'draft' has the model itself as its draft. */
const GUESSING = {
  'what was said before': { speculation: 'auto' },
  'the model itself, through half the bits': { speculation: { drafters: ['self'], maxLookahead: 3 } },
  'a second model': { speculation: { drafters: ['draft'] }, draft: `/models/${defaultModel.name}` },
} as const satisfies Record<string, Partial<ClientOptions>>;

let folder: string;
let page: Page;
let server: Awaited<ReturnType<typeof serveFolders>>;
let plain: ChatCompletion[][];

test.beforeAll(async ({ browser }) => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-speculation-'));
  writeLibrary(folder);
  const mounts = [
    ['/models/', modelsFolder],
    ['/', folder],
  ] as const;
  server = await serveFolders({ mounts });
  page = await browser.newPage();
  await openLibraryPage(page, server.address);
  plain = await answersOf({ speculation: 'off' });
});

test.afterAll(async () => {
  await page.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Of each request to each of two prompts, by a client of its own. */
function answersOf(options: Partial<ClientOptions>): Promise<ChatCompletion[][]> {
  return page.evaluate(
    async ({ model, more, prompts, requests }) => {
      const client = await selvedge.createClient({ model, ...more });
      const answers = [];
      for (const content of prompts) {
        const messages = [{ role: 'user' as const, content }];
        const ask = (request: object) =>
          client.chat.completions.create({ messages, max_tokens: 48, ...request });
        const ofPrompt = [];
        for (const request of requests) ofPrompt.push(await ask(request));
        answers.push(ofPrompt);
      }
      client.close();
      return answers;
    },
    {
      model: `/models/${defaultModel.name}`,
      more: options,
      prompts: [repeating[4]!, repeating[8]!],
      requests: REQUESTS,
    },
  );
}

/** What an answer says, without times and names. */
function saidIn(answers: ChatCompletion[][]): unknown {
  return answers.map((ofPrompt) => ofPrompt.map(({ choices, usage }) => ({ choices, usage })));
}

for (const [name, options] of Object.entries(GUESSING)) {
  test(`says the same when guessed ahead of: ${name}`, async () => {
    const answers = await answersOf(options);
    expect(saidIn(answers)).toEqual(saidIn(plain));
    for (const { timings } of answers.flat()) {
      const by = Object.values(timings.draft_by);
      expect(by.reduce((sum, { n }) => sum + n, 0)).toBe(timings.draft_n);
      expect(by.reduce((sum, { n_accepted: right }) => sum + right, 0)).toBe(timings.draft_n_accepted);
      expect(timings.draft_n_accepted).toBeLessThanOrEqual(timings.draft_n);
    }
  });
}

test('without guessing nothing is told of guesses', () => {
  for (const { timings } of plain.flat()) {
    expect(timings).toMatchObject({ draft_n: 0, draft_n_accepted: 0, draft_gained_ms: 0, draft_by: {} });
  }
});
