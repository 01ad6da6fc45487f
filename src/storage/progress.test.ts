/** Progress events on a clock of the test's own. */
import { describe, expect, it } from 'vitest';
import type { LoadProgress } from './model-file.ts';
import { createMeter } from './progress.ts';

function run(reports: [at: number, loadedBytes: number][], totalBytes: number): LoadProgress[] {
  const events: LoadProgress[] = [];
  let now = 0;
  const meter = createMeter(
    totalBytes,
    (event) => events.push(event),
    () => now,
  );
  for (const [at, loadedBytes] of reports) {
    now = at;
    meter.report('download', loadedBytes);
  }
  return events;
}

describe('a progress meter', () => {
  it('reports at most ten times a second, at the start and at the end', () => {
    const reports = Array.from({ length: 1000 }, (_, ms): [number, number] => [ms, ms + 1]);
    const events = run(reports, 1000);
    expect(events.map((event) => event.loadedBytes)).toEqual([
      1, 101, 201, 301, 401, 501, 601, 701, 801, 901, 1000,
    ]);
  });

  it('gives the rate of the last second, not of the whole time', () => {
    const slow = Array.from({ length: 50 }, (_, n): [number, number] => [n * 100, n * 10]);
    const fast = Array.from({ length: 12 }, (_, n): [number, number] => [5000 + n * 100, 500 + n * 1000]);
    const events = run([...slow, ...fast], 1e6);
    expect(events[0]?.bytesPerSecond).toBe(0);
    expect(events[30]?.bytesPerSecond).toBeCloseTo(100);
    expect(events.at(-1)?.bytesPerSecond).toBeCloseTo(10_000);
  });
});
