/** How kernel tests feed sequences and compare what comes back: bits, not numbers. */
import { GREEDY } from '../../src/backend/greedy.ts';
import type { KvCache, PickRequest, Session } from '../../src/backend/session.ts';

export const pickRow = (row: number): PickRequest => ({ row, sampling: GREEDY });

/** Ids below 256, the same in every run. */
export function someIds(count: number, salt = 0): number[] {
  return Array.from({ length: count }, (_, i) => (Math.imul(i + 1 + salt * 977, 2654435761) >>> 8) % 256);
}

/** Logits after every position, fed in steps of at most `width`. */
export async function rowsOf(
  session: Session,
  ids: readonly number[],
  width = 128,
  cache: KvCache = session.createCache(),
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < ids.length; start += width) {
    const part = ids.slice(start, start + width);
    await session.step(
      part,
      cache,
      part.map((_, row) => pickRow(row)),
    );
    rows.push(...part.map((_, row) => session.logits(row)));
  }
  return rows;
}

/** Positions whose logits differ in any bit. */
export function partings(a: readonly Float32Array[], b: readonly Float32Array[]): number[] {
  if (a.length !== b.length) throw new Error(`${a.length} rows and ${b.length}`);
  return a.flatMap((row, position) => (sameBits(row, b[position]!) ? [] : [position]));
}

export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const [x, y] = [words(a), words(b)];
  return x.length === y.length && x.every((word, i) => word === y[i]);
}

function words(row: Float32Array): Uint32Array {
  return new Uint32Array(row.buffer, row.byteOffset, row.length);
}
