import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../test/models/random.ts';
import { Acceptance } from './acceptance.ts';
import { CostCurve } from './cost-curve.ts';
import { Ledger } from './ledger.ts';
import { Lookahead } from './lookahead.ts';
import { Pace } from './pace.ts';

const WIDTHS = Array.from({ length: 16 }, (_, i) => i + 1);

describe('the cost curve', () => {
  it('knows nothing before a step of one row', () => {
    const curve = new CostCurve();
    curve.observe(4, 10);
    expect(curve.known).toBe(false);
    expect(curve.estimate(4)).toBe(0);
  });

  it('gives what was measured, and lies between where it was not', () => {
    const curve = new CostCurve();
    const ms = [3, 4, 6, 11, 20];
    [1, 2, 4, 8, 16].forEach((width, i) => curve.observe(width, ms[i]!));
    [1, 2, 4, 8, 16].forEach((width, i) => expect(curve.estimate(width)).toBeCloseTo(ms[i]!));
    for (const width of [3, 6, 7, 12]) {
      expect(curve.estimate(width)).toBeGreaterThan(curve.estimate(width - 1));
      expect(curve.estimate(width)).toBeLessThan(curve.estimate(width + 1));
    }
  });

  it('keeps the shape of the prior beyond the widest step that was measured', () => {
    const curve = new CostCurve();
    curve.observe(1, 2);
    const prior = WIDTHS.map((width) => curve.estimate(width));
    curve.observe(2, prior[1]! * 1.2);
    expect(curve.estimate(16)).toBeCloseTo(prior[15]! * 1.2);
  });

  it('moves as a whole with the time of one row', () => {
    const curve = new CostCurve();
    curve.observe(1, 2);
    curve.observe(8, 10);
    for (let i = 0; i < 200; i++) curve.observe(1, 3);
    expect(curve.estimate(1)).toBeCloseTo(3, 1);
    expect(curve.estimate(8)).toBeCloseTo(15, 0);
  });

  it('is not thrown off by one slow step', () => {
    const curve = new CostCurve();
    for (let i = 0; i < 20; i++) curve.observe(1, 2);
    curve.observe(1, 500);
    expect(curve.single).toBeLessThan(2.3);
  });
});

