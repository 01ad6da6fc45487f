/**
 * A circuit breaker, one for each endpoint: after several failures in a row it is open, and nothing is asked of the
 * endpoint for a while; then one request is let through as a probe (half open), whose outcome closes it or opens it for
 * twice as long. Beside that an endpoint may itself ask to be left alone until some time (`Retry-After`).
 */
import type { Clock } from './clock.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Leave to ask once. The first of its calls counts, later ones do nothing. */
export interface Permit {
  succeed(): void;
  fail(): void;
  /** It says nothing of the endpoint: the caller left, or nothing was sent. */
  release(): void;
}

export interface Breaker {
  readonly state: BreakerState;
  /** Milliseconds until it lets a request through; 0 when it would now. */
  readonly waitMs: number;
  /** Of that, what the endpoint itself asked for. */
  readonly heldMs: number;
  /** Undefined: not now. */
  enter(): Permit | undefined;
  /** Nothing is let through until then, as the endpoint said, or for ten minutes: a date may be that of another clock. */
  holdUntil(time: number): void;
}

export interface BreakerOptions {
  clock: Pick<Clock, 'now'>;
  /** In [0, 1): spreads the probes of many pages. */
  random: () => number;
  onChange?: ((state: BreakerState) => void) | undefined;
}

/** Failures in a row that open it. */
const FAILURES = 3;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const LONGEST_HOLD_MS = 10 * 60_000;

export function createBreaker({ clock, random, onChange }: BreakerOptions): Breaker {
  let failuresInRow = 0;
  let pauseMs = FIRST_PAUSE_MS;
  /** Null: closed. Else it is open until then, and half open after. */
  let openUntil: number | null = null;
  let isProbing = false;
  let heldUntil = 0;

  const close = (): void => {
    failuresInRow = 0;
    pauseMs = FIRST_PAUSE_MS;
    if (openUntil === null) return;
    openUntil = null;
    onChange?.('closed');
  };

  /** Between half of the pause and all of it. */
  const openForAWhile = (): void => {
    openUntil = clock.now() + pauseMs * (0.5 + random() / 2);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    onChange?.('open');
  };

  const permit = (isProbe: boolean): Permit => {
    let isDone = false;
    const once = (then: () => void) => (): void => {
      if (isDone) return;
      isDone = true;
      then();
      if (isProbe) isProbing = false;
    };
    return {
      // A straggler that began before it opened does not close it: that is for the probe to say.
      succeed: once(() => {
        if (isProbe || openUntil === null) close();
      }),
      fail: once(() => {
        failuresInRow += 1;
        if (isProbe || (openUntil === null && failuresInRow >= FAILURES)) openForAWhile();
      }),
      release: once(() => undefined),
    };
  };

  const waitMs = (): number => Math.max(0, Math.max(openUntil ?? 0, heldUntil) - clock.now());

  return {
    get state() {
      if (waitMs() > 0) return 'open';
      return openUntil === null ? 'closed' : 'half-open';
    },
    get waitMs() {
      return waitMs();
    },
    get heldMs() {
      return Math.max(0, heldUntil - clock.now());
    },
    enter() {
      if (waitMs() > 0) return undefined;
      if (openUntil === null) return permit(false);
      if (isProbing) return undefined;
      isProbing = true;
      onChange?.('half-open');
      return permit(true);
    },
    holdUntil(time) {
      heldUntil = Math.max(heldUntil, Math.min(time, clock.now() + LONGEST_HOLD_MS));
    },
  };
}
