/**
 * Where in a JSON text one is, as it arrives. Each string is a text of its own, which may be Markdown; what is put into one is
 * escaped, so that the JSON stays what it is.
 */
import { createMarkdownPlace } from './markdown-place.ts';
import type { TextPlace } from './text-place.ts';

/** What escapes stand for, as far as it matters to Markdown; `\uXXXX` does not. */
const ESCAPED = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
]);

export function createJsonPlace(): TextPlace {
  let string: TextPlace | undefined;
  let isEscaped = false;

  function take(character: string): void {
    if (!string) {
      if (character === '"') string = createMarkdownPlace();
    } else if (isEscaped) {
      isEscaped = false;
      string.advance(ESCAPED.get(character) ?? character);
    } else if (character === '\\') isEscaped = true;
    else if (character === '"') string = undefined;
    else string.advance(character);
  }

  return {
    advance(text) {
      for (let i = 0; i < text.length; i++) take(text[i] ?? '');
    },
    here: () => string?.here() ?? 'text',
    quote: (value) => (string ? JSON.stringify(value).slice(1, -1) : value),
  };
}
