/**
 * Finds special tokens in text as llama.cpp does: one token after the other, the longest text first, cuts what the
 * longer ones have left. There can be thousands of them (Gemma has six), so only those that stand in the text at
 * all take part; an index by their first two characters finds these in one pass.
 */
export interface SpecialToken {
  id: number;
  text: string;
  /** Found in every text, not only where special tokens are parsed. */
  always: boolean;
  /** White space after it is no part of the text. */
  strips: boolean;
}

export class SpecialTokens {
  /** Longest first. */
  readonly tokens: readonly SpecialToken[];
  readonly #orders: ReadonlyMap<string, number>;
  /** By the first characters: the lengths of the texts that begin so. */
  readonly #lengths = new Map<string, Set<number>>();

  constructor(tokens: readonly SpecialToken[]) {
    const encoder = new TextEncoder();
    this.tokens = tokens
      .map((token) => ({ token, size: encoder.encode(token.text).length }))
      .sort((a, b) => b.size - a.size)
      .map(({ token }) => token);
    this.#orders = new Map(this.tokens.map(({ text }, order) => [text, order]));
    for (const { text } of tokens) {
      const beginning = text.slice(0, 2);
      const lengths = this.#lengths.get(beginning) ?? new Set();
      this.#lengths.set(beginning, lengths.add(text.length));
    }
  }

  /** Those that stand in the text, overlapping ones included, longest first. */
  in(text: string): SpecialToken[] {
    const found = new Set<number>();
    const look = (beginning: string, at: number): void => {
      for (const length of this.#lengths.get(beginning) ?? []) {
        const order = this.#orders.get(text.slice(at, at + length));
        if (order !== undefined) found.add(order);
      }
    };
    for (let at = 0; at < text.length; at++) {
      look(text[at]!, at);
      if (at + 1 < text.length) look(text.slice(at, at + 2), at);
    }
    return [...found].sort((a, b) => a - b).map((order) => this.tokens[order]!);
  }

  /** Special tokens by id, and the texts between them, in order. No text is empty. */
  split(text: string): (number | string)[] {
    let parts: (number | string)[] = text === '' ? [] : [text];
    for (const special of this.in(text)) {
      parts = parts.flatMap((part) => (typeof part === 'number' ? part : splitAt(part, special)));
    }
    return parts;
  }
}

function splitAt(text: string, { id, text: special, strips }: SpecialToken): (number | string)[] {
  const parts: (number | string)[] = [];
  let rest = text;
  for (let at = rest.indexOf(special); at >= 0; at = rest.indexOf(special)) {
    if (at > 0) parts.push(rest.slice(0, at));
    parts.push(id);
    rest = rest.slice(at + special.length);
    if (strips) rest = rest.replace(/^[ \t\n\v\f\r]+/, '');
  }
  if (rest !== '') parts.push(rest);
  return parts;
}
