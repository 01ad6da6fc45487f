import { expect, test } from 'vitest';
import { createScheduler } from './scheduler.ts';

const never = new AbortController().signal;

/** A task that can be watched and ended from outside. */
function task(name: string, log: string[]): { run: () => Promise<void>; end: () => void } {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return {
    end,
    async run() {
      log.push(`${name} starts`);
      await ended;
      log.push(`${name} ends`);
    },
  };
}

test('tasks run one after the other, in order of arrival', async () => {
  const scheduler = createScheduler();
  const log: string[] = [];
  const a = task('a', log);
  const b = task('b', log);
  const all = [a, b].map(({ run }) => scheduler.run(run, { priority: 0, signal: never }));
  b.end();
  await Promise.resolve();
  expect(log).toEqual(['a starts']);
  a.end();
  await Promise.all(all);
  expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends']);
});

test('of those that wait the highest priority runs first, but does not displace the one that runs', async () => {
  const scheduler = createScheduler();
  const order: string[] = [];
  const first = task('first', []);
  const add = (name: string, priority: number): Promise<void> =>
    scheduler.run(async () => void order.push(name), { priority, signal: never });
  const running = scheduler.run(first.run, { priority: -5, signal: never });
  const all = [running, add('low', -1), add('normal', 0), add('high', 1), add('normal 2', 0)];
  expect(scheduler.waiting).toBe(4);
  first.end();
  await Promise.all(all);
  expect(order).toEqual(['high', 'normal', 'normal 2', 'low']);
});

test('a task aborted while it waits is never run, and rejects at once with the reason', async () => {
  const scheduler = createScheduler();
  const log: string[] = [];
  const first = task('first', log);
  const running = scheduler.run(first.run, { priority: 0, signal: never });
  const controller = new AbortController();
  const waiting = scheduler.run(task('second', log).run, { priority: 0, signal: controller.signal });
  const reason = new Error('not needed any more');
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(scheduler.waiting).toBe(0);
  first.end();
  await running;
  expect(log).toEqual(['first starts', 'first ends']);
});

test('a task aborted before it comes is not queued', async () => {
  const scheduler = createScheduler();
  const log: string[] = [];
  const signal = AbortSignal.abort();
  await expect(scheduler.run(task('a', log).run, { priority: 0, signal })).rejects.toBe(signal.reason);
  expect(log).toEqual([]);
});

test('a task that fails does not hold up the next', async () => {
  const scheduler = createScheduler();
  const failing = scheduler.run(() => Promise.reject(new Error('broken')), { priority: 0, signal: never });
  const next = scheduler.run(async () => 'fine', { priority: 0, signal: never });
  await expect(failing).rejects.toThrow('broken');
  await expect(next).resolves.toBe('fine');
});
