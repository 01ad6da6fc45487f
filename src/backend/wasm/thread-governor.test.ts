import { describe, expect, it } from 'vitest';
import { ThreadGovernor } from './thread-governor.ts';

/** Runs `steps` steps whose time depends on the thread count, and returns the counts used. */
function run(
  governor: ThreadGovernor,
  steps: number,
  time: (threads: number) => number,
  first: number,
): number[] {
  const used: number[] = [];
  let count = first;
  for (let i = 0; i < steps; i++) {
    used.push(count);
    count = governor.observe(time(count));
  }
  return used;
}

const quiet = (threads: number): number => (threads === 1 ? 3.5 : 2);
const busy = (threads: number): number => (threads === 1 ? 3.6 : 4.6);

describe('the thread governor', () => {
  it('leaves a quiet machine alone: no step is spent on trials', () => {
    expect(run(new ThreadGovernor(2), 2000, quiet, 2)).toEqual(Array.from({ length: 2000 }, () => 2));
  });

  it('goes on with all threads while steps grow slowly with the context', () => {
    const governor = new ThreadGovernor(2);
    let step = 0;
    const used = run(governor, 1400, () => 2 + (step++ / 1400) * 1.5, 2);
    expect(used.every((count) => count === 2)).toBe(true);
  });

  it('uses one thread when others take the cores, and all again when they leave', () => {
    const governor = new ThreadGovernor(2);
    run(governor, 100, quiet, 2);
    const during = run(governor, 1000, busy, 2);
    expect(during.filter((count) => count === 1).length).toBeGreaterThan(850);
    const after = run(governor, 1000, quiet, during.at(-1)!);
    expect(after.slice(600).every((count) => count === 2)).toBe(true);
  });

  it('does not stay with one thread where it is no faster', () => {
    const governor = new ThreadGovernor(2);
    run(governor, 100, quiet, 2);
    const used = run(governor, 1000, (threads) => (threads === 1 ? 5 : 3), 2);
    expect(used.filter((count) => count === 2).length).toBeGreaterThan(900);
  });

  it('never changes a single thread', () => {
    expect(run(new ThreadGovernor(1), 100, () => 1, 1)).toEqual(Array.from({ length: 100 }, () => 1));
  });
});
