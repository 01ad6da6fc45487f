/** The choice of threads, on a clock that only steps move. */
import { expect, it } from 'vitest';
import type { WasmCache } from './cache.ts';
import { chooseThreads } from './tune.ts';

/** The threads chosen where a step with `threads` takes `msOf(threads, step)`; `step` counts those before it. */
async function chosen(
  msOf: (threads: number, step: number) => number,
  available = 2,
  wanted: number | 'auto' = 'auto',
): Promise<{ threads: number; steps: number; ms: number }> {
  let ms = 0;
  let steps = 0;
  let threads = 1;
  const session = {
    createCache: () => ({ dispose: () => undefined }) as unknown as WasmCache,
    useThreads(count: number) {
      threads = count;
    },
    run() {
      ms += msOf(threads, steps);
      steps += 1;
    },
  };
  await chooseThreads(session, available, wanted, () => ms);
  return { threads, steps, ms };
}

it('takes the count with the quickest steps, and fewer threads at a tie', async () => {
  expect((await chosen((threads) => 12 / threads, 4)).threads).toBe(4);
  expect((await chosen((threads) => (threads === 2 ? 5 : 9), 4)).threads).toBe(2);
  expect((await chosen((threads) => 3 - 0.01 * threads)).threads).toBe(1);
});

it('is not misled by what else runs while a page loads', async () => {
  const busy = (threads: number, step: number): number => (step < 10 && threads > 1 ? 20 : 6 / threads);
  expect((await chosen(busy)).threads).toBe(2);
});

it('times slow models no longer than it must', async () => {
  expect((await chosen((threads) => 200 / threads)).steps).toBe(3 + 3 * 2);
  const { steps, ms } = await chosen((threads) => 3 / threads);
  expect(steps).toBe(3 + 12 * 2);
  expect(ms).toBeLessThan(100);
});

it('does not time what was asked for, and takes no more than there are', async () => {
  expect(await chosen(() => 1, 4, 3)).toEqual({ threads: 3, steps: 0, ms: 0 });
  expect((await chosen(() => 1, 2, 8)).threads).toBe(2);
});
