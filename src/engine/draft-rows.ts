/**
 * The picks a step is asked for when guesses are fed behind the last token: one for each row. A row's penalties count the
 * tokens before it, so the guesses up to it as well: they are right whenever the row's pick is used.
 */
import type { PickRequest, Sampling } from '../backend/session.ts';

/** `fed`: the last pick, which `output` has, then the guesses. */
export function rowsOf(
  sampling: Sampling,
  output: ReadonlyMap<number, number> | undefined,
  fed: ArrayLike<number>,
): PickRequest[] {
  const requests: PickRequest[] = [{ row: 0, sampling }];
  let counted = output;
  for (let row = 1; row < fed.length; row++) {
    if (!counted || !sampling.seen) {
      requests.push({ row, sampling });
      continue;
    }
    const id = fed[row]!;
    counted = new Map(counted).set(id, (counted.get(id) ?? 0) + 1);
    requests.push({ row, sampling: { ...sampling, seen: { ...sampling.seen, output: counted } } });
  }
  return requests;
}
