/**
 * Work that waits until nobody waits: one job after the other, and within a job only while no request runs. A job asks
 * `idle` before every piece of work, so what a request can be kept waiting by is one piece.
 */
import type { Scheduler } from './scheduler.ts';

export interface IdleQueue {
  /** Settles as the job does. `idle` resolves when no request runs or waits. */
  add<T>(job: (idle: () => Promise<void>) => Promise<T>): Promise<T>;
}

export function createIdleQueue(scheduler: Scheduler): IdleQueue {
  let last: Promise<unknown> = Promise.resolve();

  async function idle(): Promise<void> {
    while (scheduler.busy) await scheduler.whenIdle();
  }

  return {
    add(job) {
      const run = last.then(() => job(idle));
      last = run.catch(() => undefined);
      return run;
    },
  };
}
