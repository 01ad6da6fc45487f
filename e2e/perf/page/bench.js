/**
 * The measuring page's side of `npm run perf`. A driver outside calls `window.bench`: it opens engines under
 * names, runs one generation at a time on any of them, and closes them. All engines live in one page, so that
 * samples of two can alternate without anything else changing.
 *
 * A run is { prompt, tokens } -> { promptTokens, promptMs, decodeTokens, decodeMs }: decodeTokens are those after
 * the first, decodeMs the time they took. Engines that report timings of their own are believed.
 */
import { openSelvedge } from './engine-selvedge.js';
import { openTransformers } from './engine-transformers.js';
import { openWllama } from './engine-wllama.js';
import { readBandwidth } from './read-bandwidth.js';

const openers = { selvedge: openSelvedge, wllama: openWllama, transformers: openTransformers };
const opened = new Map();
const longTasks = [];
new PerformanceObserver((list) =>
  longTasks.push(...list.getEntries().map((entry) => entry.duration)),
).observe({
  type: 'longtask',
});

window.bench = {
  async open(name, { engine, ...options }) {
    opened.set(name, await openers[engine](options));
  },
  run: (name, options) => opened.get(name).run(options),
  /** One answer of selvedge to a request of its own kind: { text, tokens, ms, drafted, accepted }. */
  chat: (name, request) => opened.get(name).chat(request),
  /** Milliseconds from asking to the first token, and how many of the prompt's were computed. */
  async firstToken(name, prompt) {
    const start = performance.now();
    const { promptTokens } = await opened.get(name).run({ prompt, tokens: 1 });
    return { ms: performance.now() - start, computed: promptTokens };
  },
  /** What is to be kept is written. */
  settle: (name) => opened.get(name).settle(),
  info: (name) => opened.get(name).info(),
  async close(name) {
    await opened.get(name)?.close();
    opened.delete(name);
  },
  /** Milliseconds from nothing to the first token; the engine is closed again. */
  async timeToFirstToken({ engine, ...options }, run) {
    const prepared = options.fromMemory ? await (await fetch(options.url)).blob() : undefined;
    const start = performance.now();
    const instance = await openers[engine]({ ...options, ...(prepared ? { blob: prepared } : {}) });
    await instance.run({ ...run, tokens: 1 });
    const elapsed = performance.now() - start;
    await instance.close();
    return elapsed;
  },
  readBandwidth,
  userAgent: () => navigator.userAgent,
  /** Durations of main-thread tasks over 50 ms since the last call. */
  takeLongTasks: () => longTasks.splice(0),
};
