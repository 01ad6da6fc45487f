/**
 * Finds stop strings in streamed text however tokens split them. Text that could still turn out to be the
 * beginning of a stop string is held back; everything else is passed on at once; a stop string itself and what
 * follows it are never passed on. Pure: no clock, no tokens, only text.
 */

export interface StopFilter {
  /** The text that may be shown now. After `stopped` nothing more is ever shown. */
  push(text: string): { text: string; stopped: boolean };
  /** No more text will come: what was held back. */
  flush(): string;
}

export function createStopFilter(stops: readonly string[]): StopFilter {
  let held = '';
  let stopped = false;

  return {
    push(text) {
      if (stopped) return { text: '', stopped };
      if (stops.length === 0) return { text, stopped };
      const candidate = held + text;
      const end = firstStop(candidate, stops);
      if (end >= 0) {
        stopped = true;
        held = '';
        return { text: candidate.slice(0, end), stopped };
      }
      const keep = longestPrefixAtEnd(candidate, stops);
      held = candidate.slice(candidate.length - keep);
      return { text: candidate.slice(0, candidate.length - keep), stopped };
    },
    flush() {
      const rest = stopped ? '' : held;
      held = '';
      return rest;
    },
  };
}

/** Where the earliest stop string begins, or -1. */
function firstStop(text: string, stops: readonly string[]): number {
  let first = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/** Length of the longest end of `text` that is a proper beginning of a stop string. */
export function longestPrefixAtEnd(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let size = Math.min(stop.length - 1, text.length); size > longest; size--) {
      if (text.endsWith(stop.slice(0, size))) {
        longest = size;
        break;
      }
    }
  }
  return longest;
}
