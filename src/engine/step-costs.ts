/** Measures what steps of one and of several rows take, while no request runs. */
import type { PickRequest, Sampling, Session } from '../backend/session.ts';
import type { CostCurve } from '../speculation/cost-curve.ts';

/** Where a batch's cost changes its course. */
const WIDTHS = [1, 2, 4, 8, 16];
/** The median of so many steps, after one that is not counted. */
const REPEATS = 3;
/** Wider steps are not tried once one took longer: a request could wait for it. */
const LONGEST_MS = 150;

const GREEDY: Sampling = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 0,
  choice: 0,
  statistics: false,
  topCount: 0,
};

/** Fills the curve; before each step `idle` waits until no request runs. */
export async function measureCosts(
  session: Session,
  curve: CostCurve,
  { idle, now }: { idle: () => Promise<void>; now: () => number },
): Promise<void> {
  const { contextLength } = session.info();
  await idle();
  const cache = session.createCache();
  try {
    for (const width of WIDTHS.filter((wide) => wide * (REPEATS + 1) <= contextLength)) {
      const ids = new Int32Array(width);
      const requests: PickRequest[] = Array.from(ids, (_, row) => ({ row, sampling: GREEDY }));
      const times: number[] = [];
      for (let i = 0; i <= REPEATS; i++) {
        await idle();
        const start = now();
        await session.step(ids, cache, requests);
        times.push(now() - start);
      }
      cache.rewind(0);
      const median = times.slice(1).toSorted((a, b) => a - b)[REPEATS >> 1]!;
      curve.observe(width, median);
      if (median > LONGEST_MS) return;
    }
  } finally {
    cache.dispose();
  }
}
