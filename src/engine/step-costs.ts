/** Measures what steps of one and of several rows take, while no request runs. */
import { GREEDY } from '../backend/greedy.ts';
import type { KvCache, PickRequest, Session } from '../backend/session.ts';
import type { CostCurve } from '../speculation/cost-curve.ts';

/** Where a batch's cost changes its course. */
const WIDTHS = [1, 2, 4, 8, 16];
/** Steps of each width at a time. */
const REPEATS = 4;
/** Wider steps are not tried once one took longer: a request could wait for it. */
const LONGEST_MS = 150;

/**
 * Times steps of each width in turns and gives the least time of each to the curve: what else goes on can only make a step
 * slower. Called again, it goes on with what it had. Before each step `idle` waits until no request runs.
 */
export function createStepCosts(
  session: Session,
  curve: CostCurve,
  now: () => number,
): (idle: () => Promise<void>) => Promise<void> {
  const times = new Map<number, number>();
  const { contextLength } = session.info();
  let widths = WIDTHS.filter((width) => width <= contextLength);

  async function time(cache: KvCache, width: number): Promise<number> {
    const ids = new Int32Array(width);
    const requests: PickRequest[] = Array.from(ids, (_, row) => ({ row, sampling: GREEDY }));
    const start = now();
    await session.step(ids, cache, requests);
    cache.rewind(0);
    return now() - start;
  }

  return async (idle) => {
    await idle();
    const cache = session.createCache();
    try {
      for (let i = 0; i < REPEATS; i++) {
        for (const width of widths) {
          await idle();
          const ms = await time(cache, width);
          times.set(width, Math.min(ms, times.get(width) ?? Infinity));
          if (ms > LONGEST_MS) widths = widths.filter((other) => other <= width);
        }
      }
    } finally {
      cache.dispose();
    }
    curve.calibrate(times);
  };
}
