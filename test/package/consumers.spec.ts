/**
 * The packed library in the hands of those who use it: a fresh Vite app (development server and build) and a
 * plain page without any bundler. Each chats with the real model in Chromium.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chromium, expect, test, type Browser, type Page } from '@playwright/test';
import { chromiumFlags, findChromium, softwareGpuFlags } from '../../scripts/lib/chromium.mjs';
import { root } from '../../scripts/lib/paths.mjs';
import { isolationHeaders, serveFolders } from '../../scripts/lib/static-server.mjs';
import { tinyGguf } from '../models/tiny-gguf.ts';
import { freshFolder, hasModel, installInto, modelUrl, packLibrary } from './pack.ts';

/** A GPU in software takes seconds to compile the kernels, on a quiet machine. */
const GPU_MS = 200_000;

const vite = join(root, 'node_modules/vite/bin/vite.js');
const tsc = join(root, 'node_modules/typescript/bin/tsc');
// Made in beforeAll: Playwright also loads this file where it only lists the tests.
let folder: string;
let app: string;
let files: string[];
let gpuBrowser: Browser | undefined;

test.describe.configure({ timeout: 300_000 });

const appCode = `
import { createClient } from 'selvedge';

const answer = document.querySelector('#answer') as HTMLElement;
try {
  const cloud = [{ id: 'near', baseURL: 'https://llm.example.com/v1', model: 'large', contextLength: 8192 }];
  const client = await createClient({ model: '${modelUrl}', device: 'cpu', cloud, policy: { detectionTimeoutMs: 60_000 } });
  // All that is only fetched where something might leave: the router, the detector and its tables.
  const { record } = await client.explain({ messages: [{ role: 'user', content: 'I am Ada, call 030 123456.' }] });
  answer.dataset.search = record.request.detection.state;
  const stream = await client.chat.completions.create({
    messages: [{ role: 'user', content: 'What is the capital of France? Answer in a sentence.' }],
    stream: true,
    temperature: 0,
    max_tokens: 16,
  });
  for await (const chunk of stream) answer.append(chunk.choices[0]?.delta.content ?? '');
  client.close();
  const plain = await createClient({ model: '${modelUrl}', device: 'cpu', simd: 'plain' });
  answer.dataset.simd = (await plain.info()).simd;
  plain.close();
  answer.dataset.state = 'done';
} catch (error) {
  answer.textContent = String(error);
  answer.dataset.state = 'failed';
}
`;

/** What runs on the GPU is a file of its own, which bundlers must find. */
const gpuCode = `
import { createClient } from 'selvedge';

const answer = document.querySelector('#answer') as HTMLElement;
try {
  const client = await createClient({ model: '/tiny.gguf', device: 'webgpu' });
  const { device, adapter } = await client.info();
  const { usage } = await client.completions.create({ prompt: 'Paris', temperature: 0, max_tokens: 4 });
  client.close();
  answer.textContent = device + ', ' + usage.completion_tokens + ' tokens, software: ' + adapter?.isSoftware;
  answer.dataset.state = 'done';
} catch (error) {
  answer.textContent = String(error);
  answer.dataset.state = 'failed';
}
`;

const page = (script: string) => `<!doctype html><title>consumer</title><p id="answer"></p>${script}`;

test.beforeAll(() => {
  folder = freshFolder('consumers');
  app = join(folder, 'app');
  const packed = packLibrary(folder);
  files = packed.files;
  installInto(app, packed.tarball);
  writeFileSync(join(app, 'index.html'), page('<script type="module" src="/main.ts"></script>'));
  writeFileSync(join(app, 'main.ts'), appCode);
  writeFileSync(join(app, 'gpu.html'), page('<script type="module" src="/gpu.ts"></script>'));
  writeFileSync(join(app, 'gpu.ts'), gpuCode);
  writeFileSync(join(app, 'tiny.gguf'), tinyGguf({ type: 'Q8_0' }));
  const server = { headers: isolationHeaders, strictPort: true };
  const input = ['index.html', 'gpu.html'];
  const build = { target: 'es2022', outDir: 'built', modulePreload: false, rollupOptions: { input } };
  writeFileSync(join(app, 'vite.config.js'), `export default ${JSON.stringify({ server, build })};\n`);
});

