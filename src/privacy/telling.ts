/**
 * What says something by itself, however short the quote: numbers, codes, addresses of mail. A name does too, but that takes a
 * detector to see.
 */

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** However it is grouped. */
const NUMBER = /\p{Nd}(?:[ .,\-/()\u00a0]{0,2}\p{Nd}){5,}/gu;
const MAIL = /[^\s@<>"']{1,64}@[^\s@<>"']{1,255}/gu;
/** The years of our time are in every text. */
const YEAR = /^(?:19|20)\d\d$/;
const DIGIT = /\p{Nd}/gu;
/** Where letters and digits meet. */
const CHANGE = /(?<=\p{Nd})\p{L}|(?<=\p{L})\p{Nd}/gu;
/** As in a key or a number plate, and not in `mp3`, `python3` or `iPhone15Pro`. */
const MIN_DIGITS = 4;
const MIN_CHANGES = 3;

export function tellingOf(text: string): string[] {
  const words = (text.match(WORD) ?? []).filter(isTelling);
  return [...words, ...(text.match(NUMBER) ?? []), ...(text.match(MAIL) ?? [])];
}

/** `2026-11-25`, or `25.11.2026`: in a secret it says something, in an answer it may be today. */
export function isDay(text: string): boolean {
  return /^(?:(?:19|20)\d\d\W{1,2}\d{1,2}\W{1,2}\d{1,2}|\d{1,2}\W{1,2}\d{1,2}\W{1,2}(?:19|20)\d\d)$/.test(
    text,
  );
}

function isTelling(word: string): boolean {
  if (YEAR.test(word)) return false;
  return countOf(word, DIGIT) >= MIN_DIGITS || countOf(word, CHANGE) >= MIN_CHANGES;
}

function countOf(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
