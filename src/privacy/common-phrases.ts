/**
 * What a model says to anybody: hashes of passages and numbers in answers to what is not private. Answers share phrases ("let me
 * know if you have other questions"), and one that was said of something open says nothing about a secret.
 */
import type { KeyedHash } from './keyed-hash.ts';
import type { Letters } from './letters.ts';

export interface CommonPhrases {
  has(length: number, key: number): boolean;
  /** `telling`: the numbers and codes in it. */
  add(letters: Letters, telling: readonly Letters[]): void;
}

/** Beyond that nothing more is taken for common, so that memory has an end. */
const MOST = 500_000;

/** `passage` and `piece`: how long the windows are that are compared. */
export function createCommonPhrases(hash: KeyedHash, passage: number, piece: number): CommonPhrases {
  const phrases = new Map<number, Set<number>>();
  let count = 0;

  function addWindows(units: Int32Array, length: number): void {
    const ofLength = phrases.get(length) ?? new Set<number>();
    phrases.set(length, ofLength);
    for (const key of hash.windows(units, length)) {
      if (count >= MOST) return;
      if (ofLength.has(key)) continue;
      ofLength.add(key);
      count += 1;
    }
  }

  return {
    has: (length, key) => phrases.get(length)?.has(key) ?? false,
    add(letters, telling) {
      addWindows(letters.units, passage);
      for (const { units } of telling) addWindows(units, Math.min(piece, units.length));
    },
  };
}
