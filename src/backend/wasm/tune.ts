/**
 * How many threads a session uses: measured, since cores are unequal and often busy. A few single-row steps with each
 * count, the fastest wins; a tie goes to fewer threads. The first steps also let the browser optimise the kernels.
 */
import type { WasmCache } from './cache.ts';

/** What is timed. */
interface Tunable {
  createCache(): WasmCache;
  useThreads(count: number): void;
  run(ids: readonly number[], cache: WasmCache, requests: readonly never[]): void;
}

const WARM_UP_STEPS = 3;
const TIMED_STEPS = 3;

export async function chooseThreads(
  session: Tunable,
  available: number,
  wanted: number | 'auto',
): Promise<void> {
  if (wanted !== 'auto' || available === 1) {
    session.useThreads(wanted === 'auto' ? available : Math.min(wanted, available));
    return;
  }
  const cache = session.createCache();
  const timeOf = (threads: number): number => {
    session.useThreads(threads);
    let best = Infinity;
    for (let i = 0; i < TIMED_STEPS; i++) {
      const start = performance.now();
      session.run([0], cache, []);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  };
  for (let i = 0; i < WARM_UP_STEPS; i++) session.run([0], cache, []);
  let chosen = { threads: 1, time: timeOf(1) };
  for (let threads = 2; threads <= available; threads++) {
    const time = timeOf(threads);
    if (time < chosen.time * 0.97) chosen = { threads, time };
  }
  session.useThreads(chosen.threads);
  cache.dispose();
}
