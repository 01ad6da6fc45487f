/** Shapes of products: what kernels rely on, for all sizes that models have. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tuningOf } from './tuning.ts';

const infoOf = (vendor: string, isFallbackAdapter = false): GPUAdapterInfo =>
  ({ vendor, isFallbackAdapter }) as GPUAdapterInfo;

const INFOS = [infoOf('nvidia'), infoOf('intel'), infoOf(''), infoOf('google', true)];

test('lanes divide a workgroup, rows of a thread are even, and shared memory is what every device has', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...INFOS),
      fc.integer({ min: 1, max: 1024 }),
      fc.integer({ min: 1, max: 300_000 }),
      (info, blocks, rows) => {
        const { shapeOf, widths } = tuningOf(info);
        const { lanes, rowsPerThread, threads } = shapeOf(blocks, rows);
        expect(LANES).toContain(lanes);
        expect(threads % lanes).toBe(0);
        expect(rowsPerThread % 2).toBe(0);
        // A float for each thread, row and column, and the squares of a norm.
        expect(Math.max(...widths) * (rowsPerThread + 1) * (threads + 1) * 4).toBeLessThanOrEqual(16_384);
      },
    ),
  );
});

const LANES = [1, 2, 4, 8, 16, 32];

test('widths ascend from one, so that the widest is last', () => {
  for (const info of INFOS) {
    const { widths } = tuningOf(info);
    expect(widths[0]).toBe(1);
    expect(widths).toEqual(widths.toSorted((a, b) => a - b));
  }
});

test('a hidden size of 4096 has 32 lanes, of 576 as many as its 18 blocks keep busy, and Intel has 16', () => {
  const lanesOf = (info: GPUAdapterInfo, blocks: number): number =>
    tuningOf(info).shapeOf(blocks, 4096).lanes;
  expect(lanesOf(infoOf('nvidia'), 128)).toBe(32);
  expect(lanesOf(infoOf('nvidia'), 18)).toBe(16);
  expect(lanesOf(infoOf('intel'), 128)).toBe(16);
});
