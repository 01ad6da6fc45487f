import { expect, test } from 'vitest';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { compareLogits } from './compare-logits.ts';
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

test('what makes an architecture changes the logits, down to the last of its parts', () => {
  const ids = Array.from({ length: 30 }, (_, index) => (index * 37) % 256);
  const last = (options: Partial<TinyOptions>): Float32Array => logits(options, ids).at(-1)!;
  const unlike = (options: Partial<TinyOptions>, changes: Partial<TinyOptions>): void => {
    const divergence = compareLogits([last(options)], [last({ ...options, ...changes })]).mean;
    expect(divergence, JSON.stringify([options, changes])).toBeGreaterThan(0.001);
  };
  const entries = (changes: TinyOptions['entries']): Partial<TinyOptions> => ({ entries: changes });
  for (const key of ['embedding_scale', 'attention.scale', 'residual_scale', 'logit_scale']) {
    unlike({ architecture: 'granite' }, entries({ [key]: { f32: 1 } }));
  }
  unlike({ architecture: 'granite' }, entries({ 'rope.scaling.finetuned': { bool: false } }));
  const gemma = { architecture: 'gemma3' } as const;
  unlike(gemma, entries({ 'attention.sliding_window': { u32: 13 } }));
  unlike(gemma, entries({ 'attention.sliding_window_pattern': { u32: 7 } }));
  unlike(gemma, entries({ 'rope.freq_base_swa': { f32: 500 } }));
  unlike({ architecture: 'phi3' }, entries({ 'attention.sliding_window': { u32: 29 } }));
  unlike({ architecture: 'phi3' }, { ropeSize: 24 });
  const stretched = { 'rope.scaling.factor': { f32: 4 } };
  unlike({}, entries(stretched));
  unlike(entries(stretched), entries({ ...stretched, 'rope.scaling.type': { string: 'yarn' } }));
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
