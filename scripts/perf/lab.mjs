/**
 * Where samples are taken: one browser on the measuring page, and native llama.cpp in this process. An engine is
 * opened by its spec { engine, model, threads, simd? } and then runs { prompt, tokens }.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { chromium } from '@playwright/test';
import { chromiumFlags, ensureChromium, softwareGpuFlags } from '../lib/chromium.mjs';
import { bundle } from '../lib/bundle.mjs';
import { mustRun } from '../lib/command.mjs';
import { startFirefox } from '../lib/firefox.mjs';
import { realModels } from '../lib/model.mjs';
import { cacheFolder, peersFolder, root } from '../lib/paths.mjs';
import { openNative, peerFiles } from '../lib/peers.mjs';
import { serveFolders } from '../lib/static-server.mjs';
import { openRemotePage } from './remote-page.mjs';

export const outFolder = join(root, 'out');
const NO_VNNI = '--js-flags=--no-enable-avx-vnni --no-enable-avx-vnni-int8';
const modelFiles = {
  q4_1: basename(peerFiles.q4_1),
  q8_0: basename(peerFiles.q8_0),
  ...Object.fromEntries(Object.entries(realModels).map(([model, { name }]) => [model, name])),
};

/** Builds what the page needs beside dist/, and serves all of it. */
export async function servePage() {
  const kernel = join(outFolder, 'perf', 'read.wasm');
  await mustRun('build the read kernel', process.execPath, [
    join(root, 'node_modules/assemblyscript/bin/asc.js'),
    join(root, 'e2e/perf/page/read.kernel.ts'),
    ...`-O1 --enable simd --enable threads --runtime stub --importMemory --sharedMemory --maximumMemory 65536`.split(
      ' ',
    ),
    '--outFile',
    kernel,
  ]);
  const selfDraft = join(outFolder, 'perf', 'self-draft.js');
  await bundle('scripts/perf/self-draft/worker.ts', selfDraft, 'browser');
  const decodeLoop = join(outFolder, 'perf', 'decode-loop.js');
  await bundle('scripts/perf/speculation/worker.ts', decodeLoop, 'browser');
  const packing = join(outFolder, 'perf', 'packing.js');
  await bundle('scripts/perf/packing/worker.ts', packing, 'browser');
  const gpu = join(outFolder, 'perf', 'gpu.js');
  await bundle('scripts/perf/gpu/worker.ts', gpu, 'browser');
  const peer = (path) => join(peersFolder, 'node_modules', path);
  return serveFolders({
    mounts: [
      ['/read.wasm', kernel],
      ['/self-draft.js', selfDraft],
      ['/decode-loop.js', decodeLoop],
      ['/packing.js', packing],
      ['/gpu.js', gpu],
      ['/selvedge/', join(root, 'dist')],
      ['/peers/wllama/', peer('@wllama/wllama/esm')],
      ['/peers/transformers/', peer('@huggingface/transformers/dist')],
      ['/peers/onnxruntime/', peer('onnxruntime-web/dist')],
      ['/files/', cacheFolder],
      ['/', join(root, 'e2e/perf/page')],
    ],
  });
}

/** Flags of each browser beside those of all. */
const FLAGS = {
  'no-vnni': [NO_VNNI],
  gpu: ['--enable-unsafe-webgpu', '--enable-features=Vulkan'],
  'software-gpu': softwareGpuFlags,
};

/** @param {string} address of the page @param {'default' | 'no-vnni' | 'firefox' | 'gpu' | 'software-gpu'} browser */
export async function openLab(address, browser = 'default') {
  if (browser === 'firefox') return openFirefoxLab(address);
  const profile = mkdtempSync(join(tmpdir(), 'selvedge-perf-'));
  const args = [...chromiumFlags, ...(FLAGS[browser] ?? [])];
  const executablePath = await ensureChromium();
  const context = await chromium.launchPersistentContext(profile, { headless: true, executablePath, args });
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => console.error(`page: ${error.message}`));
  await page.goto(`${address}/`);
  await page.waitForFunction(() => 'bench' in window && crossOriginIsolated);
  const version = context.browser()?.version() ?? (await page.evaluate(() => navigator.userAgent));
  const call = (method, callArguments) =>
    page.evaluate(([m, a]) => window.bench[m](...a), [method, callArguments]);
  return {
    page,
    version,
    open: (spec) => (spec.engine === 'native' ? openNativeEngine(spec) : openInPage(call, address, spec)),
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

async function openFirefoxLab(address) {
  const profile = mkdtempSync(join(tmpdir(), 'selvedge-perf-'));
  const page = await openRemotePage((commands) => startFirefox(`${address}/#${commands}`, profile));
  return {
    version: await page.call('userAgent', []),
    open: (spec) => openInPage(page.call, address, spec),
    async close() {
      await page.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** What bench.open() on the page takes. */
export function pageOptions(address, { engine, model, threads, simd, prefixes, speculation, device }) {
  const where = device ? { device } : {};
  if (engine === 'transformers') return { engine, threads, model: basename(peerFiles.onnx), ...where };
  return {
    engine,
    threads,
    url: `${address}/files/${modelFiles[model]}`,
    ...where,
    ...(simd ? { simd } : {}),
    ...(prefixes ? { prefixes } : {}),
    ...(speculation ? { speculation } : {}),
  };
}

let names = 0;

async function openInPage(call, address, spec) {
  const name = `engine-${++names}`;
  await call('open', [name, pageOptions(address, spec)]);
  return {
    run: (options) => call('run', [name, options]),
    chat: (request) => call('chat', [name, request]),
    firstToken: (prompt) => call('firstToken', [name, prompt]),
    settle: () => call('settle', [name]),
    info: () => call('info', [name]),
    close: () => call('close', [name]),
  };
}

async function openNativeEngine({ model, threads }) {
  const { model: loaded, sequence, close } = await openNative(peerFiles[model], { threads });
  return {
    async run({ prompt, tokens }) {
      await sequence.clearHistory();
      const ids = loaded.tokenize(prompt);
      const stamps = [];
      const start = performance.now();
      for await (const _ of sequence.evaluate(ids, { temperature: 0 })) {
        if (stamps.push(performance.now()) === tokens) break;
      }
      return {
        promptTokens: ids.length,
        promptMs: stamps[0] - start,
        decodeTokens: stamps.length - 1,
        decodeMs: stamps.at(-1) - stamps[0],
      };
    },
    info: async () => ({}),
    close,
  };
}
