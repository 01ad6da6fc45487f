/**
 * Finds an alias at a place of a text, however a model wrote it: in another case, with escapes or emphasis inside, with spaces
 * put in, with a possessive or an ending behind. Where the text ends too early to tell, it says so: whoever streams waits
 * for more, which is never more than an alias can be long.
 */

export interface AliasMatcher {
  /**
   * What stands at `start`: an alias that ends before `end`, nothing, or, unless the text `isComplete`, 'wait'. `previous` is
   * the character before `start`, which the text need not have.
   */
  match(text: string, start: number, previous: string, isComplete: boolean): AliasMatch | 'wait' | null;
}

export interface AliasMatch {
  end: number;
  value: string;
}

/** Between two characters of an alias: what Markdown, JSON and tokenizers put there. */
const SEPARATOR = /\\u00(?:2d|5f|ad|a0)|[\s\\_*~\-\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2212\ufeff]/iy;
/** How such an escape begins. */
const ESCAPE_START = /\\(?:u(?:0(?:0[25a]?)?)?)?$/iy;
/** In a row. */
const MOST_SEPARATORS = 4;
const ASCII_WORD = /[A-Za-z0-9]/;
const DIGIT = /\p{Nd}/u;
/** Behind an alias this makes a host name or an address of it; not so an initial, or a number. */
const JOINS = /^(?:\.[A-Za-z][A-Za-z0-9-]|@[A-Za-z0-9])/;
const MAY_JOIN = /^(?:\.[A-Za-z]?|@)$/;
const JOINED = 3;

export function createAliasMatcher(
  entries: readonly (readonly [alias: string, value: string])[],
): AliasMatcher {
  const values = new Map(entries.map(([alias, value]) => [alias.replaceAll('-', '').toLowerCase(), value]));
  const beginnings = new Set(
    [...values.keys()].flatMap((alias) => [...alias].map((_, i) => alias.slice(0, i + 1))),
  );

  /** Where the separators at `at` end; undefined if it cannot be told yet. */
  function skipSeparators(text: string, at: number, isComplete: boolean): number | undefined {
    for (let count = 0; count < MOST_SEPARATORS; count++) {
      ESCAPE_START.lastIndex = at;
      if (!isComplete && ESCAPE_START.test(text)) return undefined;
      SEPARATOR.lastIndex = at;
      if (!SEPARATOR.test(text)) break;
      at = SEPARATOR.lastIndex;
    }
    return at;
  }

  function endMatch(
    text: string,
    end: number,
    value: string,
    isComplete: boolean,
  ): AliasMatch | 'wait' | null {
    const next = text[end];
    if (next === undefined) return isComplete ? { end, value } : 'wait';
    if (DIGIT.test(next)) return null;
    const after = text.slice(end, end + JOINED);
    if (!isComplete && after.length < JOINED && MAY_JOIN.test(after)) return 'wait';
    return JOINS.test(after) ? null : { end, value };
  }

  return {
    match(text, start, previous, isComplete) {
      if (ASCII_WORD.test(previous)) return null;
      let seen = '';
      let at = start;
      for (;;) {
        const next = text[at];
        if (next === undefined) return seen !== '' && !isComplete ? 'wait' : null;
        const longer = seen + next.toLowerCase();
        if (!beginnings.has(longer)) return null;
        seen = longer;
        at += 1;
        const value = values.get(seen);
        if (value !== undefined) return endMatch(text, at, value, isComplete);
        const end = skipSeparators(text, at, isComplete);
        if (end === undefined) return 'wait';
        at = end;
      }
    },
  };
}
