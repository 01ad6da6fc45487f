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

const PRIVATE_USE = { first: 0xe000, last: 0xf8ff };

export class SpecialGuard {
  readonly #mark: string;
  readonly #specials: readonly string[];

  /** `texts`: everything that takes part in the rendering. */
  constructor(specialTexts: readonly string[], texts: readonly string[]) {
    this.#specials = specialTexts;
    this.#mark = unusedCharacter([...specialTexts, ...texts]);
  }

  /** `content` with marks: no special token is found in it, whatever stands around it. */
  protect(content: string): string {
    let marked = content;
    for (const special of this.#specials) {
      const [first = ''] = special;
      const broken = first + this.#mark + special.slice(first.length);
      // Again where occurrences overlap. A single character cannot be broken.
      while (first !== special && marked.includes(special)) marked = marked.replaceAll(special, broken);
    }
    const before = this.#specials.some((special) => beginsInside(content, special)) ? this.#mark : '';
    const after = this.#specials.some((special) => endsInside(content, special)) ? this.#mark : '';
    return before + marked + after;
  }

  /** Every string in a value of messages, however deep. Keys are left alone. */
  protectDeep(value: unknown): unknown {
    if (typeof value === 'string') return this.protect(value);
    if (Array.isArray(value)) return value.map((item) => this.protectDeep(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.protectDeep(item)]));
  }

  unprotect(text: string): string {
    return text.replaceAll(this.#mark, '');
  }
}

/** Something before `content` could make the beginning of it the rest of `special`. */
function beginsInside(content: string, special: string): boolean {
  if (content === '') return false;
  for (let from = 1; from < special.length; from++) {
    const rest = special.slice(from);
    if (content.startsWith(rest) || rest.startsWith(content)) return true;
  }
  return false;
}

/** Something after `content` could make the end of it the beginning of `special`. */
function endsInside(content: string, special: string): boolean {
  for (let length = 1; length < special.length; length++) {
    if (content.endsWith(special.slice(0, length))) return true;
  }
  return false;
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
