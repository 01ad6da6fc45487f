/**
 * How many threads a session uses: measured, since cores are unequal and often busy. Single-row steps with each count in turns,
 * so that what else runs while a page loads meets all of them; the least time of each is compared, and a tie goes to fewer
 * threads. The first steps also let the browser optimise the kernels.
 */
import type { WasmCache } from './cache.ts';

/** What is timed. */
interface Tunable {
  createCache(): WasmCache;
  useThreads(count: number): void;
  run(ids: readonly number[], cache: WasmCache, requests: readonly never[]): void;
}

const WARM_UP_STEPS = 3;
/** A step with each count: so many rounds at least, and more while they have taken less than so many milliseconds. */
const LEAST_ROUNDS = 3;
const MOST_ROUNDS = 12;
const ENOUGH_MS = 100;

export async function chooseThreads(
  session: Tunable,
  available: number,
  wanted: number | 'auto',
  now: () => number = () => performance.now(),
): Promise<void> {
  if (wanted !== 'auto' || available === 1) {
    session.useThreads(wanted === 'auto' ? available : Math.min(wanted, available));
    return;
  }
  const cache = session.createCache();
  const least = Array.from({ length: available }, () => Infinity);
  for (let i = 0; i < WARM_UP_STEPS; i++) session.run([0], cache, []);
  const begun = now();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (round >= LEAST_ROUNDS && now() - begun > ENOUGH_MS) break;
    for (let i = 0; i < available; i++) {
      session.useThreads(i + 1);
      const start = now();
      session.run([0], cache, []);
      least[i] = Math.min(least[i]!, now() - start);
    }
  }
  const chosen = least.reduce((best, time, i) => (time < least[best]! * 0.97 ? i : best), 0);
  session.useThreads(chosen + 1);
  cache.dispose();
}
