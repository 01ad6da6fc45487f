/**
 * One model on several processors: Chromium as it is, without the VNNI instructions, and without any AVX (and so without
 * fused multiply-adds). All integer sums are exact, so logits may differ in their bits only where one side fuses and the
 * other does not; there, greedy tokens may part at a near-tie.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Browser } from '@playwright/test';
import { rolldown } from 'rolldown';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import { someIds } from '../../test/kernels/feeding.ts';
import { mixedOutlierGguf } from '../../test/kernels/outlier-gguf.ts';
import { hasRealModel, realModelNote, realModelPath } from '../../test/models/real-model.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import type { RunRequest, RunResult } from '../fixtures/processors/run.ts';

const PROCESSORS = {
  'as it is': [],
  'without VNNI': ['--no-enable-avx-vnni', '--no-enable-avx-vnni-int8'],
  'without AVX': [
    '--no-enable-avx-vnni',
    '--no-enable-avx-vnni-int8',
    '--no-enable-avx2',
    '--no-enable-avx',
    '--no-enable-fma3',
  ],
};
type Processor = keyof typeof PROCESSORS;

/** Logits of the real model closer than this may change places between fused and unfused arithmetic. */
const NEAR_TIE = 0.25;

const files = {
  'a tiny Q4_1 model with outliers': mixedOutlierGguf(),
  'a tiny Q8_0 model with a Q4_1 head': tinyGguf({
    type: 'Q8_0',
    types: { head: 'Q4_1' },
    tied: false,
    headSize: 128,
    heads: 2,
    kvHeads: 2,
    contextLength: 512,
  }),
};

/** Any ids do, for every model: what counts is that all processors go on from the same. */
const prompt = someIds(100);

let folder = '';
let isolated: Awaited<ReturnType<typeof serveFolders>>;
let open: Awaited<ReturnType<typeof serveFolders>>;
const browsers = new Map<Processor, Browser>();

test.describe.configure({ timeout: 300_000 });

test.beforeAll(async ({ playwright }) => {
  folder = await mkdtemp(join(tmpdir(), 'selvedge-processors-'));
  const bundle = await rolldown({
    input: new URL('../fixtures/processors/worker.ts', import.meta.url).pathname,
    platform: 'browser',
  });
  const { output } = await bundle.generate({ format: 'es', codeSplitting: false });
  await bundle.close();
  await writeFile(join(folder, 'worker.js'), output[0].code);
  await writeFile(join(folder, 'page.html'), '<!doctype html><title>processors</title>');
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, fileOf(name)), bytes);
  const mounts = [
    ['/', folder],
    ['/', dirname(realModelPath)],
  ] as const;
  isolated = await serveFolders({ mounts });
  open = await serveFolders({ mounts, isolated: false });
  const executablePath = findChromium();
  for (const [name, flags] of Object.entries(PROCESSORS)) {
    const args = [...chromiumFlags, `--js-flags=${flags.join(' ')}`];
    const launched = await playwright.chromium.launch({
      args,
      ...(executablePath ? { executablePath } : {}),
    });
    browsers.set(name as Processor, launched);
  }
});

test.afterAll(async () => {
  for (const browser of browsers.values()) await browser.close();
  await isolated.close();
  await open.close();
  await rm(folder, { recursive: true, force: true });
});

function fileOf(name: string): string {
  return `${name.replaceAll(' ', '-')}.gguf`;
}

interface Way {
  simd?: 'auto' | 'plain';
  wideDot?: boolean;
  kv?: 'q8' | 'f32';
  server?: typeof isolated;
  count?: number;
}

const known = new Map<string, Promise<RunResult>>();

/** The same run is done once. */
function run(processor: Processor, file: string, way: Way = {}): Promise<RunResult> {
  const { server = isolated, ...rest } = way;
  const key = JSON.stringify([processor, file, server.address, rest]);
  const result = known.get(key) ?? runNow(processor, file, way);
  known.set(key, result);
  return result;
}

async function runNow(processor: Processor, file: string, way: Way): Promise<RunResult> {
  const { simd = 'auto', wideDot = true, kv = 'q8', server = isolated, count = 48 } = way;
  const page = await browsers.get(processor)!.newPage();
  try {
    await page.goto(`${server.address}/page.html`);
    const options = { threads: 2, simd, kv, contextLength: 512 };
    const request: RunRequest = { url: `/${file}`, options, wideDot, prompt, count };
    return await page.evaluate(askWorker, request);
  } finally {
    await page.close();
  }
}

