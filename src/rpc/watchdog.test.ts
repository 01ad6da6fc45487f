/**
 * When a worker counts as hung, on a timer that the test turns by hand.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SILENT_TICKS, createWatchdog } from './watchdog.ts';
import type { Watchdog } from './watchdog.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date', 'performance'] }));
afterEach(() => void vi.useRealTimers());

interface Setup {
  watchdog: Watchdog;
  ended: AbortController;
  seen: { pings: number; silences: number };
  /** Answers all pings from now on, and those that wait. */
  answer(): void;
  fallSilent(): void;
  ticks(count: number): Promise<void>;
}

function setUp(): Setup {
  const seen = { pings: 0, silences: 0 };
  const ended = new AbortController();
  let isSilent = false;
  let waiting: (() => void)[] = [];
  const watchdog = createWatchdog({
    ping() {
      seen.pings += 1;
      return isSilent ? new Promise<void>((resolve) => waiting.push(resolve)) : Promise.resolve();
    },
    onSilence: () => (seen.silences += 1),
    ended: ended.signal,
    tickMs: 10,
  });
  return {
    watchdog,
    ended,
    seen,
    answer() {
      isSilent = false;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    fallSilent: () => (isSilent = true),
    async ticks(count) {
      for (let i = 0; i < count; i++) await vi.advanceTimersByTimeAsync(10);
    },
  };
}

const forever = new Promise<never>(() => {});

test('a worker that answers is left alone, however long a call takes', async () => {
  const { watchdog, seen, ticks } = setUp();
  watchdog.during(forever);
  await ticks(10 * SILENT_TICKS);
  expect(seen).toEqual({ pings: 10 * SILENT_TICKS, silences: 0 });
});

test('a worker that stays silent for all the ticks is given up, once', async () => {
  const { watchdog, seen, fallSilent, ticks } = setUp();
  fallSilent();
  watchdog.during(forever);
  await ticks(SILENT_TICKS);
  expect(seen).toEqual({ pings: 1, silences: 0 });
  await ticks(1);
  expect(seen.silences).toBe(1);
  await ticks(10 * SILENT_TICKS);
  expect(seen).toEqual({ pings: 1, silences: 1 });
});

test('an answer that comes late, as after a long block, starts the count again', async () => {
  const { watchdog, seen, answer, fallSilent, ticks } = setUp();
  watchdog.during(forever);
  for (let i = 0; i < 5; i++) {
    fallSilent();
    await ticks(SILENT_TICKS);
    answer();
    await ticks(1);
  }
  expect(seen.silences).toBe(0);
});

test('a tab that was suspended has not ticked, so the time of it does not count', async () => {
  const { watchdog, seen, fallSilent, ticks } = setUp();
  fallSilent();
  watchdog.during(forever);
  await ticks(2);
  vi.setSystemTime(Date.now() + 86_400_000);
  await ticks(2);
  expect(seen.silences).toBe(0);
});

test('without anything pending the worker is not asked', async () => {
  const { watchdog, seen, fallSilent, ticks } = setUp();
  await ticks(5);
  expect(seen.pings).toBe(0);
  watchdog.during(Promise.reject(new Error('no')));
  watchdog.during(Promise.resolve());
  fallSilent();
  await ticks(2 * SILENT_TICKS);
  expect(seen).toEqual({ pings: 0, silences: 0 });
});

test('two calls are watched until both are settled', async () => {
  const { watchdog, seen, fallSilent, ticks } = setUp();
  let finish = (): void => {};
  watchdog.during(forever);
  watchdog.during(new Promise<void>((resolve) => (finish = resolve)));
  finish();
  fallSilent();
  await ticks(SILENT_TICKS + 1);
  expect(seen.silences).toBe(1);
});

test('a worker that is gone is not asked any more', async () => {
  const { watchdog, ended, seen, ticks } = setUp();
  watchdog.during(forever);
  ended.abort();
  watchdog.during(forever);
  await ticks(5);
  expect(seen.pings).toBe(0);
});
