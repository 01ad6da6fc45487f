/** What a suffix drafter should say, found by looking at every place of the text. Slow and plain. No longer than two matches. */

export interface Guess {
  ids: number[];
  matchLength: number;
  shares: number[];
}

/** The longest proper end of `text` that also occurs before its end, and what follows; -1 separates texts. */
export function guessRepeat(text: readonly number[], maxLength: number): Guess | null {
  let match: readonly number[] = [];
  for (let length = 1; length < text.length; length++) {
    const end = text.slice(-length);
    if (!isPiece(end) || followersOf(text, end).length === 0) break;
    match = end;
  }
  return guess(text, match, maxLength);
}

/** The longest end of `sequence`, of at most `most` tokens, that occurs in `texts`, and what follows there. */
export function guessFrom(
  texts: readonly (readonly number[])[],
  sequence: readonly number[],
  { most, maxLength }: { most: number; maxLength: number },
): Guess | null {
  const joined = texts.flatMap((text) => [...text, -1]);
  let match: readonly number[] = [];
  for (let length = 1; length <= Math.min(most, sequence.length); length++) {
    const end = sequence.slice(-length);
    if (followersOf(joined, end).length === 0) break;
    match = end;
  }
  return guess(joined, match, maxLength);
}

function guess(text: readonly number[], match: readonly number[], maxLength: number): Guess | null {
  const ids: number[] = [];
  const shares: number[] = [];
  let context = thatGoesOn(text, match);
  const matchLength = context.length;
  while (context.length > 0 && ids.length < Math.min(maxLength, 2 * matchLength)) {
    const followers = followersOf(text, context);
    const { id, count } = commonest(followers);
    ids.push(id);
    shares.push(count / followers.length);
    const longer = [...context, id];
    context = thatGoesOn(text, longer);
    if (context.length < longer.length && context.length < matchLength) break;
  }
  return ids.length === 0 ? null : { ids, matchLength, shares };
}

/** The longest end of `tokens` behind which there is a token. */
function thatGoesOn(text: readonly number[], tokens: readonly number[]): readonly number[] {
  let end = tokens;
  while (end.length > 0 && followersOf(text, end).every((id) => id < 0)) end = end.slice(1);
  return end;
}

/** What comes after each occurrence of `piece`, in order. */
function followersOf(text: readonly number[], piece: readonly number[]): number[] {
  const found: number[] = [];
  for (let at = 0; at + piece.length < text.length; at++) {
    if (piece.every((id, i) => text[at + i] === id)) found.push(text[at + piece.length]!);
  }
  return found;
}

/** The latest of those that come most often. */
function commonest(followers: readonly number[]): { id: number; count: number } {
  let best = { id: -1, count: 0 };
  for (const id of followers.filter((one) => one >= 0).toReversed()) {
    const count = followers.filter((one) => one === id).length;
    if (count > best.count) best = { id, count };
  }
  return best;
}

function isPiece(tokens: readonly number[]): boolean {
  return tokens.every((id) => id >= 0);
}
