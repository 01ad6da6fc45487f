/**
 * The engine's queue: one request runs at a time, so two never interleave and a session never sees two steps
 * at once. Higher priority first, equal ones in order of arrival; a running request is not displaced. A
 * request aborted while it waits is never run.
 */

export interface Scheduler {
  /** Runs `task` when its turn comes. Rejects with the signal's reason if it aborts before that. */
  run<T>(task: () => Promise<T>, options: { priority: number; signal: AbortSignal }): Promise<T>;
  /** Requests that wait, the running one not counted. */
  readonly waiting: number;
  /** Whether one runs. */
  readonly busy: boolean;
  /** Requests that have ever been started. */
  readonly started: number;
  /** Resolves when none runs any more; another may have come since. */
  whenIdle(): Promise<void>;
}

interface Waiting {
  priority: number;
  start(): void;
}

export function createScheduler(): Scheduler {
  const queue: Waiting[] = [];
  let running = false;
  let started = 0;
  let onIdle: (() => void)[] = [];

  function next(): void {
    running = false;
    const first = queue.shift();
    if (!first) {
      const waiting = onIdle;
      onIdle = [];
      for (const resolve of waiting) resolve();
      return;
    }
    running = true;
    started++;
    first.start();
  }

  function enqueue(entry: Waiting): void {
    const behind = queue.findIndex((other) => other.priority < entry.priority);
    queue.splice(behind < 0 ? queue.length : behind, 0, entry);
    if (!running) next();
  }

  return {
    get waiting() {
      return queue.length;
    },
    get busy() {
      return running;
    },
    get started() {
      return started;
    },
    whenIdle: () => (running ? new Promise((resolve) => onIdle.push(resolve)) : Promise.resolve()),
    run(task, { priority, signal }) {
      if (signal.aborted) return Promise.reject(signal.reason);
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          queue.splice(queue.indexOf(entry), 1);
          reject(signal.reason);
        };
        const entry: Waiting = {
          priority,
          start() {
            signal.removeEventListener('abort', leave);
            task().then(resolve, reject).finally(next);
          },
        };
        signal.addEventListener('abort', leave, { once: true });
        enqueue(entry);
      });
    },
  };
}
