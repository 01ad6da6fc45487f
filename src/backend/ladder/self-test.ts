/**
 * Does a device compute what it should? It runs a small model beside the CPU and says what is wrong: numbers that are none,
 * all zeros, another result, one that changes from run to run, or a row that depends on what it is computed with. Drivers
 * do all of these, without an error.
 */
import { GREEDY } from '../greedy.ts';
import type { Session } from '../session.ts';

/** More rows than a matrix-vector kernel takes at a time, and a step that goes on. */
const STEPS = [24, 5, 1];
/** The same ids in other steps: no row may change by a bit. */
const OTHER_STEPS = [1, 3, 1, 16, 1, 1, 2, 4, 1];
/**
 * Of the distance to the CPU's logits, as a share of their size. The CPU rounds activations to 8 bits, which makes up to
 * a twentieth; what is computed wrongly is off by about one.
 */
const TOLERANCE = 0.15;

/** What is wrong with `candidate`, or null. `reference` is the CPU with the same model. */
export async function findFault(
  reference: Session,
  candidate: Session,
  vocabSize: number,
): Promise<string | null> {
  const ids = someIds(
    STEPS.reduce((sum, count) => sum + count, 0),
    vocabSize,
  );
  const found = await logitsOf(candidate, ids, STEPS);
  if (found.some((row) => row.some((logit) => !Number.isFinite(logit))))
    return 'it gives numbers that are none';
  if (found.some((row) => row.every((logit) => logit === 0))) return 'it gives zeros';
  const distance = distanceOf(await logitsOf(reference, ids, STEPS), found);
  if (distance > TOLERANCE) return `its results are wrong by ${Math.round(distance * 100)} % of their size`;
  if (!sameBits(found, await logitsOf(candidate, ids, STEPS)))
    return 'it gives another result when it is asked again';
  if (!sameBits(found, await logitsOf(candidate, ids, OTHER_STEPS)))
    return 'a row depends on the rows that are computed with it';
  return null;
}

/** Spread over the vocabulary, the same in every run. */
function someIds(count: number, vocabSize: number): number[] {
  return Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 8) % vocabSize);
}

/** After each of `ids`, fed in steps of so many. */
async function logitsOf(
  session: Session,
  ids: readonly number[],
  steps: readonly number[],
): Promise<Float32Array[]> {
  const cache = session.createCache();
  try {
    const rows: Float32Array[] = [];
    for (const count of steps) {
      const part = ids.slice(rows.length, rows.length + count);
      await session.step(
        part,
        cache,
        part.map((_, row) => ({ row, sampling: GREEDY })),
      );
      rows.push(...part.map((_, row) => session.logits(row)));
    }
    return rows;
  } finally {
    cache.dispose();
  }
}

/** The largest of all rows: one that is wrong must not hide among many. */
function distanceOf(expected: readonly Float32Array[], found: readonly Float32Array[]): number {
  return Math.max(
    ...expected.map((row, i) => {
      let [apart, size] = [0, 0];
      row.forEach((logit, id) => {
        apart += (logit - found[i]![id]!) ** 2;
        size += logit ** 2;
      });
      return Math.sqrt(apart / size);
    }),
  );
}

function sameBits(a: readonly Float32Array[], b: readonly Float32Array[]): boolean {
  return a.every((row, i) => row.every((logit, id) => Object.is(logit, b[i]![id]!)));
}
