/**
 * What guessing ahead wins, and what it loses at worst. Two clients of one model, one that guesses and one that does not, are
 * asked the same in turns; where no client can have the guesser, two ways through the decode loop. Answers must be equal. The
 * ratio is the geometric mean over the prompts.
 */
import { pageOptions } from './lab.mjs';
import { meanRatio, median } from './paired-ratio.mjs';
import { coding, noise, ordinary, repeating } from './speculation-prompts.mjs';
import { openWorker } from './worker.mjs';

const ANSWER_TOKENS = 128;
/** After the first answers: what is done when it is quiet is done. */
const SETTLING_MS = 1500;
/** Nothing of past answers: the second time a prompt is asked it would be known. */
const FREE = { drafters: ['suffix'] };
const TARGET = 'qwen2.5-coder-1.5b';
const DRAFT = 'qwen2.5-coder-0.5b';
/** Tokens a draft model drafts before every step, to compare the controller with. */
const FIXED = [1, 2, 3];

/** (lab, address, threads, work, model) -> the row's numbers, as in singles.mjs. */
export const speculationMetrics = {
  'speculation-repeating': (...where) => betweenClients(where, repeating, { temperature: 0 }),
  'speculation-ordinary': (...where) => betweenClients(where, ordinary, { temperature: 0 }),
  'speculation-noise': (...where) => betweenClients(where, Array(12).fill(noise), { temperature: 1.5 }),

  async 'speculation-wrong'(lab, address, threads, work, model = 'q4_1') {
    const loop = await openLoop(lab, address, { threads, model });
    try {
      const { rates } = await inTurns(loop, ordinary, ['wrong', 'plain'], work.speculationRounds);
      return { value: 1000 * median(rates[0]), unit: 'tok/s', ...meanRatio(rates[0], rates[1]) };
    } finally {
      await loop.close();
    }
  },

  /** The draft model against plain decoding. */
  'draft-model': async (lab, address, threads) => {
    const { rates, counts } = await drafted(lab, address, threads, ['draft', 'plain']);
    return {
      value: 1000 * median(rates[0]),
      unit: 'tok/s',
      ...meanRatio(rates[0], rates[1]),
      ...counts[0],
    };
  },

  /** The draft model under control against the best of fixed lookaheads, known afterwards. Plain decoding is one of them. */
  'draft-model-regret': async (lab, address, threads) => {
    const { rates } = await drafted(lab, address, threads, ['draft', 'plain', ...FIXED]);
    const [ours, ...others] = rates;
    const best = others.toSorted((a, b) => meanRatio(b, a).ratio - 1)[0];
    return { value: 1000 * median(ours), unit: 'tok/s', ...meanRatio(ours, best) };
  },
};

/** Opened in both orders: the first of two engines on a page is slower by some hundredths, whoever it is. */
async function betweenClients([lab, , threads, work, model = 'q4_1'], prompts, sampling) {
  const spec = { engine: 'selvedge', model, threads };
  const sums = { rates: [[], []], drafted: 0, accepted: 0 };
  for (let round = 0; round < work.speculationRounds; round++) {
    const specs = [{ ...spec, speculation: FREE }, spec];
    const engines = [];
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) engines[side] = await lab.open(specs[side]);
    try {
      const sides = engines.map(
        (engine) => (content, seed) =>
          engine.chat({
            messages: [{ role: 'user', content }],
            max_tokens: ANSWER_TOKENS,
            seed,
            ...sampling,
          }),
      );
      for (const side of sides) await side(prompts[0], 0);
      await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
      const { rates, counts } = await takeTurns(sides, prompts, 1);
      sums.rates.forEach((all, side) => all.push(...rates[side]));
      sums.drafted += counts[0].drafted;
      sums.accepted += counts[0].accepted;
    } finally {
      for (const engine of engines) await engine.close();
    }
  }
  const { rates, ...counts } = sums;
  return { value: 1000 * median(rates[0]), unit: 'tok/s', ...meanRatio(rates[0], rates[1]), ...counts };
}

async function drafted(lab, address, threads, modes) {
  const loop = await openLoop(lab, address, { threads, model: TARGET, draft: DRAFT });
  try {
    return await inTurns(loop, coding, modes, 1);
  } finally {
    await loop.close();
  }
}

function inTurns(loop, prompts, modes, rounds) {
  const sides = modes.map((mode) => async (content) => {
    const { ids, ...rest } = await loop.ask({ method: 'speak', content, count: ANSWER_TOKENS, mode });
    return { ...rest, text: String(ids), tokens: ids.length };
  });
  return takeTurns(sides, prompts, rounds);
}

/** Asks each side each prompt, in an order that changes. Tokens per millisecond, and tokens guessed, by side. */
async function takeTurns(sides, prompts, rounds) {
  const rates = sides.map(() => []);
  const counts = sides.map(() => ({ drafted: 0, accepted: 0 }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, content] of prompts.entries()) {
      const order = sides.map((_, k) => (k + round + i) % sides.length);
      const answers = [];
      for (const side of order) {
        answers[side] = await sides[side](content, 1 + i);
        const { tokens, ms, drafted: guessed, accepted } = answers[side];
        rates[side].push((tokens - 1) / ms);
        counts[side].drafted += guessed;
        counts[side].accepted += accepted;
      }
      if (answers.some(({ text }) => text !== answers[0].text)) {
        throw new Error(`Guesses changed the answer to: ${content}`);
      }
    }
  }
  return { rates, counts };
}

/** The worker of speculation/, with its models open. */
async function openLoop(lab, address, { threads, model, draft }) {
  const loop = await openWorker(lab, '/decode-loop.js');
  const urlOf = (name) => pageOptions(address, { engine: 'selvedge', model: name, threads }).url;
  await loop.ask({ method: 'open', url: urlOf(model), draft: draft ? urlOf(draft) : null, threads });
  return loop;
}
