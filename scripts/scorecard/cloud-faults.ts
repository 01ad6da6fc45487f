/**
 * The fault matrix of the cloud client: every fault at every place under every plan of who may go on, on a clock of its own.
 * Counted is what lost or doubled a character, and how many answers came to their end.
 */
import type { Fault } from '../../e2e/fixtures/cloud/wire.mjs';
import { lossOf, matrixRequest, PLANS, runMatrix, sentFor } from '../../test/fakes/cloud-matrix.ts';
import type { Plan } from '../../test/fakes/cloud-matrix.ts';
import { percent } from './gate.ts';
import type { Gate } from './gate.ts';

const PLAN_WORDS: Record<Plan, string> = {
  prefix: 'the endpoint goes on',
  local: 'this device goes on',
  forbidden: 'nobody may go on',
};

export const cloudFaults: Gate = {
  id: 'Faults',
  what: 'Answers of endpoints that fail: characters lost or doubled',
  target: 'none',
  async measure() {
    const faults = matrixFaults();
    const counts = { runs: 0, wrong: 0 };
    const rows: string[] = [];
    for (const plan of PLANS) {
      let complete = 0;
      const delays: number[] = [];
      for (const fault of faults) {
        const run = await runMatrix(plan, fault);
        counts.runs += 1;
        if (lossOf(plan, run) !== undefined) counts.wrong += 1;
        if (run.error === undefined) complete += 1;
        delays.push(run.ms);
      }
      const cells = [
        PLAN_WORDS[plan],
        percent(complete / faults.length),
        seconds(delays, 0.5),
        seconds(delays, 0.99),
      ];
      rows.push(`| ${cells.join(' | ')} |`);
    }
    return {
      value: `${counts.wrong} of ${counts.runs.toLocaleString('en')} runs`,
      met: counts.wrong === 0,
      note: [
        'A connection that is cut and one that stalls, at every byte of an answer; an event that is malformed, an error, or',
        'comes twice, at every place; hang-ups, silence, bursts of 5xx, 429 with `Retry-After` as seconds and as a date of',
        'another clock, a byte at a time. The scripted model goes astray where a beginning ends inside a word, and trims',
        'spaces. Where an answer did not come to its end, it failed with what had come. Delays are those of an',
        'endpoint of which nothing is known yet, so that a stall is noticed after half a minute, and silence after a minute.',
        '',
        '| plan | answers that came to their end | delay, median | 99th percentile |',
        '| - | -: | -: | -: |',
        ...rows,
      ].join('\n'),
    };
  },
};

function seconds(delays: readonly number[], quantile: number): string {
  const sorted = delays.toSorted((a, b) => a - b);
  return `${((sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0) / 1000).toFixed(2)} s`;
}

/** Each is what the requests of one run meet, in their order. */
function matrixFaults(): Fault[][] {
  const { byteCount, eventCount } = sentFor(matrixRequest);
  const bytes = Array.from({ length: byteCount + 1 }, (_, at) => at);
  const events = Array.from({ length: eventCount }, (_, at) => at);
  const asked = (value: string, skewMs = 0): Fault => ({
    status: 429,
    headers: { 'retry-after': value },
    skewMs,
  });
  const dates = [0, 3_600_000, -3_600_000].map((skewMs) =>
    asked(new Date(1_700_000_000_000 + skewMs + 5000).toUTCString(), skewMs),
  );
  return [
    ...bytes.flatMap((at) => [[{ cut: at }], [{ stall: at }]]),
    ...events.flatMap((at) => [[{ malformed: at }], [{ error: at }], [{ duplicate: at }]]),
    ...[{ hangUp: true }, { silent: true }, { drip: 2000 }, asked('3'), ...dates].map((fault): Fault[] => [
      fault as Fault,
    ]),
    [{ status: 500 }, { status: 503 }],
    [{ cut: 440 }, { stall: 600 }],
  ];
}
