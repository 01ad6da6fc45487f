/** Which past answers go when one comes: the same one from before, and the oldest of what is too much. */
import type { OutputKey } from './output-store.ts';

export interface OutputBudget {
  /** Most bytes under one root. */
  rootBytes: number;
  /** Most bytes of all, of every tenant. */
  totalBytes: number;
}

/** What the database needs for a key, about: answers may be as short as a few tokens. */
const KEY_BYTES = 256;

export function newestFirst(a: OutputKey, b: OutputKey): number {
  return b.lastUsed - a.lastUsed;
}

export function sizeOnDisk({ byteLength }: OutputKey): number {
  return byteLength + KEY_BYTES;
}

/** Of `stored`, what `added` takes the place of. Undefined if it has no place itself. */
export function outdatedBy(
  added: OutputKey,
  stored: readonly OutputKey[],
  { rootBytes, totalBytes }: OutputBudget,
): OutputKey[] | undefined {
  let ofRoot = sizeOnDisk(added);
  let total = ofRoot;
  if (ofRoot > Math.min(rootBytes, totalBytes)) return undefined;
  return stored.toSorted(newestFirst).filter((key) => {
    const isOurs = key.root === added.root;
    if (isOurs && key.name === added.name) return true;
    total += sizeOnDisk(key);
    if (isOurs) ofRoot += sizeOnDisk(key);
    return total > totalBytes || (isOurs && ofRoot > rootBytes);
  });
}
