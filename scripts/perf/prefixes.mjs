/**
 * What kept prefixes win and cost: the first token of a long prompt that was stored before the engine was opened, against
 * computing it; the same with the loading of the model; decoding while the prompt before is being written.
 */
import { sampleRate } from './compare.mjs';
import { pageOptions } from './lab.mjs';
import { median, pairedRatio } from './paired-ratio.mjs';
import { longPrompt } from './workload.mjs';

const spec = (threads, keeps) => ({
  engine: 'selvedge',
  model: 'q4_1',
  threads,
  ...(keeps ? { prefixes: {} } : {}),
});

/** (lab, address, threads, work) -> the row's numbers, as in singles.mjs. */
export const prefixMetrics = {
  async 'prefix-first-token'(lab, address, threads, work) {
    const prompt = await store(lab, threads, work);
    const sample = async (keeps) => {
      const engine = await lab.open(spec(threads, keeps));
      try {
        const { ms, computed } = await engine.firstToken(prompt);
        if (keeps && computed !== 1) throw new Error(`${computed} tokens were computed, not 1`);
        return ms;
      } finally {
        await engine.close();
      }
    };
    return timesSooner(work, sample);
  },

  async 'prefix-reload'(lab, address, threads, work) {
    const prompt = await store(lab, threads, work);
    const sample = (keeps) =>
      lab.page.evaluate(
        ([o, run]) => window.bench.timeToFirstToken(o, run),
        [pageOptions(address, spec(threads, keeps)), { prompt }],
      );
    return timesSooner(work, sample);
  },

  async 'prefix-writing'(lab, address, threads, work) {
    const engines = [await lab.open(spec(threads, true)), await lab.open(spec(threads, false))];
    const rates = [[], []];
    try {
      // Two hundredths are asked for, where single samples differ by five.
      for (let pair = 0; pair < 3 * work.pairs; pair++) {
        for (const side of pair % 2 === 0 ? [0, 1] : [1, 0]) {
          await engines[side].firstToken(longPrompt(`writing ${pair}`, work.longWords));
          rates[side].push(await sampleRate(engines[side], 'decode', work));
          if (side === 0) await engines[side].settle();
        }
      }
    } finally {
      for (const engine of engines) await engine.close();
    }
    return { value: median(rates[0]), unit: 'tok/s', ...pairedRatio(rates[0], rates[1]) };
  },
};

/** The long prompt, stored by an engine that is closed again. */
async function store(lab, threads, work) {
  const prompt = longPrompt('stored', work.longWords);
  const engine = await lab.open(spec(threads, true));
  await engine.firstToken(prompt);
  await engine.settle();
  await engine.close();
  return prompt;
}

/** Milliseconds with what is stored, and how many times less than without. */
async function timesSooner(work, sample) {
  const [without, stored] = [[], []];
  for (let pair = 0; pair < work.pairs; pair++) {
    for (const side of pair % 2 === 0 ? [0, 1] : [1, 0])
      [without, stored][side].push(await sample(side === 1));
  }
  return { value: median(stored), unit: 'ms', ...pairedRatio(without, stored) };
}
