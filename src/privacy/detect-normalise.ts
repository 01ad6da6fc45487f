/**
 * The text as a reader sees it, in place of how it is coded: compatibility forms (NFKC), digits of every script as ASCII,
 * nothing invisible, no direction marks, and, in a second view, letters that look like Latin ones as those letters. Every
 * unit of a view knows the units of the original that it came from, so that what is found in a view can be masked in
 * the original.
 */
import { latinLookalike } from './detect-homoglyphs.ts';

export interface View {
  readonly original: string;
  /** Normalised, in the letters it was written in. */
  readonly text: string;
  /** As `text`, unit for unit, with lookalikes of Latin letters replaced in words that are partly Latin or have digits. */
  readonly folded: string;
  /** Of each unit of the view: where its origin begins in the original, and where it ends. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Plain text: what is left of it is the same in every view. */
const PLAIN = /^[\n\r\t -~]*$/;

/** Soft hyphens, joiners, direction marks and isolates, fillers, variation selectors, tags. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u;
const COMBINING = /\p{M}/u;
const DASHES = /[\u2010-\u2015\u2043\u207b\u208b\u2212\u2796\u2e3a\u2e3b\ufe58\ufe63\uff0d]/gu;

/** The zeros of the decimal digits in the basic plane that NFKC leaves alone; nine follow each. */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
  0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
  0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
];

export function viewOf(original: string): View {
  if (PLAIN.test(original)) {
    const starts = Int32Array.from({ length: original.length }, (_, at) => at);
    return { original, text: original, folded: original, starts, ends: starts.map((at) => at + 1) };
  }
  const pieces: string[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  for (let at = 0; at < original.length;) {
    const end = clusterEnd(original, at);
    const piece = normalised(original.slice(at, end));
    pieces.push(piece);
    for (let unit = 0; unit < piece.length; unit++) {
      starts.push(at);
      ends.push(end);
    }
    at = end;
  }
  const text = pieces.join('');
  return {
    original,
    text,
    folded: foldLookalikes(text),
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
  };
}

/** The span of the original behind units `start` to `end` of a view, with all that is invisible between them. */
export function originOf(view: View, start: number, end: number): { start: number; end: number } {
  return { start: view.starts[start]!, end: view.ends[end - 1]! };
}

/** A character and the marks that combine with it, which NFKC may make one. */
function clusterEnd(text: string, start: number): number {
  let end = start + widthAt(text, start);
  while (end < text.length) {
    const next = String.fromCodePoint(text.codePointAt(end) ?? 0);
    if (isTag(next) || (!COMBINING.test(next) && !INVISIBLE.test(next))) break;
    end += next.length;
  }
  return end;
}

function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

function normalised(cluster: string): string {
  let visible = '';
  for (const character of cluster) {
    if (isTag(character) || !INVISIBLE.test(character)) visible += plainCharacter(character);
  }
  return visible.normalize('NFKC').replace(DASHES, '-');
}

/** Tag characters spell out ASCII that nobody sees. */
function isTag(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code >= 0xe0020 && code <= 0xe007e;
}

function plainCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (isTag(character)) return String.fromCharCode(code - 0xe0000);
  if (code < 0x660 || code > 0xffff) return character;
  const zero = ZEROS.find((first) => code >= first && code < first + 10);
  return zero === undefined ? character : String(code - zero);
}

/** Words of another script alone are not touched: a Russian word stays Russian. */
function foldLookalikes(text: string): string {
  return text.replaceAll(/[\p{L}\p{N}\p{M}@._%+-]+/gu, (word) =>
    /[a-z0-9@]/i.test(word) ? word.replaceAll(/[^\0-~]/gu, latinLookalike) : word,
  );
}
