/** R6 and R7: how long a decision takes, how much is fetched for it, and whether its record gives it again. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { decide, replay } from '../../src/router/decide.ts';
import type { DecisionRecord } from '../../src/router/decision.ts';
import { anyRecord } from '../../test/fakes/records.ts';
import { root } from '../lib/paths.mjs';
import type { Gate } from './gate.ts';

const RECORDS = 2000;
const WARM_UP = 1000;
const ROUNDS = 3;
const LIMIT_MS = 2;
const LIMIT_BYTES = 300_000;

/** Any request under any policy in any state of things, three providers each. */
const records = (): DecisionRecord[] => fc.sample(anyRecord, { numRuns: RECORDS, seed: 7 });

export const decisionTime: Gate = {
  id: 'R6',
  what: 'Routing: time of a decision',
  target: '95th percentile under 2 ms, without the search for personal things',
  async measure() {
    const all = records();
    for (const record of all.slice(0, WARM_UP)) decide(record);
    const times = all.map(leastTime).sort((a, b) => a - b);
    const p95 = times[Math.floor(0.95 * times.length)] ?? Infinity;
    return {
      value: `${p95.toFixed(3)} ms`,
      met: p95 < LIMIT_MS,
      note:
        `${RECORDS} random records, five plans each, in Node. Of each the least of ${ROUNDS} times, since others use the ` +
        `machine; the longest of these is ${times.at(-1)?.toFixed(3)} ms.`,
    };
  },
};

function leastTime(record: DecisionRecord): number {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    decide(record);
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

export const routingDownload: Gate = {
  id: 'R6',
  what: 'Routing: download with its tables, gzip',
  target: 'under 300 KB',
  async measure() {
    const folder = join(root, 'dist/lib');
    const files = existsSync(folder)
      ? readdirSync(folder).filter((name) => name.endsWith('.js') && name !== 'index.js')
      : [];
    if (files.length === 0) return { value: 'not built', met: null, note: 'Run `npm run build` first.' };
    const sizes = files.map((name) => ({ name, bytes: gzipSync(readFileSync(join(folder, name))).length }));
    const sum = sizes.reduce((total, { bytes }) => total + bytes, 0);
    const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(0)} KB`;
    const list = sizes.map(({ name, bytes }) => `${name} ${kilobytes(bytes)}`).join(', ');
    return {
      value: kilobytes(sum),
      met: sum < LIMIT_BYTES,
      note: `Beside the library, and only for pages with a cloud: ${list}.`,
    };
  },
};

export const replayed: Gate = {
  id: 'R7',
  what: 'Routing: decisions made again from their records',
  target: 'byte for byte the same',
  async measure() {
    const all = records();
    const same = all.filter((record) => {
      const written = JSON.stringify(decide(record));
      const { record: kept } = JSON.parse(written) as { record: DecisionRecord };
      return JSON.stringify(replay(kept)) === written;
    });
    return {
      value: `${same.length} of ${all.length}`,
      met: same.length === all.length,
      note: 'Random records; each was written as JSON, read, and decided again.',
    };
  },
};
