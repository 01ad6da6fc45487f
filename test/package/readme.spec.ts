/**
 * The snippets of the README, run as they stand: each fenced block marked `executable` is bundled as an app's
 * bundler would do it, with the packed library beside it, and must end without an error and with text on the
 * page.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { rolldown } from 'rolldown';
import { modelsFolder, root } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import { freshFolder, hasModel } from './pack.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const snippets = [...readme.matchAll(/^```ts executable\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
// Made in beforeAll: Playwright also loads this file where it only lists the tests.
let folder: string;
let server: Awaited<ReturnType<typeof serveFolders>>;

test.beforeAll(async () => {
  folder = freshFolder('readme');
  cpSync(join(root, 'dist/lib'), join(folder, 'lib'), { recursive: true });
  cpSync(join(root, 'dist/workers'), join(folder, 'workers'), { recursive: true });
  mkdirSync(join(folder, 'snippets'));
  for (const [index, code] of snippets.entries()) {
    await bundleSnippet(code, join(folder, 'snippets', `${index}.js`));
    writeFileSync(
      join(folder, `${index}.html`),
      `<!doctype html><title>snippet</title>
      <script type="importmap">{"imports":{"selvedge":"/lib/index.js"}}</script>
      <script type="module">
        import('/snippets/${index}.js').then(
          () => (document.body.dataset.state = 'done'),
          (error) => (document.body.dataset.state = String(error)),
        );
      </script>`,
    );
  }
  server = await serveFolders({
    mounts: [
      ['/models/', modelsFolder],
      ['/', folder],
    ],
  });
});

test.afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the README has five executable snippets', () => {
  expect(snippets).toHaveLength(5);
});

for (const [index, code] of snippets.entries()) {
  const title = /^\/\/ (.*)$/m.exec(code)?.[1] ?? String(index + 1);
  test(`the snippet "${title}" of the README runs`, async ({ page }) => {
    test.skip(!hasModel, 'the default model is not in public/models; "npm test" fetches it');
    await page.goto(`${server.address}/${index}.html`);
    await page.locator('body[data-state]').waitFor({ timeout: 90_000 });
    expect(await page.locator('body').getAttribute('data-state')).toBe('done');
    // Some answers are drawn anew each time, and may be short.
    expect((await page.locator('body').innerText()).trim()).not.toBe('');
  });
}

async function bundleSnippet(code: string, file: string): Promise<void> {
  const entry = join(root, 'snippet.ts');
  const bundle = await rolldown({
    input: entry,
    cwd: root,
    platform: 'browser',
    external: ['selvedge'],
    plugins: [
      {
        name: 'snippet',
        resolveId: (id) => (id === entry ? id : null),
        load: (id) => (id === entry ? code : null),
      },
    ],
  });
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
}
