/**
 * The user's own words in any spelling: case, accents, spaces and punctuation between letters, lookalikes of other
 * alphabets. Words and text are reduced to the same skeleton, in which all words are looked for at once (Aho and Corasick,
 * 1975).
 */
import type { Span } from './detection.ts';
import { latinLookalike } from './detect-homoglyphs.ts';
import { type View, viewOf } from './detect-normalise.ts';

interface Skeleton {
  text: string;
  /** Of each unit, the index in the view. */
  places: number[];
}

interface Node {
  next: Map<string, Node>;
  fail: Node | null;
  /** Lengths of the words that end here. */
  lengths: number[];
}

/** Letters that no decomposition takes apart. */
const SIMPLE: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  þ: 'th',
  ħ: 'h',
  ı: 'i',
};
const UMLAUTS: Record<string, string> = { ä: 'ae', ö: 'oe', ü: 'ue', å: 'aa', ø: 'oe' };
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;
/** Scripts that put no space between words. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;
/** Shorter words must stand alone, longer ones may take an ending, and the longest may be part of a word. */
const ENDINGS_FROM = 5;
const ANYWHERE_FROM = 9;
const LONGEST_ENDING = 3;

export type TermMatcher = (view: View) => Span[];

/** Words without a letter or digit are looked for as they are. */
export function createTermMatcher(terms: readonly string[]): TermMatcher {
  const root: Node = { next: new Map(), fail: null, lengths: [] };
  const literal: string[] = [];
  for (const term of terms) {
    const view = viewOf(term);
    const spellings = new Set([
      view.text,
      view.text.toLowerCase().replaceAll(/[äöüåø]/g, (letter) => UMLAUTS[letter] ?? letter),
    ]);
    for (const spelling of spellings) {
      const { text } = skeletonOf(spelling);
      if (text.length > 0) insert(root, text);
      else if (spelling.trim() !== '') literal.push(spelling.trim());
    }
  }
  link(root);
  return (view) => [...matches(view, root), ...literals(view, literal)];
}

function matches(view: View, root: Node): Span[] {
  if (root.next.size === 0) return [];
  const skeleton = skeletonOf(view.text);
  const spans: Span[] = [];
  let node = root;
  for (let at = 0; at < skeleton.text.length; at++) {
    const letter = skeleton.text[at]!;
    while (node.fail !== null && !node.next.has(letter)) node = node.fail;
    node = node.next.get(letter) ?? root;
    for (const length of node.lengths) {
      const start = skeleton.places[at - length + 1]!;
      const end = skeleton.places[at]! + 1;
      if (isWord(view.text, start, end, length)) spans.push(term(start, end));
    }
  }
  return spans;
}

function isWord(text: string, start: number, end: number, length: number): boolean {
  if (length >= ANYWHERE_FROM) return true;
  const opens = UNSPACED.test(text[start] ?? '') || !LETTER_OR_DIGIT.test(text[start - 1] ?? '');
  const longest = length >= ENDINGS_FROM ? LONGEST_ENDING : 0;
  let ending = 0;
  while (ending <= longest && LETTER_OR_DIGIT.test(text[end + ending] ?? '')) ending++;
  return opens && (ending <= longest || UNSPACED.test(text[end - 1] ?? ''));
}

function literals(view: View, words: readonly string[]): Span[] {
  return words.flatMap((word) => {
    const spans: Span[] = [];
    for (let at = view.text.indexOf(word); at !== -1; at = view.text.indexOf(word, at + word.length)) {
      spans.push(term(at, at + word.length));
    }
    return spans;
  });
}

/** Letters and digits only, in lower case, without accents, as Latin letters where they look like such. */
function skeletonOf(text: string): Skeleton {
  let skeleton = '';
  const places: number[] = [];
  for (let at = 0; at < text.length; at++) {
    for (const letter of reduced(text[at]!)) {
      skeleton += letter;
      places.push(at);
    }
  }
  return { text: skeleton, places };
}

function reduced(unit: string): string {
  if (unit <= '~') return /[a-z0-9]/i.test(unit) ? unit.toLowerCase() : '';
  const plain = latinLookalike(unit).toLowerCase().normalize('NFD').replaceAll(/\p{M}/gu, '');
  return Array.from(plain, (letter) => SIMPLE[letter] ?? latinLookalike(letter))
    .join('')
    .replaceAll(/[^\p{L}\p{N}\ud800-\udfff]/gu, '');
}

function insert(root: Node, word: string): void {
  let node = root;
  for (const letter of Array.from({ length: word.length }, (_, at) => word[at]!)) {
    let next = node.next.get(letter);
    if (next === undefined) node.next.set(letter, (next = { next: new Map(), fail: null, lengths: [] }));
    node = next;
  }
  if (!node.lengths.includes(word.length)) node.lengths.push(word.length);
}

/** Sets where to go on when no letter fits, nearest to the root first, and what ends there too. */
function link(root: Node): void {
  const queue = [...root.next.values()];
  for (const node of queue) node.fail = root;
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const [letter, next] of node.next) {
      let fail = node.fail;
      while (fail !== null && !fail.next.has(letter)) fail = fail.fail;
      next.fail = fail?.next.get(letter) ?? root;
      next.lengths.push(...next.fail.lengths);
      queue.push(next);
    }
  }
}

function term(start: number, end: number): Span {
  return { start, end, kind: 'term', source: 'term', confidence: 1 };
}
