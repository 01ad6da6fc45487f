import { expect, test } from 'vitest';
import { createIdleQueue } from './idle-queue.ts';
import { createScheduler } from './scheduler.ts';

const options = { priority: 0, signal: new AbortController().signal };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue whose quiet ends when the test says so. */
function open(): {
  queue: ReturnType<typeof createIdleQueue>;
  scheduler: ReturnType<typeof createScheduler>;
  calm(): Promise<void>;
} {
  const scheduler = createScheduler();
  let end: () => void = () => {};
  const queue = createIdleQueue(scheduler, () => new Promise((resolve) => (end = resolve)));
  return {
    queue,
    scheduler,
    async calm() {
      end();
      await turn();
    },
  };
}

test('a piece of work begins only when it has been quiet since the last request', async () => {
  const { queue, scheduler, calm } = open();
  const done: string[] = [];
  const job = queue.add(async (idle) => {
    await idle();
    done.push('first piece');
    await idle();
    done.push('second piece');
  });
  await turn();
  expect(done).toEqual([]);
  await scheduler.run(async () => void done.push('request'), options);
  await calm();
  expect(done).toEqual(['request']);
  await calm();
  await job;
  expect(done).toEqual(['request', 'first piece', 'second piece']);
});

test('a request between two pieces makes the second wait for quiet again', async () => {
  const { queue, scheduler, calm } = open();
  const done: string[] = [];
  let leavePiece: () => void = () => {};
  const job = queue.add(async (idle) => {
    await idle();
    await new Promise<void>((resolve) => (leavePiece = resolve));
    done.push('first piece');
    await idle();
    done.push('second piece');
  });
  await turn();
  await calm();
  await scheduler.run(async () => undefined, options);
  leavePiece();
  await turn();
  expect(done).toEqual(['first piece']);
  await calm();
  await job;
  expect(done).toEqual(['first piece', 'second piece']);
});
