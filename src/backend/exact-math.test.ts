import { describe, expect, it } from 'vitest';
import { expOfNegative, naturalLog } from './exact-math.ts';
import { gumbelBounds, gumbelOf, largestGumbel } from './gumbel.ts';

describe('expOfNegative', () => {
  it('is within 1e-12 of exp down to -708 and 0 below', () => {
    for (let x = 0; x >= -708; x -= 0.0137) {
      expect(Math.abs(expOfNegative(x) / Math.exp(x) - 1), `exp(${x})`).toBeLessThan(1e-12);
    }
    expect([0, -0, -708.1, -1e300, -Infinity, NaN].map(expOfNegative)).toEqual([1, 1, 0, 0, 0, 0]);
  });

  it('never rises as its argument falls, so that equal or better tokens never count for less', () => {
    let above = 1;
    for (let x = 0; x >= -30; x -= 1 / 4096) {
      expect(expOfNegative(x)).toBeLessThanOrEqual(above);
      above = expOfNegative(x);
    }
  });

  it('gives these bits on every machine', () => {
    expect([-0.1, -1, -20.5, -300].map(expOfNegative)).toMatchInlineSnapshot(`
      [
        0.9048374180359524,
        0.36787944117144233,
        1.2501528663867395e-9,
        5.148200222411548e-131,
      ]
    `);
  });
});

describe('naturalLog', () => {
  it('is within 1e-14 of log over the whole range, close to 1 included', () => {
    const values = [1e-300, 1e-10, 0.1, 0.5, Math.SQRT1_2, 1 - 2 ** -33, 1, 1 + 2 ** -40, 3, 262_144, 1e300];
    for (const x of values) {
      expect(Math.abs(naturalLog(x) - Math.log(x)), `log(${x})`).toBeLessThanOrEqual(
        1e-14 * Math.abs(Math.log(x)),
      );
    }
  });

  it('gives these bits on every machine', () => {
    expect([0.1, 0.9, 49_152].map(naturalLog)).toMatchInlineSnapshot(`
      [
        -2.3025850929940455,
        -0.10536051565782627,
        10.802672816507343,
      ]
    `);
  });
});

describe('gumbelBounds', () => {
  it('hold the largest noise of each number of leading ones, and are not loose by more than 0.7', () => {
    for (let ones = 0; ones <= 32; ones++) {
      const largest = ones >= 31 ? -(32 - ones) - 1 : -1 - 2 ** (31 - ones);
      expect(Math.clz32(~largest)).toBe(ones);
      expect(gumbelOf(largest)).toBeLessThanOrEqual(gumbelBounds[ones]!);
      expect(gumbelOf(largest)).toBeGreaterThan(gumbelBounds[ones]! - 0.7 - (ones === 0 ? 0.4 : 0));
    }
    expect(gumbelOf(-1)).toBeLessThanOrEqual(largestGumbel);
  });
});
