import { describe, expect, it } from 'vitest';
import { createEndpointDelays } from './endpoint-delays.ts';
import type { EndpointDelays } from './endpoint-delays.ts';

const LEARNT = { connectMs: null, firstTokenMs: null, betweenTokensMs: null };

function observeTimes(delays: EndpointDelays, times: number, ms: number): void {
  for (let i = 0; i < times; i++) delays.observe('between-tokens', ms);
}

describe('the limit of a phase', () => {
  it('is generous until enough is known, then a multiple of what nearly all took, within bounds', () => {
    const delays = createEndpointDelays(LEARNT, () => 0);
    expect(delays.limitMs('between-tokens', 0)).toBe(30_000);
    observeTimes(delays, 20, 2000);
    expect(delays.limitMs('between-tokens', 0)).toBeGreaterThan(5_800);
    expect(delays.limitMs('between-tokens', 0)).toBeLessThan(6_200);
    observeTimes(delays, 10_000, 1);
    expect(delays.limitMs('between-tokens', 0)).toBe(3_000);
    observeTimes(delays, 10_000, 1e6);
    expect(delays.limitMs('between-tokens', 0)).toBe(60_000);
  });

  it('grows when it is run into, so that an endpoint which became slow is not given up for ever', () => {
    const delays = createEndpointDelays(LEARNT, () => 0);
    observeTimes(delays, 50, 10);
    const before = delays.limitMs('between-tokens', 0);
    for (let i = 0; i < 3; i++) delays.observe('between-tokens', delays.limitMs('between-tokens', 0));
    expect(delays.limitMs('between-tokens', 0)).toBeGreaterThan(2 * before);
  });

  it('allows for a long prompt before the first token, and not after', () => {
    const delays = createEndpointDelays(LEARNT, () => 0);
    const extra = (phase: 'connect' | 'first-token' | 'between-tokens', bytes: number): number =>
      delays.limitMs(phase, bytes) - delays.limitMs(phase, 0);
    expect([extra('connect', 40_000), extra('first-token', 40_000)]).toEqual([20_000, 20_000]);
    expect(extra('first-token', 1e9)).toBe(120_000);
    expect(extra('between-tokens', 40_000)).toBe(0);
  });

  it('is what the app says, where it says it', () => {
    const delays = createEndpointDelays({ ...LEARNT, firstTokenMs: 7 }, () => 0);
    expect(delays.limitMs('first-token', 1e6)).toBe(7);
    expect(delays.limitMs('connect', 0)).toBe(60_000);
  });
});
