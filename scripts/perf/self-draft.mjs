/**
 * What it gives to draft with the target itself, through the draft view of its keys and values: one token drafted before each
 * step, against plain decoding from the same place, greedily, behind texts of several lengths. The texts are the project's
 * own documents. How many drafts were right, and the ratio of the rates. The tokens must be the same.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/paths.mjs';
import { pageOptions } from './lab.mjs';
import { pairedRatio } from './paired-ratio.mjs';
import { openWorker } from './worker.mjs';

const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/benchmarks.md', 'docs/oracle.md'];
/** Where the texts begin, in tokens of all documents together. */
const STARTS = [0, 1100, 2300, 3400];
const LOOKAHEAD = 1;

const lengths = [256, 1400, 4096];

/** (lab, address, threads, work) -> the row's numbers, as in singles.mjs. */
export const selfDraftMetrics = Object.fromEntries(
  lengths.map((length) => [
    `self-draft-${length}`,
    (lab, address, threads, work) => measure(lab, address, { threads, length }, work),
  ]),
);

async function measure(lab, address, { threads, length }, { longTokens: count }) {
  const target = await openTarget(lab, address, threads);
  const rates = [[], []];
  let [drafted, accepted] = [0, 0];
  try {
    for (const start of STARTS) {
      await target.ask({ method: 'read', start, length });
      for (let pair = 0; pair < 3; pair++) {
        const spoken = [];
        for (const side of pair % 2 === 0 ? [0, 1] : [1, 0]) {
          const lookahead = side === 0 ? LOOKAHEAD : 0;
          spoken[side] = await target.ask({ method: 'speak', count, lookahead });
          rates[side].push((1000 * count) / spoken[side].ms);
        }
        if (String(spoken[0].ids) !== String(spoken[1].ids)) throw new Error('Drafts changed the tokens');
        drafted += spoken[0].drafted;
        accepted += spoken[0].accepted;
      }
    }
  } finally {
    await target.close();
  }
  return { value: (100 * accepted) / drafted, unit: '% right', ...pairedRatio(rates[0], rates[1]) };
}

/** The worker of self-draft/, with its session open. */
async function openTarget(lab, address, threads) {
  const target = await openWorker(lab, '/self-draft.js');
  const { url } = pageOptions(address, { engine: 'selvedge', model: 'q4_1', threads });
  const text = DOCUMENTS.map((name) => readFileSync(join(root, name), 'utf8')).join('\n');
  const options = { threads, simd: 'auto', kv: 'q8', contextLength: 8192 };
  await target.ask({ method: 'open', url, text, options });
  return target;
}
