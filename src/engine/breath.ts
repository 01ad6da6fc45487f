/**
 * The pause between two steps, in which a request learns that it was cancelled. Messages are seen only when the
 * worker returns to its event loop (awaiting a settled promise is not enough), so without shared memory every
 * pause is a turn of the loop. Where page and worker share a flag, reading it is enough; a turn is then taken
 * once in a while, for the sake of the other calls.
 */

export interface Breath {
  /** Throws the signal's reason when the request was cancelled. */
  take(): Promise<void>;
  /** Turns of the event loop taken. */
  readonly hops: number;
}

/** How long other calls may wait while the flag is there to be read. */
const TURN_INTERVAL_MS = 16;

export function createBreath(options: {
  signal: AbortSignal;
  flag: SharedArrayBuffer | null;
  turn: () => Promise<void>;
  now: () => number;
}): Breath {
  const { signal, turn, now } = options;
  const flag = options.flag && new Int32Array(options.flag);
  let hops = 0;
  let lastTurn = now();

  return {
    async take() {
      const cancelled = flag !== null && Atomics.load(flag, 0) !== 0;
      const waits = flag === null || cancelled || now() - lastTurn >= TURN_INTERVAL_MS;
      if (waits) {
        hops += 1;
        await turn();
        lastTurn = now();
      }
      signal.throwIfAborted();
      if (cancelled) throw new DOMException('The request was cancelled.', 'AbortError');
    },
    get hops() {
      return hops;
    },
  };
}
