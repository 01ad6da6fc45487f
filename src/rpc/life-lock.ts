/**
 * How the page learns that a worker died. A terminated or crashed worker fires no event, and calls to it stay
 * pending for ever; but the browser releases its Web Locks. So the worker takes a lock of a name the page
 * chose, and the page asks for the same lock: it gets it when the worker is gone. Where locks cannot be had
 * (insecure contexts, sandboxed frames, Node) only those errors are seen that the worker reports.
 */

/** Worker: takes the lock for life. Resolves once it is held, or cannot be. */
export function holdLifeLock(name: string): Promise<void> {
  const locks = lockManager();
  if (!locks) return Promise.resolve();
  return new Promise((resolve) => {
    const held = locks.request(name, () => {
      resolve();
      return new Promise<never>(() => {});
    });
    held.catch(() => resolve());
  });
}

/** Page: calls `onDeath` when the holder is gone, until `signal` aborts. */
export function watchLifeLock(name: string, onDeath: () => void, signal: AbortSignal): void {
  const asked = lockManager()?.request(name, { signal }, onDeath);
  asked?.catch(() => {});
}

function lockManager(): LockManager | undefined {
  return typeof navigator === 'undefined' ? undefined : navigator.locks;
}
