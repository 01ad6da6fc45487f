import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createQuantileSketch } from './quantile-sketch.ts';

const delays = fc.array(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });

describe('the quantile sketch', () => {
  it('is right within its relative error, for every quantile of anything', () => {
    fc.assert(
      fc.property(delays, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const sketch = createQuantileSketch({ now: () => 0, relativeError: 0.03 });
        for (const value of values) sketch.add(value);
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(q * sorted.length - 1e-9) - 1)]!;
        const found = sketch.quantile(q)!;
        expect(Math.abs(found - exact) / exact).toBeLessThanOrEqual(0.03 + 1e-9);
        expect(sketch.weight).toBeCloseTo(values.length, 6);
      }),
      { numRuns: 200 },
    );
  });

  it('knows nothing before it was told anything', () => {
    const sketch = createQuantileSketch({ now: () => 0 });
    expect(sketch.quantile(0.5)).toBeNull();
    expect(sketch.weight).toBe(0);
  });

  it('forgets by age, over any number of half-lives', () => {
    let time = 0;
    const sketch = createQuantileSketch({ now: () => time, halfLifeMs: 1000 });
    for (let i = 0; i < 1000; i++) sketch.add(10);
    time = 1000;
    expect(sketch.weight).toBeCloseTo(500, 6);
    time = 20_000;
    for (let i = 0; i < 10; i++) sketch.add(500);
    expect(sketch.quantile(0.01)).toBeGreaterThan(480);
    time = 1e9;
    sketch.add(3);
    expect(sketch.quantile(0.5)).toBeCloseTo(3, 0);
    expect(sketch.weight).toBeCloseTo(1, 3);
  });

  it('stands still when the clock is set back', () => {
    let time = 1e6;
    const sketch = createQuantileSketch({ now: () => time, halfLifeMs: 1000 });
    sketch.add(5);
    time = 0;
    sketch.add(5);
    expect(sketch.weight).toBeCloseTo(2, 6);
  });

  it('refuses what is no delay', () => {
    const sketch = createQuantileSketch({ now: () => 0 });
    for (const wrong of [-1, NaN, Infinity]) expect(() => sketch.add(wrong)).toThrow('finite numbers');
  });
});
