/**
 * A turn of the worker's event loop, in which waiting messages are seen. A message to oneself is the only cheap
 * way: continuations of promises and of `scheduler.yield()` outrank messages, timers are clamped to 4 ms.
 */

export function createTurn(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(null);
    });
}
