/**
 * Takes the samples of one comparison: both sides stay loaded, are warmed up once, and run in turns, the order
 * changing from pair to pair.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { median, pairedRatio } from './paired-ratio.mjs';
import { longPrompt, shortPrompt } from './workload.mjs';

let promptCount = 0;

/** One sample: tokens per second. */
export async function sampleRate(engine, what, work) {
  if (what === 'decode') {
    const { decodeTokens, decodeMs } = await engine.run({ prompt: shortPrompt, tokens: work.decodeTokens });
    return decodeTokens / (decodeMs / 1000);
  }
  const prompt = longPrompt(++promptCount, what === 'prefill' ? work.prefillWords : work.longWords);
  if (what === 'prefill') {
    const { promptTokens, promptMs } = await engine.run({ prompt, tokens: 1 });
    return promptTokens / (promptMs / 1000);
  }
  const { decodeTokens, decodeMs } = await engine.run({ prompt, tokens: work.longTokens });
  return decodeTokens / (decodeMs / 1000);
}

/** @returns rows: ours with the ratio, and theirs. */
export async function compare(lab, comparison, commonWork) {
  const work = { ...commonWork, ...comparison.work };
  const { metric, what, ours, theirs, busyCores } = comparison;
  const sides = [];
  const busy = [];
  try {
    sides.push(await lab.open(ours), await lab.open(theirs));
    if (busyCores) busy.push(...keepCoresBusy());
    const whats = [ours.what ?? what, what];
    const samples = [[], []];
    for (const side of [0, 1]) {
      await sides[side].run({ prompt: shortPrompt, tokens: 8 });
    }
    const pairs = what === 'prefill' ? work.prefillPairs : work.pairs;
    for (let pair = 0; pair < pairs; pair++) {
      for (const side of pair % 2 === 0 ? [0, 1] : [1, 0]) {
        samples[side].push(await sampleRate(sides[side], whats[side], work));
      }
    }
    const { atLeast, aim, within } = comparison;
    // The table's prefill is of 1,400 tokens; a shorter one is another race.
    const shortened = what === 'prefill' && work.prefillWords < work.longWords;
    const promise = shortened ? {} : { atLeast, aim, within };
    const measured = {
      metric,
      unit: 'tok/s',
      ...(comparison.browser ? { browser: comparison.browser } : {}),
    };
    return [
      {
        ...measured,
        ...describe(ours),
        value: median(samples[0]),
        against: describe(theirs),
        ...pairedRatio(samples[0], samples[1]),
        ...promise,
        samples,
      },
      { ...measured, ...describe(theirs), value: median(samples[1]), ratio: null, low: null, high: null },
    ];
  } finally {
    for (const child of busy) child.kill();
    for (const side of sides) await side.close();
  }
}

function describe({ engine, model, threads, simd, what }) {
  return { engine, model, threads, ...(simd ? { simd } : {}), ...(what ? { what } : {}) };
}

/** One process per core that does nothing but take its time. */
function keepCoresBusy() {
  return Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
}