describe('the ledger', () => {
  it('never lets decoding with drafts take longer than 1.01 times plain decoding and a step', () => {
    const rounds = fc.array(
      fc.record({
        worst: fc.double({ min: 0, max: 20, noNaN: true }),
        gain: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(rounds, fc.array(fc.nat(300)), (offers, begins) => {
        const ledger = new Ledger();
        const step = 2;
        let plain = 0;
        let taken = 0;
        offers.forEach(({ worst, gain }, i) => {
          if (begins.includes(i)) ledger.begin();
          // A round that is allowed loses all it can, or wins a little.
          const elapsed = !ledger.allows(worst, step) ? step : gain > 0.7 ? step - gain : step + worst;
          ledger.book(1, elapsed, step);
          plain += step;
          taken += elapsed;
          expect(taken).toBeLessThanOrEqual(1.01 * plain + step + 1e-9);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('does not let a request spend what an earlier one gained', () => {
    const ledger = new Ledger();
    for (let i = 0; i < 100; i++) ledger.book(2, 2, 2);
    expect(ledger.gained).toBe(200);
    expect(ledger.allows(100, 2)).toBe(true);
    ledger.begin();
    expect(ledger.gained).toBe(0);
    expect(ledger.allows(100, 2)).toBe(false);
  });

  it('remembers what earlier requests lost', () => {
    const ledger = new Ledger();
    for (let i = 0; i < 200; i++) ledger.book(1, 2, 2);
    expect(ledger.allows(6, 2)).toBe(true);
    ledger.book(1, 8, 2);
    ledger.begin();
    expect(ledger.allows(6, 2)).toBe(false);
    expect(ledger.allows(0.01, 2)).toBe(true);
  });
});

describe('acceptance', () => {
  const features = (match: number, share = 1): Float32Array => Float32Array.of(match, share);

  it('trusts long matches more before anything was counted', () => {
    const acceptance = new Acceptance();
    const chances = [1, 2, 4, 8, 16, 64].map((match) => acceptance.probability(features(match), 0));
    expect(chances).toEqual(chances.toSorted((a, b) => a - b));
    expect(chances[0]).toBeLessThan(0.3);
    expect(chances.at(-1)).toBeGreaterThan(0.7);
  });

  it('comes to the rate that is seen, in its cell and, until it has counts of its own, in its neighbours', () => {
    const acceptance = new Acceptance();
    const random = seeded(1);
    for (let i = 0; i < 500; i++) acceptance.observe(features(2, 1), 0, random.next() < 0.9);
    expect(acceptance.probability(features(2, 1), 0)).toBeGreaterThan(0.78);
    expect(acceptance.probability(features(2, 0.4), 0)).toBeGreaterThan(0.6);
    for (let i = 0; i < 200; i++) acceptance.observe(features(2, 0.4), 0, false);
    expect(acceptance.probability(features(2, 0.4), 0)).toBeLessThan(0.1);
    expect(acceptance.probability(features(2, 1), 0)).toBeGreaterThan(0.6);
  });

  it('follows a text that changes', () => {
    const acceptance = new Acceptance();
    for (let i = 0; i < 1000; i++) acceptance.observe(features(4), 0, true);
    for (let i = 0; i < 300; i++) acceptance.observe(features(4), 0, false);
    expect(acceptance.probability(features(4), 0)).toBeLessThan(0.1);
  });
});

describe('pace', () => {
  it('rests after three failures, longer each time, until something is right', () => {
    const pace = new Pace();
    const rests: number[] = [];
    let now = 0;
    for (let round = 0; round < 30; round++) {
      let rest = 0;
      while (pace.rests(now)) {
        now += 1;
        rest += 1;
      }
      rests.push(rest);
      now += 1;
      pace.observe(0, now);
    }
    expect(rests.filter((rest) => rest > 0)).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64]);
    while (pace.rests(now)) now += 1;
    pace.observe(1, now);
    for (let i = 0; i < 2; i++) pace.observe(0, now);
    expect(pace.rests(now)).toBe(false);
    pace.observe(0, now);
    expect(pace.rests(now)).toBe(true);
    expect(pace.rests(now + 1)).toBe(false);
  });
});

describe('lookahead', () => {
  const features = (p: number, agreement = 0): Float32Array => Float32Array.of(p, -Math.log(p), agreement);

  it('stops about where the draft gives its token 0.4, before it has seen anything', () => {
    const lookahead = new Lookahead();
    expect(lookahead.probability(features(0.2), 0)).toBeLessThan(0.5);
    expect(lookahead.probability(features(0.6), 0)).toBeGreaterThan(0.5);
  });

  it('learns what the features say: here, that only agreement counts', () => {
    const lookahead = new Lookahead();
    const random = seeded(2);
    for (let i = 0; i < 3000; i++) {
      const agrees = random.next() < 0.5;
      const token = features(0.05 + 0.9 * random.next(), agrees ? 1 : -1);
      lookahead.observe([token], Number(random.next() < (agrees ? 0.95 : 0.1)));
    }
    for (const p of [0.2, 0.5, 0.9]) {
      expect(lookahead.probability(features(p, 1), 0)).toBeGreaterThan(0.75);
      expect(lookahead.probability(features(p, -1), 0)).toBeLessThan(0.3);
    }
  });

  it('learns from the first wrong token and nothing behind it', () => {
    const one = new Lookahead();
    const two = new Lookahead();
    one.observe([features(0.9), features(0.5)], 0);
    two.observe([features(0.9)], 0);
    const later = features(0.7);
    expect(one.probability(later, 0)).toBe(two.probability(later, 0));
  });
});
