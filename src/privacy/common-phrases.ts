/**
 * What a model says to anybody: hashes of passages and numbers in answers to what is not private. Answers share phrases ("let me
 * know if you have other questions"), and one that was said of something open says nothing about a secret.
 */
import type { KeyedHash, Windows } from './keyed-hash.ts';
import type { Letters } from './letters.ts';
import { Prints } from './prints.ts';

export interface CommonPhrases {
  has(length: number, windows: Windows, at: number): boolean;
  /** `telling`: the numbers and codes in it. */
  add(letters: Letters, telling: readonly Letters[]): void;
}

/** Beyond that nothing more is taken for common, so that memory has an end. */
const MOST = 500_000;

/** `passage` and `piece`: how long the windows are that are compared. */
export function createCommonPhrases(hash: KeyedHash, passage: number, piece: number): CommonPhrases {
  const phrases = new Map<number, Prints<true>>();
  let count = 0;

  function addWindows(units: Int32Array, length: number): void {
    const ofLength = phrases.get(length) ?? new Prints<true>();
    phrases.set(length, ofLength);
    const windows = hash.windows(hash.mix(units), length);
    for (let at = 0; at < windows.highs.length && count < MOST; at++) {
      if (ofLength.get(windows, at)) continue;
      ofLength.set(windows, at, true);
      count += 1;
    }
  }

  return {
    has: (length, windows, at) => phrases.get(length)?.get(windows, at) ?? false,
    add(letters, telling) {
      addWindows(letters.units, passage);
      for (const { units } of telling) addWindows(units, Math.min(piece, units.length));
    },
  };
}
