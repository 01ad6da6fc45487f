/**
 * Which texts of a request are answers that were given before, and to which conversation it belongs. The API is stateless: each
 * request brings all that was said. So an answer is known by its place, which is everything that was said before it, and
 * a conversation by its answers. Where the beginning was cut off or changed, an answer is known by its text: it then has the
 * highest class that this text ever had as an answer, and is of a conversation only if it is long enough to be no one
 * else's. Only hashes are kept.
 */
import { joinClasses } from './classes.ts';
import type { PrivacyClass } from './classes.ts';
import type { Vault } from './vault.ts';

export interface Conversation {
  readonly vault: Vault;
}

/** A text of a request, in their order. */
export interface Said {
  message: number;
  hash: number;
  length: number;
  isAssistants: boolean;
}

export interface KnownAnswer {
  class: PrivacyClass;
  /** Who gave it. */
  provider: string | null;
}

export interface Answers {
  /** What is known of each text; undefined for what is no answer. */
  find(said: readonly Said[]): (KnownAnswer | undefined)[];
  conversationOf(said: readonly Said[]): Conversation;
  /** An answer to all of `said`, or one of several, or what was thought before it. */
  remember(
    answer: Pick<Said, 'hash' | 'length'>,
    said: readonly Said[],
    known: KnownAnswer,
    conversation: Conversation,
  ): void;
  /** Wherever it stands. */
  reclassify(hash: number, to: PrivacyClass): void;
}

/** Fewer characters are many people's answer. */
const TELLING_LENGTH = 40;

interface Given extends KnownAnswer {
  hash: number;
  conversation: Conversation;
}

export function createAnswers(
  combine: (...hashes: readonly number[]) => number,
  createVault: () => Vault,
): Answers {
  const byPlace = new Map<number, Given>();
  const byText = new Map<number, Given>();

  /** Of each text its place: all earlier messages and itself. Behind them that of an answer without its text. */
  function placesOf(said: readonly Said[]): number[] {
    let before = 0;
    let after = 0;
    let message = -1;
    const places = said.map((one) => {
      if (one.message !== message) before = after;
      message = one.message;
      after = combine(after, one.hash);
      return combine(before, one.hash);
    });
    return [...places, after];
  }

  return {
    find(said) {
      const places = placesOf(said);
      return said.map(({ hash, isAssistants }, i) =>
        isAssistants ? (byPlace.get(places[i] ?? 0) ?? byText.get(hash)) : undefined,
      );
    },
    conversationOf(said) {
      const places = placesOf(said);
      const ofTexts = said.map(({ hash, length, isAssistants }, i) => {
        if (!isAssistants) return undefined;
        return byPlace.get(places[i] ?? 0) ?? (length < TELLING_LENGTH ? undefined : byText.get(hash));
      });
      return ofTexts.findLast((given) => given)?.conversation ?? { vault: createVault() };
    },
    remember({ hash }, said, known, conversation) {
      const given: Given = { ...known, hash, conversation };
      byPlace.set(combine(placesOf(said).at(-1) ?? 0, hash), given);
      const earlier = byText.get(hash)?.class ?? 'public';
      byText.set(hash, { ...given, class: joinClasses(known.class, earlier) });
    },
    reclassify(hash, to) {
      for (const given of [...byPlace.values(), ...byText.values()])
        if (given.hash === hash) given.class = to;
    },
  };
}
