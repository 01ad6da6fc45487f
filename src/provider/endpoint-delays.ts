/**
 * What an endpoint's answers took, and from that how long the next one may take: to answer at all, to its first token, and
 * from one token to the next. A limit is a multiple of what nearly all of the latest took; until enough is known a generous
 * one is taken, and where the app names one, that. What ran into its limit counts as having taken that long, so that an
 * endpoint that became slower gets more time. Nothing is kept: a page learns anew.
 */
import type { CloudEndpoint } from './provider.ts';
import { createQuantileSketch } from './quantile-sketch.ts';
import type { QuantileSketch } from './quantile-sketch.ts';

export type Phase = 'connect' | 'first-token' | 'between-tokens';

export interface EndpointDelays {
  /** `bodyBytes`: of the request, which the endpoint reads before it answers. */
  limitMs(phase: Phase, bodyBytes: number): number;
  /** What a phase took, or the limit it ran into. */
  observe(phase: Phase, ms: number): void;
  observeSpeed(tokensPerSecond: number): void;
  /** From the request to the first token, of half of the latest answers; null: none is known. */
  usualFirstTokenMs(): number | null;
  usualTokensPerSecond(): number | null;
}

interface Bounds {
  /** As long as little is known. */
  unknown: number;
  least: number;
  most: number;
}

/** Many endpoints send their headers with the first token, so that connecting may take as long as that. */
const BOUNDS: Record<Phase, Bounds> = {
  connect: { unknown: 60_000, least: 5_000, most: 120_000 },
  'first-token': { unknown: 60_000, least: 5_000, most: 180_000 },
  'between-tokens': { unknown: 30_000, least: 3_000, most: 60_000 },
};

/** About 500 tokens a second, which any endpoint reads; and as much as it may take at most. */
const READING_MS_PER_BYTE = 0.5;
const LONGEST_READING_MS = 120_000;

const QUANTILE = 0.99;
const FACTOR = 3;
/** Observations before a limit is learnt: of fewer the quantile is their largest. */
const ENOUGH = 20;

export function createEndpointDelays(fixed: CloudEndpoint['timeouts'], now: () => number): EndpointDelays {
  const sketches: Record<Phase, QuantileSketch> = {
    connect: createQuantileSketch({ now }),
    'first-token': createQuantileSketch({ now }),
    'between-tokens': createQuantileSketch({ now }),
  };
  const speeds = createQuantileSketch({ now });
  const named: Record<Phase, number | null> = {
    connect: fixed.connectMs,
    'first-token': fixed.firstTokenMs,
    'between-tokens': fixed.betweenTokensMs,
  };

  return {
    limitMs(phase, bodyBytes) {
      const sketch = sketches[phase];
      const { unknown, least, most } = BOUNDS[phase];
      const slow = sketch.weight < ENOUGH ? null : sketch.quantile(QUANTILE);
      const learnt = slow === null ? unknown : Math.min(Math.max(FACTOR * slow, least), most);
      // What was learnt from short prompts must not cut off a long one.
      const reading =
        phase === 'between-tokens' ? 0 : Math.min(bodyBytes * READING_MS_PER_BYTE, LONGEST_READING_MS);
      return named[phase] ?? learnt + reading;
    },
    observe: (phase, ms) => sketches[phase].add(Math.max(0, ms)),
    observeSpeed: (tokensPerSecond) => speeds.add(tokensPerSecond),
    usualFirstTokenMs() {
      const connect = sketches.connect.quantile(0.5);
      const first = sketches['first-token'].quantile(0.5);
      return connect === null || first === null ? null : connect + first;
    },
    usualTokensPerSecond: () => speeds.quantile(0.5),
  };
}
