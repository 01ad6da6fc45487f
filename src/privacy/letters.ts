/**
 * What of a text is compared: its letters and digits, as an eye reads them. Case, accents, punctuation, spaces and
 * invisible characters go; letters of other alphabets that look Latin become Latin; digits of all scripts, `0` and `o`,
 * `1`, `i` and `l` become one. So a text that was trimmed, re-serialised, quoted, wrapped or disguised stays the same.
 *
 * A letter is one unit. Where a character is worth several letters, as in Chinese, it is as many units, so that a
 * number of units is about the same amount of saying in every script.
 */
import { latinLookalike } from './detect-homoglyphs.ts';

export interface Letters {
  units: Int32Array;
  /** One more than `units`: 1 where a word begins, and behind the end. */
  starts: Uint8Array;
}

/** How a text is read; another reading is given only to show that this one is needed. */
export type ReadLetters = (text: string) => Letters;

/** The digit zero of scripts that have digits of their own; the other nine follow it. */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xf20,
  0x1040, 0x17e0, 0x1810,
];

/** First code points of runs of A to Z that no normal form turns into letters. */
const CAPITALS = [0x1f150, 0x1f170, 0x1f1e6];
const TAGS_START = 0xe0000;

const LOOKS_LIKE = new Map([
  ['0', 'o'],
  ['1', 'l'],
  ['i', 'l'],
  ['ß', 'ss'],
]);

const IS_LETTER = /[\p{L}\p{N}]/u;
const INVISIBLE = /[\p{M}\p{Cf}]/gu;
/** Invisible characters that repeat ASCII. */
const TAG = /[\u{E0020}-\u{E007E}]/gu;
const IS_ASCII = /^[\0-\x7f]*$/;

export function readLetters(text: string): Letters {
  return IS_ASCII.test(text) ? readAscii(text) : readAll(text);
}

function readAscii(text: string): Letters {
  const units = new Int32Array(text.length);
  const starts = new Uint8Array(text.length + 1);
  let count = 0;
  let isStart = 1;
  for (let i = 0; i < text.length; i++) {
    const unit = ASCII_UNITS[text.charCodeAt(i)]!;
    if (unit === 0) {
      isStart = 1;
      continue;
    }
    starts[count] = isStart;
    units[count++] = unit;
    isStart = 0;
  }
  starts[count] = 1;
  return { units: units.subarray(0, count), starts: starts.subarray(0, count + 1) };
}

function readAll(text: string): Letters {
  const units: number[] = [];
  const starts: number[] = [];
  let isStart = 1;
  const visible = text
    .replace(TAG, (tag) => String.fromCharCode((tag.codePointAt(0) ?? 0) - TAGS_START))
    .normalize('NFKD')
    .replace(INVISIBLE, '');
  for (const character of visible) {
    const folded = foldCharacter(character);
    if (folded === '') {
      isStart = 1;
      continue;
    }
    for (const letter of folded) {
      const code = letter.codePointAt(0) ?? 0;
      for (let i = worthOf(code); i > 0; i--) {
        starts.push(isStart);
        units.push(code + (i - 1) * 0x200000);
        isStart = 0;
      }
    }
  }
  starts.push(1);
  return { units: Int32Array.from(units), starts: Uint8Array.from(starts) };
}

/** Empty if it is neither letter nor digit. */
function foldCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return ASCII_LETTERS[code] ?? '';
  const capital = CAPITALS.find((first) => code >= first && code < first + 26);
  if (capital !== undefined) return fold(String.fromCharCode(0x61 + code - capital));
  const zero = ZEROS.find((first) => code >= first && code < first + 10);
  if (zero !== undefined) return fold(String(code - zero));
  if (!IS_LETTER.test(character)) return '';
  return [...latinLookalike(character).toLowerCase()].map(fold).join('');
}

function fold(letter: string): string {
  return LOOKS_LIKE.get(letter) ?? letter;
}

/** How many letters of an alphabet a character is worth. */
function worthOf(code: number): number {
  if (code < 0x900) return 1;
  if (code >= 0x3400 && code < 0xa000) return 3;
  if (code >= 0x20000) return 3;
  const isSyllable = code < 0x10a0 || (code >= 0x1780 && code < 0x1800) || (code >= 0x3040 && code < 0x3100);
  return isSyllable ? 2 : 1;
}

const ASCII_LETTERS = Array.from({ length: 0x80 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[A-Za-z0-9]/.test(character) ? fold(character.toLowerCase()) : '';
});

const ASCII_UNITS = Int32Array.from(ASCII_LETTERS, (letter) => letter.codePointAt(0) ?? 0);
