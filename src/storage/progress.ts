/**
 * Turns bytes that go by into progress events: at most ten a second, so that a fast disk does not flood the page,
 * and one at the end. The rate looks back about a second.
 */
import type { LoadPhase, LoadProgress } from './model-file.ts';

const INTERVAL_MS = 100;
const WINDOW_MS = 1000;

export interface Meter {
  /** `loadedBytes` of the file have gone by, lately in this phase. */
  report(phase: LoadPhase, loadedBytes: number): void;
}

export function createMeter(
  totalBytes: number,
  onProgress: ((progress: LoadProgress) => void) | undefined,
  now: () => number = () => performance.now(),
): Meter {
  if (!onProgress) return { report() {} };
  /** One sample per event, the oldest just outside the window. */
  const samples: { at: number; loadedBytes: number }[] = [];
  let lastPhase: LoadPhase | undefined;
  return {
    report(phase, loadedBytes) {
      const at = now();
      if (phase !== lastPhase) samples.length = 0;
      const previous = samples.at(-1);
      const isDue = !previous || at - previous.at >= INTERVAL_MS || loadedBytes === totalBytes;
      if (!isDue) return;
      lastPhase = phase;
      samples.push({ at, loadedBytes });
      while (samples.length > 2 && samples[1]!.at <= at - WINDOW_MS) samples.shift();
      const oldest = samples[0]!;
      const bytesPerSecond =
        at > oldest.at ? ((loadedBytes - oldest.loadedBytes) * 1000) / (at - oldest.at) : 0;
      onProgress({ phase, loadedBytes, totalBytes, bytesPerSecond });
    },
  };
}