/** Runs on the page. */
async function askWorker(request: RunRequest): Promise<RunResult> {
  const worker = new Worker('/worker.js', { type: 'module' });
  const result = await new Promise<RunResult>((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result));
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(request);
  });
  worker.terminate();
  return result;
}

/** Where two greedy answers part, they must have been near a tie. */
function expectSameUpToTies(a: RunResult, b: RunResult, nearTie: number): void {
  const parting = a.tokens.findIndex((token, i) => token !== b.tokens[i]);
  const where =
    parting < 0 ? 'nowhere' : `at token ${parting}, margins ${a.margins[parting]} and ${b.margins[parting]}`;
  test.info().annotations.push({ type: 'parting', description: where });
  if (parting >= 0) expect(Math.min(a.margins[parting]!, b.margins[parting]!), where).toBeLessThan(nearTie);
}

test('the flags take away what they name', async () => {
  const [name] = Object.keys(files);
  const asItIs = await run('as it is', fileOf(name!), { count: 1 });
  const noVnni = await run('without VNNI', fileOf(name!), { count: 1 });
  const noAvx = await run('without AVX', fileOf(name!), { count: 1 });
  for (const { simd, threads } of [asItIs, noVnni, noAvx]) expect([simd, threads]).toEqual(['relaxed', 2]);
  expect([noVnni.hasWideDot, noAvx.hasWideDot, noAvx.isFused]).toEqual([false, false, false]);
  expect(noVnni.isFused).toBe(asItIs.isFused);
  test.info().annotations.push({
    type: 'this processor',
    description: `dot of a whole byte: ${asItIs.hasWideDot}; fused multiply-adds: ${asItIs.isFused}`,
  });
});

const models = [
  ...Object.keys(files).map((name) => ({
    name,
    file: fileOf(name),
    skip: false,
    nearTie: 0.05,
    kvs: ['q8', 'f32'] as const,
  })),
  {
    name: `the default model (${realModelNote})`,
    file: basename(realModelPath),
    skip: !hasRealModel,
    nearTie: NEAR_TIE,
    kvs: ['q8'] as const,
  },
];

for (const { name, file, skip, nearTie, kvs } of models) {
  test.describe(name, () => {
    test.skip(skip, realModelNote);

    for (const kv of kvs) {
      test(`has the same bits with VNNI, without, and with digits instead of whole bytes (${kv})`, async () => {
        const asItIs = await run('as it is', file, { kv });
        expect(new Set(asItIs.hashes).size).toBeGreaterThan(40);
        const digits = await run('as it is', file, { kv, wideDot: false });
        expect(digits.hashes).toEqual(asItIs.hashes);
        const noVnni = await run('without VNNI', file, { kv });
        expect(noVnni.hashes).toEqual(asItIs.hashes);
        expect(noVnni.tokens).toEqual(asItIs.tokens);
      });

      test(`has the same bits in the relaxed twin and the plain one where nothing is fused (${kv})`, async () => {
        const relaxed = await run('without AVX', file, { kv });
        const plain = await run('without AVX', file, { kv, simd: 'plain' });
        expect([relaxed.simd, plain.simd]).toEqual(['relaxed', 'plain']);
        expect(plain.hashes).toEqual(relaxed.hashes);
        const plainElsewhere = await run('as it is', file, { kv, simd: 'plain' });
        expect(plainElsewhere.hashes).toEqual(plain.hashes);
      });
    }

    test('gives the same tokens fused and unfused, but for near-ties', async () => {
      const fused = await run('as it is', file, { kv: 'q8' });
      const unfused = await run('without AVX', file, { kv: 'q8' });
      expectSameUpToTies(fused, unfused, nearTie);
    });

    test('has the same bits on a page that is not isolated, with one thread', async () => {
      const shared = await run('as it is', file, { kv: 'q8' });
      const alone = await run('as it is', file, { kv: 'q8', server: open });
      expect([shared.threads, alone.threads]).toEqual([2, 1]);
      expect(alone.hashes).toEqual(shared.hashes);
    });
  });
}
