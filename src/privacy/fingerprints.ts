/**
 * What a text may be recognised by when a part of it turns up elsewhere: hashes of windows of its letters, of numbers and
 * codes that say something by themselves, and of what it says in an encoding. Nothing of the text is kept.
 *
 * A passage of 24 letters is always recognised; so are half of a number or of a code, and a short text that is quoted
 * whole. Fewer words than that are everybody's words. Of answers, only passages and long numbers count, and what turns up in an
 * answer to something that is not private is everybody's too: models have their phrases.
 */
import { isAtMost } from './classes.ts';
import type { PrivacyClass } from './classes.ts';
import { createCommonPhrases } from './common-phrases.ts';
import type { KeyedHash, Windows } from './keyed-hash.ts';
import type { Letters, ReadLetters } from './letters.ts';
import { Prints } from './prints.ts';
import { readingsOf } from './readings.ts';
import type { Reading } from './readings.ts';
import { isDay, tellingOf } from './telling.ts';

/** Windows of WINDOW units, STRIDE apart: whatever shares WINDOW + STRIDE - 1 of them has one of them whole. */
const WINDOW = 20;
const STRIDE = 5;
/** Of a number or code; also the shortest that is looked for inside words. */
const PIECE = 8;
/** Shorter is anybody's. */
const SHORTEST = 4;
/** Of what the user names as such. */
const SHORTEST_TERM = 2;
/** Of a number in an answer, and of a word in what was decoded and may be chance. */
const SHORTEST_UNSURE = 6;
/** How a text came by its class: it was said to have it, or it is an answer to something that has it. */
export type Origin = 'given' | 'derived';

export interface Fingerprints {
  add(text: string, privacy: PrivacyClass, origin: Origin): void;
  /** Something that is recognised as a whole only: a name, a word of the user's. */
  addTerm(term: string, privacy: PrivacyClass): void;
  /** An answer to something that is not private: what it shares with answers to what is says nothing. */
  addCommon(text: string): void;
  /** Takes all of it back, for good. */
  release(text: string): void;
  /** The highest class of what is in the text, in any view of it; `public` if there is nothing. */
  classOf(text: string): PrivacyClass;
  /** The same of a text whose readings are there already. */
  classIn(readings: readonly Reading[]): PrivacyClass;
}

interface Print {
  privacy: PrivacyClass;
  origin: Origin;
}

interface Hit {
  prints: Prints<Print>;
  windows: Windows;
  at: number;
  print: Print;
}

export function createFingerprints(hash: KeyedHash, read: ReadLetters): Fingerprints {
  const printsByLength = new Map<number, Prints<Print>>();
  const common = createCommonPhrases(hash, WINDOW, PIECE);
  const released: Letters[] = [];

  function putWindows({ units }: Letters, length: number, stride: number, print: Print): void {
    const windows = hash.windows(hash.mix(units), length);
    const count = windows.highs.length;
    const prints = printsByLength.get(length) ?? new Prints<Print>();
    printsByLength.set(length, prints);
    for (let i = 0; i < count; i += stride) put(i);
    if (count > 0) put(count - 1);

    function put(at: number): void {
      if (print.origin === 'derived' && common.has(length, windows, at)) return;
      const known = prints.get(windows, at);
      const isSame = known?.privacy === print.privacy;
      if (known && (isSame ? print.origin === 'derived' : isAtMost(print.privacy, known.privacy))) return;
      prints.set(windows, at, print);
    }
  }

  function putWhole(letters: Letters, shortest: number, print: Print): void {
    const { length } = letters.units;
    if (length > WINDOW) putWindows(letters, WINDOW, STRIDE, print);
    else if (length >= shortest) putWindows(letters, length, 1, print);
  }

  function* hitsIn({ units, starts }: Letters, isDecoded: boolean): Generator<Hit> {
    const mixed = hash.mix(units);
    for (const [length, prints] of printsByLength) {
      if (isDecoded && length < SHORTEST_UNSURE) continue;
      const windows = hash.windows(mixed, length);
      for (let at = 0; at < windows.highs.length; at++) {
        const print = prints.get(windows, at);
        if (print === undefined) continue;
        // What is short counts as a word of its own only: letters in a row are in many words.
        const isWord = starts[at]! === 1 && starts[at + length]! === 1;
        if (length >= PIECE || isWord) yield { prints, windows, at, print };
      }
    }
  }

  function takeBack(letters: Letters, from: readonly Origin[]): void {
    for (const { prints, windows, at, print } of hitsIn(letters, false)) {
      if (from.includes(print.origin)) prints.delete(windows, at);
    }
  }

  function keepReleased(): void {
    for (const letters of released) takeBack(letters, ['given', 'derived']);
  }

  function classIn(readings: readonly Reading[]): PrivacyClass {
    let highest: PrivacyClass = 'public';
    for (const { letters, isDecoded } of readings) {
      for (const { print } of hitsIn(letters, isDecoded)) {
        if (!isAtMost(print.privacy, highest)) highest = print.privacy;
        if (highest === 'secret') return highest;
      }
    }
    return highest;
  }

  return {
    add(text, privacy, origin) {
      const print: Print = { privacy, origin };
      const isDerived = origin === 'derived';
      for (const { text: view, letters, isDecoded, isBackwards } of readingsOf(text, read)) {
        // Whoever looks for it looks backwards too.
        if (isBackwards) continue;
        const isSure = !isDecoded && !isDerived;
        putWhole(letters, isDerived ? WINDOW : isDecoded ? PIECE : SHORTEST, print);
        for (const telling of tellingOf(view)) {
          if (isDerived && isDay(telling)) continue;
          const said = read(telling);
          if (said.units.length > PIECE) putWindows(said, PIECE, 1, print);
          else putWhole(said, isSure ? SHORTEST : SHORTEST_UNSURE, print);
        }
      }
      keepReleased();
    },
    addTerm(term, privacy) {
      putWhole(read(term), SHORTEST_TERM, { privacy, origin: 'given' });
      keepReleased();
    },
    addCommon(text) {
      const letters = read(text);
      takeBack(letters, ['derived']);
      common.add(letters, tellingOf(text).map(read));
    },
    release(text) {
      const letters = read(text);
      released.push(letters);
      takeBack(letters, ['given', 'derived']);
    },
    classOf: (text) => (printsByLength.size === 0 ? 'public' : classIn(readingsOf(text, read))),
    classIn,
  };
}
