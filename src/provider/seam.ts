/**
 * Going on with an answer that broke off, without a character lost or doubled. What was shown stays as it is. The next
 * answerer is given a beginning that ends a word earlier, because a model goes on badly behind half a token, and templates
 * trim spaces: it says that word again, which is dropped. One that says another word cannot be joined there; then it
 * is given all that was shown.
 */

/** What to give the next answerer, and what of its text is known already. */
export interface Junction {
  prefix: string;
  /** `prefix + tail` is what was shown. */
  tail: string;
  /** Whether text that does not begin with the tail may be joined behind it all the same. */
  isTailOptional: boolean;
}

/** UTF-16 units: more than a word has. What is longer has no words, and goes back by a few characters. */
const LONGEST_WORD = 32;
const FEW = 2;

/** The ways to go on behind `shown`, best first. */
export function junctionsBehind(shown: string, { isExact = false } = {}): Junction[] {
  if (shown === '' || isExact) return [{ prefix: shown, tail: '', isTailOptional: false }];
  const wordAt = startOfLastWord(shown);
  const spaceAt = shown.trimEnd().length;
  return [
    { prefix: shown.slice(0, wordAt), tail: shown.slice(wordAt), isTailOptional: false },
    { prefix: shown.slice(0, spaceAt), tail: shown.slice(spaceAt), isTailOptional: true },
  ];
}

/** For an answer that must not be put together, as of JSON: said again from its start, it may only repeat itself. */
export function restartOf(shown: string): Junction[] {
  return [{ prefix: '', tail: shown, isTailOptional: false }];
}

/** Where the last word begins, with the space before it. */
function startOfLastWord(shown: string): number {
  let at = shown.trimEnd().length;
  while (at > 0 && shown.length - at < LONGEST_WORD && !isSpace(shown[at - 1]!)) at -= 1;
  if (at === 0 || isSpace(shown[at - 1]!)) return shown.slice(0, at).trimEnd().length;
  const spoken = shown.trimEnd();
  return (
    spoken.length -
    Array.from(spoken.slice(-2 * FEW))
      .slice(-FEW)
      .join('').length
  );
}

function isSpace(unit: string): boolean {
  return unit.trim() === '';
}

export interface Joint {
  /** What is new of the text that came, or 'diverged' when it does not repeat what it should. */
  push(text: string): string | 'diverged';
  /** At the end: whether it was said again as far as was needed. */
  isJoined(): boolean;
}

/** Drops the tail from the text that follows the prefix. */
export function createJoint({ tail, isTailOptional }: Junction): Joint {
  let rest = tail;
  return {
    push(text) {
      let same = 0;
      while (same < text.length && same < rest.length && text[same] === rest[same]) same += 1;
      if (same === text.length || same === rest.length) {
        rest = rest.slice(same);
        return text.slice(same);
      }
      if (!isTailOptional) return 'diverged';
      rest = '';
      return text.slice(same);
    },
    isJoined: () => rest === '' || isTailOptional,
  };
}