test.afterAll(async () => {
  await gpuBrowser?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the package holds the library, the worker, the declarations and the licences, and no sources', () => {
  for (const file of [
    'dist/lib/index.js',
    'dist/lib/index.d.ts',
    'dist/workers/engine.js',
    'dist/workers/plain.js',
    'dist/workers/webgpu.js',
    'LICENSE',
    'README.md',
  ]) {
    expect(files).toContain(file);
  }
  expect(files).toContain('dist/THIRD-PARTY-LICENSES.txt');
  expect(files.filter((file) => /^(src|test|e2e|scripts|public|dist\/demo)\//.test(file))).toEqual([]);
});

test('library and worker are self-contained modules, and each names what it loads so that bundlers see it', () => {
  const library = readFileSync(join(app, 'node_modules/selvedge/dist/lib/index.js'), 'utf8');
  const worker = readFileSync(join(app, 'node_modules/selvedge/dist/workers/engine.js'), 'utf8');
  expect(library).toContain(
    'new Worker(new URL("../workers/engine.js", import.meta.url), { type: "module" })',
  );
  const gpu = readFileSync(join(app, 'node_modules/selvedge/dist/workers/webgpu.js'), 'utf8');
  expect(worker).toContain(
    'import(/* @vite-ignore */ /* webpackIgnore: true */ new URL("./webgpu.js", import.meta.url).href)',
  );
  for (const code of [library, worker, gpu])
    expect(code).not.toMatch(/^\s*(import|export)\b.*\bfrom\s*["']/m);
});

test('what only some pages need are modules of their own, which take what they share from the library', () => {
  const lib = join(app, 'node_modules/selvedge/dist/lib');
  const library = readFileSync(join(lib, 'index.js'), 'utf8');
  expect(library).toContain('import("./routed.js")');
  const others = readdirSync(lib).filter((file) => file.endsWith('.js') && file !== 'index.js');
  expect(others).toContain('routed.js');
  for (const file of others) {
    const code = readFileSync(join(lib, file), 'utf8');
    const named = [...code.matchAll(/\b(?:from|import)\s*\(?["']([^"']+)["']/g)].map(([, name]) => name);
    for (const name of named) expect(['./index.js', ...others.map((other) => `./${other}`)]).toContain(name);
    expect(code).not.toMatch(/\bimport\((?!")/);
  }
});

test('library and worker together stay under 120 KB of gzip', () => {
  const sizes = ['lib/index.js', 'workers/engine.js'].map(
    (file) => gzipSync(readFileSync(join(root, 'dist', file)), { level: 9 }).length,
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(120_000);
});

test('the declarations stand on their own under strict settings', () => {
  const compilerOptions = {
    target: 'ES2023',
    module: 'ESNext',
    moduleResolution: 'Bundler',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    lib: ['ES2023', 'DOM'],
    types: [],
  };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
  execFileSync(process.execPath, [tsc, '--project', app], { encoding: 'utf8' });
});

test('a plain page without a bundler chats', async ({ page: browserPage }) => {
  needModel();
  const importMap = '{"imports":{"selvedge":"/node_modules/selvedge/dist/lib/index.js"}}';
  const code = appCode.replace(' as HTMLElement', '');
  const scripts = `<script type="importmap">${importMap}</script><script type="module">${code}</script>`;
  writeFileSync(join(app, 'plain.html'), page(scripts));
  writeFileSync(
    join(app, 'plain-gpu.html'),
    page(scripts.replace(code, gpuCode.replace(' as HTMLElement', ''))),
  );
  const server = await serveFolders({ mounts: [['/', app]] });
  try {
    await expectChat(browserPage, `${server.address}/plain.html`);
    await expectGpuModule(`${server.address}/plain-gpu.html`);
  } finally {
    await server.close();
  }
});

test('a page that is not isolated chats on one thread', async ({ page: browserPage }) => {
  needModel();
  const server = await serveFolders({ mounts: [['/', app]], isolated: false });
  try {
    await expectChat(browserPage, `${server.address}/plain.html`);
  } finally {
    await server.close();
  }
});

test('a fresh Vite app chats when it is built', async ({ page: browserPage }) => {
  needModel();
  execFileSync(process.execPath, [vite, 'build', '--logLevel', 'error'], { cwd: app, stdio: 'inherit' });
  const server = await serveFolders({
    mounts: [
      ['/models/', join(app, 'models')],
      ['/', join(app, 'built')],
      ['/', app],
    ],
  });
  try {
    await expectChat(browserPage, server.address);
    await expectGpu(`${server.address}/gpu.html`);
  } finally {
    await server.close();
  }
});

test('a fresh Vite app chats on the development server', async ({ page: browserPage }) => {
  needModel();
  const port = await freePort();
  const server = spawn(process.execPath, [vite, '--port', String(port), '--host', 'localhost'], {
    cwd: app,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await listening(server);
    await expectChat(browserPage, `http://localhost:${port}/`);
    await expectGpuModule(`http://localhost:${port}/gpu.html`);
  } finally {
    server.kill();
  }
});

function needModel(): void {
  test.skip(!hasModel, 'the default model is not in public/models; "npm test" fetches it');
}

async function expectChat(browserPage: Page, address: string): Promise<void> {
  await browserPage.goto(address);
  const answer = browserPage.locator('#answer[data-state]');
  await answer.waitFor({ state: 'attached', timeout: 90_000 });
  expect(await answer.textContent()).toContain('Paris');
  expect(await answer.getAttribute('data-state')).toBe('done');
  expect(await answer.getAttribute('data-search')).toBe('done');
  // The kernels of other browsers are a file of their own, which bundlers have to find beside the worker.
  expect(await answer.getAttribute('data-simd')).toBe('plain');
}

/** A browser of its own, whose GPU is software. */
async function openGpuPage(): Promise<Page> {
  const executablePath = findChromium();
  gpuBrowser ??= await chromium.launch({
    args: [...chromiumFlags, ...softwareGpuFlags],
    ...(executablePath ? { executablePath } : {}),
  });
  return gpuBrowser.newPage();
}

async function expectGpu(address: string): Promise<void> {
  const gpuPage = await openGpuPage();
  await gpuPage.goto(address);
  const answer = gpuPage.locator('#answer[data-state]');
  await answer.waitFor({ state: 'attached', timeout: GPU_MS });
  expect(await answer.textContent()).toBe('webgpu, 4 tokens, software: true');
  await gpuPage.close();
}

/** The worker finds what runs on a GPU; what it does is seen elsewhere. */
async function expectGpuModule(address: string): Promise<void> {
  const gpuPage = await openGpuPage();
  const loading = gpuPage.waitForResponse(/\/webgpu[^/]*\.js/, { timeout: GPU_MS });
  await gpuPage.goto(address);
  const response = await loading;
  expect(response.ok()).toBe(true);
  expect(response.headers()['content-type']).toContain('javascript');
  await gpuPage.close();
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, 'localhost', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** Vite prints its address once it listens. */
function listening(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    server.stdout?.on('data', (text: Buffer) => {
      if (text.toString().includes('localhost')) resolve();
    });
    server.once('exit', (code) => reject(new Error(`vite ended with code ${code}`)));
  });
}
