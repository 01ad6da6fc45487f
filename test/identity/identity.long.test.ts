/**
 * A real model says the same whether or not it is guessed ahead of: 200 prompts of 128 tokens, greedily and drawn at T = 0.8,
 * with the speculator, and with all that the suffix drafter has before every step, which is right and wrong at every width.
 * Keys and values are compared with the tokens: what was taken back has left nothing behind.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import type { Page } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../scripts/lib/bundle.mjs';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { cacheFolder, root } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import { coding, ordinary, repeating } from '../../scripts/perf/speculation-prompts.mjs';
import type { LoopRequest, Mode, Spoken } from '../../scripts/perf/speculation/requests.ts';
import { openWorker } from '../../scripts/perf/worker.mjs';

const PROMPTS = 200;
const TOKENS = 128;
const MODES: Mode[] = ['suffix', 'blunt'];
const OPENINGS = [
  '',
  'Please answer in full. ',
  'In a few words: ',
  'Take your time. ',
  'For a friend: ',
  'Once more: ',
];
const prompts = OPENINGS.flatMap((opening) =>
  [...repeating, ...ordinary, ...coding].map((text) => opening + text),
).slice(0, PROMPTS);

const executablePath = findChromium();
const model = defaultModel.name;
const canRun = executablePath !== undefined && existsSync(join(cacheFolder, model));

interface Loop {
  ask(request: LoopRequest): Promise<Spoken>;
  close(): Promise<void>;
}

describe.skipIf(!canRun)(`${model}, guessed ahead of`, () => {
  let folder: string;
  let server: Awaited<ReturnType<typeof serveFolders>>;
  let page: Page;
  let loop: Loop;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-identity-'));
    await bundle('scripts/perf/speculation/worker.ts', join(folder, 'worker.js'), 'browser');
    server = await serveFolders({
      mounts: [
        ['/worker.js', join(folder, 'worker.js')],
        ['/page.html', join(root, 'scripts/oracle/page.html')],
        ['/files/', cacheFolder],
      ],
    });
    const browser = await chromium.launch({
      args: chromiumFlags,
      ...(executablePath ? { executablePath } : {}),
    });
    page = await browser.newPage();
    await page.goto(`${server.address}/page.html`);
    loop = await openWorker({ page }, '/worker.js');
    await loop.ask({ method: 'open', url: `${server.address}/files/${model}`, draft: null, threads: 2 });
  });
  afterAll(async () => {
    await page.context().browser()?.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    ['greedily', 0],
    ['drawn', 0.8],
  ])('says the same, %s', async (_how, temperature) => {
    const counts = { drafted: 0, accepted: 0 };
    for (const [i, content] of prompts.entries()) {
      const speak = (mode: Mode): Promise<Spoken> =>
        loop.ask({ method: 'speak', content, count: TOKENS, mode, sampling: { temperature, seed: i } });
      const plain = await speak('plain');
      for (const mode of MODES) {
        const { ids, kv, drafted, accepted } = await speak(mode);
        expect({ ids, kv }, `${mode}: ${content}`).toEqual({ ids: plain.ids, kv: plain.kv });
        counts.drafted += drafted;
        counts.accepted += accepted;
      }
    }
    console.log(
      `T = ${temperature}: ${prompts.length} prompts, ${counts.accepted} of ${counts.drafted} guesses right`,
    );
    expect(counts.accepted).toBeGreaterThan(1000);
    expect(counts.drafted - counts.accepted).toBeGreaterThan(1000);
  });
});
