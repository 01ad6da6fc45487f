/**
 * `npm run perf`: measures selvedge against its peers in one browser, in turns, and holds the ratios against the table. The
 * browser is Chromium, for some of the ratios Firefox. Writes out/perf.json and out/perf.html. Ends with code 1 when the sentinel (selvedge against itself)
 * agrees with itself and a ratio's whole interval lies below what the table asks for.
 *
 * --quick        fewer and shorter samples; prompts of 350 tokens, whose ratios are not held against the table
 * --only NAME    one metric; may be repeated
 * --engine NAME  only comparisons with this peer (wllama, transformers, native)
 * --gpu          on this machine's GPU (without one, in software: that only shows that it works), beside peers on it
 * --peers-only   the peers' own speeds, without selvedge and without ratios
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findFirefox } from './lib/firefox.mjs';
import { ensureModel, realModels } from './lib/model.mjs';
import { ensureOtherBrowsers } from './lib/other-browsers.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { peersFolder } from './lib/paths.mjs';
import { makePeers } from './make-peers.mjs';
import { compare, sampleRate } from './perf/compare.mjs';
import { measureGpu } from './perf/gpu.mjs';
import { openLab, outFolder, servePage } from './perf/lab.mjs';
import { median } from './perf/paired-ratio.mjs';
import { renderReport } from './perf/report.mjs';
import { measureSingle } from './perf/singles.mjs';
import { comparisons, singles, verdictOf } from './perf/table.mjs';
import { workloads } from './perf/workload.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    engine: { type: 'string', multiple: true },
    'peers-only': { type: 'boolean', default: false },
    gpu: { type: 'boolean', default: false },
  },
});
const work = workloads(options.quick);
const chosen = ({ metric, theirs }) =>
  (metric === 'sentinel' || !options.only || options.only.includes(metric)) &&
  (!options.engine || !theirs || metric === 'sentinel' || options.engine.includes(theirs.engine));

await ensurePackages(peersFolder);
await makePeers();
mkdirSync(join(outFolder, 'perf'), { recursive: true });
const server = await servePage();
const rows = [];
const machine = describeMachine();
try {
  if (options.gpu) Object.assign(machine, await measureGpu(server.address, work, keep));
  else if (options['peers-only']) await measurePeers();
  else await measureAll();
} finally {
  await server.close();
}
finish();

async function measureAll() {
  for (const browser of ['default', 'no-vnni', 'firefox']) {
    const wanted = comparisons.filter((c) => (c.browser ?? 'default') === browser).filter(chosen);
    const wantedSingles = browser === 'default' ? singles.filter(chosen) : [];
    if (wanted.length + wantedSingles.length === 0) continue;
    if (browser === 'firefox') {
      await ensureOtherBrowsers();
      if (!findFirefox()) continue;
    }
    const lab = await openLab(server.address, browser);
    machine[browser === 'firefox' ? 'firefox' : 'browser'] = lab.version;
    try {
      for (const comparison of wanted) {
        await keep(comparison.metric, async () => {
          const file = realModels[comparison.ours.model];
          if (file) await ensureModel(file);
          return compare(lab, comparison, work);
        });
      }
      for (const single of wantedSingles) {
        await keep(single.metric, async () => [await singleRow(lab, single)]);
      }
    } finally {
      await lab.close();
    }
  }
}

async function singleRow(lab, { metric, threads, model = 'q4_1', files = [model], ...promise }) {
  for (const name of files) if (realModels[name]) await ensureModel(realModels[name]);
  const numbers = await measureSingle[metric](lab, server.address, threads, work, model);
  return { metric, engine: 'selvedge', model, threads, ...numbers, ...promise };
}

/** Each peer alone, all loaded together and sampled in rounds. */
async function measurePeers() {
  const lab = await openLab(server.address);
  machine.browser = lab.version;
  const specs = new Map();
  for (const { theirs, browser } of comparisons.filter(chosen)) {
    if (theirs.engine !== 'selvedge' && !browser) specs.set(JSON.stringify(theirs), theirs);
  }
  try {
    for (const what of ['decode', 'prefill']) {
      for (const peer of specs.values()) {
        await keep(what, async () => {
          const engine = await lab.open(peer);
          await sampleRate(engine, 'decode', { ...work, decodeTokens: 8 });
          const samples = [];
          for (let i = 0; i < (what === 'decode' ? work.pairs : 1); i++) {
            samples.push(await sampleRate(engine, what, work));
          }
          await engine.close();
          return [
            {
              metric: what,
              ...peer,
              value: median(samples),
              unit: 'tok/s',
              ratio: null,
              low: null,
              high: null,
            },
          ];
        });
      }
    }
  } finally {
    await lab.close();
  }
}

/** Adds the rows of one measurement and prints them. One that cannot be made is a row too, so that it is seen. */
async function keep(metric, measure) {
  let made;
  try {
    made = await measure();
  } catch (error) {
    made = [{ metric, engine: 'selvedge', value: null, ratio: null, error: firstLine(error) }];
  }
  for (const row of made) {
    const promised = row.atLeast !== undefined || row.atMost !== undefined || row.within !== undefined;
    const judged = row.error
      ? { ...row, verdict: 'failed' }
      : promised
        ? { ...row, verdict: verdictOf(row) }
        : row;
    rows.push(judged);
    console.log(lineOf(judged));
  }
}

function lineOf({ metric, engine, model, threads, value, unit, ratio, low, high, against, verdict, error }) {
  if (error) return `${metric.padEnd(22)} ${error}`;
  const name = `${engine} ${model} ${threads}`.padEnd(24);
  const number = `${value.toPrecision(4)} ${unit}`.padEnd(16);
  const than = against ? ` ${against.engine} ${against.model} ${against.threads}` : '';
  const times =
    ratio === null ? '' : `${ratio.toFixed(2)} x${than} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return `${metric.padEnd(22)} ${name} ${number} ${times} ${verdict ?? ''}`;
}

function finish() {
  const result = { date: new Date().toISOString(), quick: options.quick, machine, rows };
  writeFileSync(join(outFolder, 'perf.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(outFolder, 'perf.html'), renderReport(result));
  console.log(`\nWritten: ${join(outFolder, 'perf.json')} and perf.html`);
  if (options['peers-only']) return;
  const isSentinel = ({ metric }) => metric === 'sentinel';
  const conclusive = rows.every(
    (row) => !isSentinel(row) || row.verdict === undefined || row.verdict === 'met',
  );
  const missed = rows.filter((row) => row.verdict === 'missed' && !isSentinel(row));
  const failed = rows.filter((row) => row.verdict === 'failed');
  if (!conclusive) console.log('Inconclusive: selvedge does not agree with itself. Is the machine busy?');
  else if (missed.length > 0) console.log(`${missed.length} of the table's figures were missed.`);
  if (failed.length > 0) console.log(`${failed.length} measurements could not be made.`);
  if (failed.length > 0 || (conclusive && missed.length > 0)) process.exitCode = 1;
}

function describeMachine() {
  const flags = /^flags\s*:\s*(.*)$/m.exec(readCpuInfo())?.[1]?.split(' ') ?? [];
  const kept = flags.filter((flag) => /^(ssse3|sse4|avx|fma|f16c|amx)/.test(flag));
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    flags: kept,
    platform: process.platform,
  };
}

function readCpuInfo() {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

function firstLine(error) {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0];
}
