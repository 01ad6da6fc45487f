/**
 * The words of a text as the tagger and the residual risk see them: runs of letters or of digits, every other character by
 * itself. Han and kana are single characters, because their writing has no spaces.
 */

export interface Token {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly lower: string;
}

const TOKEN =
  /[\p{Script=Han}\p{Script=Hiragana}]|\p{Script=Katakana}+|[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{N}+|\n|[^\s]/gu;

export function tokensOf(text: string): Token[] {
  return Array.from(text.matchAll(TOKEN), (match) => ({
    start: match.index,
    end: match.index + match[0].length,
    text: match[0],
    lower: match[0].toLowerCase(),
  }));
}

/** How a word is written: `X` capitals, `C` a capital first, `m` mixed, `x` small, `o` a script without cases, `d` digits, `p`. */
export type Case = 'X' | 'C' | 'm' | 'x' | 'o' | 'd' | 'p';

export function caseOf({ text, lower }: Token): Case {
  if (/^\p{N}/u.test(text)) return 'd';
  if (!/^[\p{L}\p{M}]/u.test(text)) return 'p';
  const upper = text.toUpperCase();
  if (lower === upper) return 'o';
  if (text === lower) return 'x';
  if (text === upper) return text.length === 1 ? 'C' : 'X';
  return text[0] !== lower[0] && text.slice(1) === lower.slice(1) ? 'C' : 'm';
}
