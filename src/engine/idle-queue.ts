/**
 * Work that waits until nobody waits: one job after the other, and within a job only while no request runs. A job asks
 * `idle` before every piece of work, so what a request can be kept waiting by is one piece. Idle begins a while after the
 * last request: the next of a row comes at once, and a piece begun between two would slow the second down.
 */
import type { Scheduler } from './scheduler.ts';

export interface IdleQueue {
  /** Settles as the job does. `idle` resolves when no request has run for a while. */
  add<T>(job: (idle: () => Promise<void>) => Promise<T>): Promise<T>;
}

/** How long it must have been quiet, in milliseconds: people take longer to ask again, programs do not. */
export const QUIET_MS = 250;

/** `quiet` resolves after `QUIET_MS`. */
export function createIdleQueue(scheduler: Scheduler, quiet: () => Promise<void>): IdleQueue {
  let last: Promise<unknown> = Promise.resolve();
  /** The request after which it was quiet. */
  let calmSince = -1;

  async function idle(): Promise<void> {
    while (scheduler.busy || calmSince !== scheduler.started) {
      await scheduler.whenIdle();
      const { started } = scheduler;
      await quiet();
      if (!scheduler.busy) calmSince = started;
    }
  }

  return {
    add(job) {
      const run = last.then(() => job(idle));
      last = run.catch(() => undefined);
      return run;
    },
  };
}
