/**
 * Keeps what people type from becoming special tokens while a template turns messages into one text. A mark (a
 * private-use character that stands nowhere else in the request) breaks every special token's text inside the
 * content; after the template has run and its own special tokens were found, the marks are removed.
 *
 * Content stays the string it was otherwise, so templates that trim, split or search it do what they did. A token
 * cannot be pieced together across the edge of the content either: where content ends like the beginning
 * of a special token, begins like the end of one, or is the middle of one, that edge gets a mark too.
 */
import { SelvedgeError } from '../errors.ts';
import { SpecialTokens, type SpecialToken } from './special-tokens.ts';

const PRIVATE_USE = { first: 0xe000, last: 0xf8ff };

/** Special tokens that content must not become, with what it takes to find them quickly, also cut in two. */
export class GuardedTokens {
  readonly texts: readonly string[];
  readonly #whole: SpecialTokens;
  readonly #beginnings = new Set<string>();
  readonly #ends = new Set<string>();
  readonly #longest: number;

  constructor(tokens: readonly SpecialToken[]) {
    this.#whole = new SpecialTokens(tokens);
    this.texts = this.#whole.tokens.map(({ text }) => text);
    this.#longest = Math.max(0, ...this.texts.map(({ length }) => length));
    for (const text of this.texts) {
      for (let cut = 1; cut < text.length; cut++) {
        this.#beginnings.add(text.slice(0, cut));
        this.#ends.add(text.slice(cut));
      }
    }
  }

  /** Those that stand in `content`. */
  in(content: string): string[] {
    return this.#whole.in(content).map(({ text }) => text);
  }

  /** Something before `content` could make the beginning of it the rest of a token. */
  canBeginIn(content: string): boolean {
    for (let length = 1; length < Math.min(this.#longest, content.length + 1); length++) {
      if (this.#ends.has(content.slice(0, length))) return true;
    }
    // All of it may be the middle of a token.
    if (content === '' || content.length >= this.#longest) return false;
    return this.texts.some((text) => text.includes(content, 1));
  }

  /** Something after `content` could make the end of it the beginning of a token. */
  canEndIn(content: string): boolean {
    for (let length = 1; length < Math.min(this.#longest, content.length + 1); length++) {
      if (this.#beginnings.has(content.slice(content.length - length))) return true;
    }
    return false;
  }
}

export class SpecialGuard {
  readonly #mark: string;

  /** `texts`: everything that takes part in the rendering. */
  constructor(texts: readonly string[]) {
    this.#mark = unusedCharacter(texts);
  }

  /** `content` with marks: none of `tokens` is found in it, whatever stands around it. */
  protect(content: string, tokens: GuardedTokens): string {
    let marked = content;
    for (const special of tokens.in(content)) {
      const [first = ''] = special;
      const broken = first + this.#mark + special.slice(first.length);
      // Again where occurrences overlap. A single character cannot be broken.
      while (first !== special && marked.includes(special)) marked = marked.replaceAll(special, broken);
    }
    const before = tokens.canBeginIn(content) ? this.#mark : '';
    const after = tokens.canEndIn(content) ? this.#mark : '';
    return before + marked + after;
  }

  /** Every string in a value of messages, however deep. Keys are left alone. */
  protectDeep(value: unknown, tokens: GuardedTokens): unknown {
    if (typeof value === 'string') return this.protect(value, tokens);
    if (Array.isArray(value)) return value.map((item) => this.protectDeep(item, tokens));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.protectDeep(item, tokens)]),
    );
  }

  unprotect(text: string): string {
    return text.replaceAll(this.#mark, '');
  }
}

function unusedCharacter(texts: readonly string[]): string {
  for (let code = PRIVATE_USE.first; code <= PRIVATE_USE.last; code++) {
    const character = String.fromCharCode(code);
    if (!texts.some((text) => text.includes(character))) return character;
  }
  throw new SelvedgeError(
    'invalid_request',
    'The messages use every private-use character from U+E000 to U+F8FF; at least one must be free.',
  );
}
