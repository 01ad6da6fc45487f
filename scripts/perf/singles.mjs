/**
 * What is not a ratio of two rates: bandwidth, loading, memory, size of the download, long tasks.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../lib/paths.mjs';
import { peerFiles } from '../lib/peers.mjs';
import { sampleRate } from './compare.mjs';
import { prefixMetrics } from './prefixes.mjs';
import { pageOptions } from './lab.mjs';
import { packingMetrics } from './packing.mjs';
import { median, pairedRatio } from './paired-ratio.mjs';
import { selfDraftMetrics } from './self-draft.mjs';
import { speculationMetrics } from './speculation.mjs';
import { shortPrompt } from './workload.mjs';

const spec = (threads) => ({ engine: 'selvedge', model: 'q4_1', threads });
const exact = (value, unit) => ({ value, unit, ratio: null, low: null, high: null });

/** One function for each metric of `singles` in table.mjs: (lab, address, threads, work, model) -> the row's numbers. */
export const measureSingle = {
  ...prefixMetrics,
  ...selfDraftMetrics,
  ...packingMetrics,
  ...speculationMetrics,

  async 'bandwidth-share'(lab, address, threads, work) {
    const engine = await lab.open(spec(threads));
    try {
      const { memory } = await engine.info();
      const byteLength = memory.weightBytes;
      const [reached, possible] = [[], []];
      // So that a token reads all weights.
      const asked = { prompt: shortPrompt, tokens: work.decodeTokens, readsAll: true };
      for (let pair = 0; pair < work.pairs; pair++) {
        const { decodeTokens, decodeMs } = await engine.run(asked);
        reached.push((byteLength * decodeTokens) / (decodeMs / 1000));
        possible.push(await readBytes(lab, { byteLength, threads, passes: 10 }));
      }
      return { value: median(reached) / 1e9, unit: 'GB/s', ...pairedRatio(reached, possible) };
    } finally {
      await engine.close();
    }
  },

  async load(lab, address, threads, work) {
    const first = (options) =>
      lab.page.evaluate(
        ([o, run]) => window.bench.timeToFirstToken(o, run),
        [options, { prompt: shortPrompt }],
      );
    const ours = pageOptions(address, spec(threads));
    const theirs = pageOptions(address, { engine: 'wllama', model: 'q4_1', threads });
    await first(ours);
    const [mine, other] = [[], []];
    const sides = [() => first(ours), () => first({ ...theirs, fromMemory: true })];
    for (let pair = 0; pair < work.pairs; pair++) {
      for (const side of pair % 2 === 0 ? [0, 1] : [1, 0]) [mine, other][side].push(await sides[side]());
    }
    return { value: median(mine), unit: 'ms', ...pairedRatio(mine, other) };
  },

  async memory(lab, address, threads) {
    const engine = await lab.open(spec(threads));
    // A greedy answer may draw a sketch of the head.
    await engine.run({ prompt: shortPrompt, tokens: 32 });
    const { memory } = await engine.info();
    await engine.close();
    return exact((memory.weightBytes + memory.scratchBytes) / statSync(peerFiles.q4_1).size, 'of the file');
  },

  async download() {
    const files = ['dist/lib/index.js', 'dist/workers/engine.js'];
    const bytes = files.map((file) => gzipSync(readFileSync(join(root, file)), { level: 9 }).byteLength);
    return exact(bytes.reduce((a, b) => a + b) / 1000, 'KB gzip');
  },

  async 'long-tasks'(lab, address, threads, work) {
    await lab.page.evaluate(() => window.bench.takeLongTasks());
    const engine = await lab.open(spec(threads));
    await sampleRate(engine, 'prefill', work);
    await sampleRate(engine, 'decode', work);
    await engine.close();
    const tasks = await lab.page.evaluate(() => window.bench.takeLongTasks());
    return exact(tasks.length, 'tasks');
  },
};

function readBytes(lab, options) {
  return lab.page.evaluate((o) => window.bench.readBandwidth(o), options);
}
