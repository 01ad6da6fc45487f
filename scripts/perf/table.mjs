/**
 * What is measured, and what must be reached, as data. Ratios are of selvedge to the other side, of rates unless
 * `lessIsBetter`. `atLeast` fails a run, `aim` is where we want to be. The figures hold for processors with
 * AVX-VNNI.
 */

const ours = (threads, more = {}) => ({ engine: 'selvedge', model: 'q4_1', threads, ...more });
const wllama = (threads, model = 'q4_1') => ({ engine: 'wllama', model, threads });
const transformers = (threads) => ({ engine: 'transformers', model: 'onnx-q8', threads });
const native = (threads) => ({ engine: 'native', model: 'q4_1', threads });

/** Where a peer decodes a few tokens a second. */
const SLOW = { decodeTokens: 32, pairs: 5 };

/** selvedge against itself, before and after everything else: a machine that others use too shows here. */
function sentinel(threads) {
  const theirs = ours(threads, { twin: true });
  return { metric: 'sentinel', what: 'decode', ours: ours(threads), theirs, within: [0.9, 1.1] };
}

/** Two sides measured in turns. `what` names the rate: decode, prefill, or decode after a long prompt. */
export const comparisons = [
  sentinel(1),

  { metric: 'decode', what: 'decode', ours: ours(1), theirs: wllama(1), atLeast: 16, aim: 20 },
  { metric: 'decode', what: 'decode', ours: ours(2), theirs: wllama(2), atLeast: 15, aim: 17.5 },
  { metric: 'decode', what: 'decode', ours: ours(1), theirs: native(1), atLeast: 1.5, aim: 2 },

  { metric: 'prefill', what: 'prefill', ours: ours(1), theirs: wllama(1), atLeast: 25, aim: 32 },
  { metric: 'prefill', what: 'prefill', ours: ours(2), theirs: wllama(2), atLeast: 25, aim: 32 },
  { metric: 'prefill', what: 'prefill', ours: ours(1), theirs: native(1), atLeast: 2, aim: 2.6 },

  ...[1, 2].flatMap((threads) =>
    [transformers(threads), wllama(threads, 'q8_0')].flatMap((theirs) => [
      { metric: 'decode-best-peer', what: 'decode', ours: ours(threads), theirs, atLeast: 7, aim: 9 },
      { metric: 'prefill-best-peer', what: 'prefill', ours: ours(threads), theirs, atLeast: 12, aim: 17 },
    ]),
  ),

  ...[1, 2].map((threads) => ({
    metric: 'decode-no-vnni',
    what: 'decode',
    browser: 'no-vnni',
    ours: ours(threads),
    theirs: wllama(threads),
    atLeast: 10,
    aim: 13,
  })),
  ...[1, 2].map((threads) => ({
    metric: 'decode-firefox',
    what: 'decode',
    browser: 'firefox',
    work: SLOW,
    ours: ours(threads),
    theirs: wllama(threads),
    atLeast: 10,
    aim: 12,
  })),
  {
    metric: 'decode-plain-simd',
    what: 'decode',
    ours: ours(1, { simd: 'plain' }),
    theirs: wllama(1),
    atLeast: 4,
    aim: 6,
  },

  ...[
    ['qwen2.5-coder-0.5b', 8, 11],
    ['qwen2.5-coder-1.5b', 7, 10],
    ['gemma-3-270m', 6.5, 8],
  ].map(([model, atLeast, aim]) => ({
    metric: 'decode-large',
    what: 'decode',
    work: SLOW,
    ours: ours(2, { model }),
    theirs: wllama(2, model),
    atLeast,
    aim,
  })),
  ...[1, 2].map((threads) => ({
    metric: 'decode-at-1400',
    what: 'decode',
    ours: ours(threads, { what: 'decode-long' }),
    theirs: ours(threads, { twin: true }),
    atLeast: 0.6,
    aim: 0.75,
  })),
  { metric: 'second-thread-decode', what: 'decode', ours: ours(2), theirs: ours(1), atLeast: 1.5, aim: 1.65 },
  {
    metric: 'second-thread-prefill',
    what: 'prefill',
    ours: ours(2),
    theirs: ours(1),
    atLeast: 1.8,
    aim: 1.95,
  },
  {
    metric: 'second-thread-busy',
    what: 'decode',
    busyCores: true,
    ours: ours(2),
    theirs: ours(1),
    atLeast: 0.9,
    aim: 1.2,
  },
  sentinel(2),
];

/** Measured each in its own way by singles.mjs. */
export const singles = [
  { metric: 'bandwidth-share', threads: 1, atLeast: 0.8, aim: 0.92 },
  { metric: 'bandwidth-share', threads: 2, atLeast: 0.8, aim: 0.92 },
  { metric: 'load', threads: 2, atMost: 0.5, aim: 0.25 },
  { metric: 'packing', threads: 1, model: 'qwen2.5-coder-0.5b', atMost: 5, aim: 2 },
  // Computing over reading: how many times sooner the first token of a long prompt comes that was stored before.
  { metric: 'prefix-first-token', threads: 2, atLeast: 12, aim: 25 },
  { metric: 'prefix-reload', threads: 2, atLeast: 2, aim: 4 },
  // Decoding right behind a long prompt, with its keys and values being kept over without.
  { metric: 'prefix-writing', threads: 2, atLeast: 0.98, aim: 1 },
  // Guessing ahead over not guessing: geometric means over twelve prompts each.
  ...['q4_1', 'qwen2.5-coder-0.5b'].flatMap((model) => [
    { metric: 'speculation-repeating', threads: 2, model, atLeast: 1.3, aim: 1.7 },
    { metric: 'speculation-ordinary', threads: 2, model, atLeast: 1, aim: 1.15 },
    { metric: 'speculation-noise', threads: 2, model, atLeast: 0.98, aim: 0.99 },
    { metric: 'speculation-wrong', threads: 2, model, atLeast: 0.98, aim: 0.99 },
  ]),
  ...[
    { metric: 'draft-model', threads: 2, atLeast: 1, aim: 1.2 },
    { metric: 'draft-model-regret', threads: 2, atLeast: 0.95, aim: 1 },
  ].map((row) => ({
    ...row,
    model: 'qwen2.5-coder-1.5b',
    files: ['qwen2.5-coder-1.5b', 'qwen2.5-coder-0.5b'],
  })),
  // Drafting with the target itself over plain decoding: recorded, nothing is asked of it.
  ...[1, 2].flatMap((threads) =>
    [256, 1400, 4096].map((length) => ({ metric: `self-draft-${length}`, threads })),
  ),
  { metric: 'memory', threads: 1, atMost: 1.5, aim: 1.25 },
  { metric: 'download', threads: 0, atMost: 120, aim: 80 },
  { metric: 'long-tasks', threads: 2, atMost: 0, aim: 0 },
];

/**
 * Whether a row keeps its promise: 'met', 'missed' (its whole interval lies on the wrong side), or 'unclear'. Rows
 * without an interval are exact.
 */
export function verdictOf({ ratio, value, low, high, atLeast, atMost, within }) {
  const [lowest, highest] = ratio === null ? [value, value] : [low, high];
  if (within) return lowest >= within[0] && highest <= within[1] ? 'met' : 'missed';
  if (atLeast !== undefined) return lowest >= atLeast ? 'met' : highest < atLeast ? 'missed' : 'unclear';
  if (atMost !== undefined) return highest <= atMost ? 'met' : lowest > atMost ? 'missed' : 'unclear';
  return 'met';
}
