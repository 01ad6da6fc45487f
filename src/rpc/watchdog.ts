/**
 * Notices a worker that hangs without dying, of which no event and no lock tells: a kernel thread that was lost
 * leaves the engine waiting for it for ever. While calls are pending the page asks the worker for a sign of life;
 * an answer, however late, is as good as any.
 *
 * Silence is counted in ticks of the page's own timer and not by a clock: a tab that was suspended has not ticked,
 * and a computer that slept has not either. The limit is far above the longest that the engine stays away from
 * its messages, which is one prefill block.
 */

export interface Watchdog {
  /** Watches until `work` settles, whichever way. */
  during(work: Promise<unknown>): void;
}

export interface WatchdogOptions {
  /** Asks for a sign of life; fulfils or rejects when there is one. */
  ping(): Promise<unknown>;
  onSilence(): void;
  /** Aborts when the worker is gone. */
  ended: AbortSignal;
  tickMs?: number | undefined;
}

export const SILENT_TICKS = 24;
const TICK_MS = 5_000;

export function createWatchdog({ ping, onSilence, ended, tickMs = TICK_MS }: WatchdogOptions): Watchdog {
  let pending = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  let isAsked = false;
  let silentTicks = 0;

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function hear(): void {
    isAsked = false;
  }

  function tick(): void {
    if (isAsked) {
      silentTicks += 1;
      if (silentTicks < SILENT_TICKS) return;
      stop();
      onSilence();
      return;
    }
    isAsked = true;
    silentTicks = 0;
    ping().then(hear, hear);
  }

  ended.addEventListener('abort', stop, { once: true });
  return {
    during(work) {
      pending += 1;
      if (timer === undefined && !ended.aborted) {
        silentTicks = 0;
        timer = setInterval(tick, tickMs);
      }
      const settle = (): void => {
        pending -= 1;
        if (pending === 0) stop();
      };
      work.then(settle, settle);
    },
  };
}
