import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBreaker } from './breaker.ts';
import type { Breaker, BreakerState, Permit } from './breaker.ts';

function setUp(random = 0.999): { breaker: Breaker; time: { now: number }; states: BreakerState[] } {
  const time = { now: 1000 };
  const states: BreakerState[] = [];
  const breaker = createBreaker({
    clock: { now: () => time.now },
    random: () => random,
    onChange: (state) => states.push(state),
  });
  return { breaker, time, states };
}

function failTimes(breaker: Breaker, times: number): void {
  for (let i = 0; i < times; i++) breaker.enter()?.fail();
}

describe('the circuit breaker', () => {
  it('opens after three failures in a row, and a success in between starts the count anew', () => {
    const { breaker } = setUp();
    failTimes(breaker, 2);
    breaker.enter()?.succeed();
    failTimes(breaker, 2);
    expect(breaker.state).toBe('closed');
    failTimes(breaker, 1);
    expect(breaker.state).toBe('open');
    expect(breaker.enter()).toBeUndefined();
  });

  it('lets exactly one probe through when the pause is over', () => {
    const { breaker, time, states } = setUp();
    failTimes(breaker, 3);
    time.now += breaker.waitMs;
    expect(breaker.state).toBe('half-open');
    const probe = breaker.enter();
    expect(probe).toBeDefined();
    expect(breaker.enter()).toBeUndefined();
    probe?.succeed();
    expect(breaker.state).toBe('closed');
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });

  it('doubles the pause with every probe that fails, up to five minutes', () => {
    const { breaker, time } = setUp();
    failTimes(breaker, 3);
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      pauses.push(Math.round(breaker.waitMs / 1000));
      time.now += breaker.waitMs;
      failTimes(breaker, 1);
    }
    expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('spreads its pauses, never under half', () => {
    const { breaker } = setUp(0);
    failTimes(breaker, 3);
    expect(breaker.waitMs).toBe(2500);
  });

  it('a probe whose caller left says nothing, and the next one may probe', () => {
    const { breaker, time } = setUp();
    failTimes(breaker, 3);
    time.now += breaker.waitMs;
    breaker.enter()?.release();
    expect(breaker.state).toBe('half-open');
    expect(breaker.enter()).toBeDefined();
  });

  it('stays open until the time the endpoint named, whatever others report', () => {
    const { breaker, time } = setUp();
    const straggler = breaker.enter();
    breaker.holdUntil(time.now + 60_000);
    straggler?.succeed();
    expect(breaker.waitMs).toBe(60_000);
    expect(breaker.enter()).toBeUndefined();
    breaker.holdUntil(time.now + 86_400_000);
    expect([breaker.waitMs, breaker.heldMs]).toEqual([600_000, 600_000]);
  });

  it('never has two probes out, is never stuck, and never lets through while open, whatever happens', () => {
    const action = fc.oneof(
      fc.constantFrom('enter', 'succeed', 'fail', 'release', 'hold' as const),
      fc.integer({ min: 1, max: 400_000 }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const { breaker, time } = setUp(0.5);
        const out: { permit: Permit; isProbe: boolean }[] = [];
        for (const one of actions) {
          if (typeof one === 'number') time.now += one;
          else if (one === 'hold') breaker.holdUntil(time.now + 1000);
          else if (one === 'enter') {
            const { state } = breaker;
            const permit = breaker.enter();
            if (state === 'open') expect(permit).toBeUndefined();
            if (state === 'closed') expect(permit).toBeDefined();
            if (permit) out.push({ permit, isProbe: state === 'half-open' });
            expect(out.filter(({ isProbe }) => isProbe).length).toBeLessThanOrEqual(1);
          } else out.shift()?.permit[one]();
        }
        for (const { permit } of out) permit.release();
        time.now += breaker.waitMs;
        expect(breaker.enter()).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });
});
