/**
 * Between which tags a model thinks before it answers: those that its template, or the vocabulary of a file without
 * one, knows. Undefined: it answers at once.
 */
import type { Tokenizer } from './tokenizer.ts';

export interface ReasoningTags {
  open: string;
  close: string;
  /** Tokens that are a whole tag: they are text of the answer, even where the file calls them control tokens. */
  ids: ReadonlySet<number>;
}

const PAIRS: readonly (readonly [open: string, close: string])[] = [
  ['<think>', '</think>'],
  ['[THINK]', '[/THINK]'],
  ['<thought>', '</thought>'],
  ['<seed:think>', '</seed:think>'],
];

export function findReasoningTags(
  source: string | undefined,
  { specials }: Pick<Tokenizer, 'specials'>,
): ReasoningTags | undefined {
  const idOf = (tag: string): number | undefined => specials.tokens.find(({ text }) => text === tag)?.id;
  for (const [open, close] of PAIRS) {
    const ids = [idOf(open), idOf(close)].filter((id) => id !== undefined);
    const isKnown = source === undefined ? ids.length === 2 : source.includes(close);
    if (isKnown) return { open, close, ids: new Set(ids) };
  }
  return undefined;
}
