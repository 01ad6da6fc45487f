import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, pairedRatio } from './paired-ratio.mjs';

describe('pairedRatio', () => {
  it('sees through a drift that hits both of a pair', () => {
    const theirs = [1, 2, 5, 3, 0.7];
    const { ratio, low, high } = pairedRatio(
      theirs.map((value) => 4 * value),
      theirs,
    );
    expect(ratio).toBeCloseTo(4, 12);
    expect(low).toBeCloseTo(4, 12);
    expect(high).toBeCloseTo(4, 12);
  });

  it('forgives one bad pair, and widens the interval for several', () => {
    const ones = [1, 1, 1, 1, 1, 1, 1];
    expect(pairedRatio([2, 2, 2, 2, 2, 2, 0.1], ones).ratio).toBeCloseTo(2, 12);
    const spread = pairedRatio([2, 1.5, 2.5, 1.8, 2.2, 3, 1], ones);
    expect(spread.low).toBeLessThan(1.9);
    expect(spread.high).toBeGreaterThan(2.1);
  });

  it('turns over when the sides are exchanged, and its interval holds the ratio', () => {
    const sample = fc.double({ min: 0.01, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(sample, sample), { minLength: 1, maxLength: 12 }), (pairs) => {
        const [ours, theirs] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        const there = pairedRatio(ours, theirs);
        expect(there.ratio * pairedRatio(theirs, ours).ratio).toBeCloseTo(1, 9);
        expect(there.low).toBeLessThanOrEqual(there.ratio);
        expect(there.high).toBeGreaterThanOrEqual(there.ratio);
        expect(pairedRatio(ours, theirs)).toEqual(there);
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it('refuses what is not in pairs', () => {
    expect(() => pairedRatio([1, 2], [1])).toThrow('Pairs are needed, not 2 and 1 samples.');
    expect(() => pairedRatio([], [])).toThrow('Pairs are needed');
  });
});

describe('median', () => {
  it('is the middle, or halfway between the two middles', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});
