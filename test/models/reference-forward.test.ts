import { expect, test } from 'vitest';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { referenceLogits } from './reference-forward.ts';
import { tinyGguf, type TinyOptions } from './tiny-gguf.ts';

function logits(options: Partial<TinyOptions>, ids: number[]): Float32Array[] {
  const bytes = tinyGguf(options);
  return referenceLogits(planModel(readGgufHeader(bytes)), bytes, ids);
}

const spread = (row: Float32Array): number => Math.max(...row) - Math.min(...row);

test('there is one row of finite, moderate logits per position, and the past matters', () => {
  const rows = logits({}, [5, 6, 7]);
  expect(rows.map((row) => row.length)).toEqual([320, 320, 320]);
  for (const row of rows) {
    expect(spread(row)).toBeGreaterThan(5);
    expect(spread(row)).toBeLessThan(60);
  }
  expect(logits({}, [5, 6, 7, 8]).slice(0, 3)).toEqual(rows);
  expect(logits({}, [9, 6, 7])[2]).not.toEqual(rows[2]);
});

test('the options that change the arithmetic change the logits', () => {
  const base = logits({}, [5, 6, 7])[2]!;
  for (const options of [
    { seed: 2 },
    { ropeBase: 100 },
    { ropeFactors: true },
    { tied: false },
    { normEpsilon: 0.5 },
  ]) {
    expect(logits(options, [5, 6, 7])[2], JSON.stringify(options)).not.toEqual(base);
  }
});

test('a quantised model says nearly what the exact one says', () => {
  const [exact] = logits({}, [5]);
  const [half] = logits({ type: 'F16' }, [5]);
  const [eight] = logits({ type: 'Q8_0' }, [5]);
  const distance = (row: Float32Array): number =>
    Math.sqrt(row.reduce((sum, value, index) => sum + (value - exact![index]!) ** 2, 0) / row.length);
  expect(distance(half!)).toBeLessThan(0.01);
  expect(distance(eight!)).toBeLessThan(0.1);
  expect(distance(eight!)).toBeGreaterThan(distance(half!));
});
