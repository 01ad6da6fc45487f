/**
 * Time for tests: it stands still while anything happens, and jumps to the next timer when nothing does. What is awaited
 * must be promises of this thread alone (no network), so that a turn of the event loop in which no timer was set means that
 * all wait for time.
 */
import type { Clock } from '../../src/provider/clock.ts';

export interface VirtualClock extends Clock {
  /** Lets time pass at once, for what has no timer. */
  advance(ms: number): void;
}

interface Timer {
  at: number;
  fire: () => void;
}

export function createVirtualClock(start = 1_700_000_000_000): VirtualClock {
  let now = start;
  const timers = new Set<Timer>();
  let isPumping = false;

  const pump = (): void => {
    isPumping = false;
    const next = [...timers].reduce<Timer | undefined>(
      (soonest, timer) => (soonest && soonest.at <= timer.at ? soonest : timer),
      undefined,
    );
    if (!next) return;
    timers.delete(next);
    now = Math.max(now, next.at);
    next.fire();
    startPump();
  };
  const startPump = (): void => {
    if (isPumping) return;
    isPumping = true;
    setImmediate(pump);
  };

  return {
    now: () => now,
    after(ms, fire) {
      const timer = { at: now + ms, fire };
      timers.add(timer);
      startPump();
      return () => timers.delete(timer);
    },
    advance(ms) {
      now += ms;
    },
  };
}
