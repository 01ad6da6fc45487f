/**
 * Which conversation a request belongs to. The API is stateless: each request brings all that was said. So a conversation is
 * known by its answers: by everything up to one of them, or, where the beginning was cut off or changed, by a long
 * answer itself. Only hashes are kept.
 */
import type { Vault } from './vault.ts';

export interface Conversation {
  readonly vault: Vault;
}

/** A text and its hash, in the order of the messages. */
export interface Said {
  hash: number;
  /** Of an answer that is long enough to be no one else's. */
  isTelling: boolean;
  isAnswer: boolean;
}

export interface Conversations {
  /** The one that was said, or a new one. */
  find(said: readonly Said[]): Conversation;
  /** `said`, the answer included, is of this conversation. */
  remember(said: readonly Said[], conversation: Conversation): void;
}

export function createConversations(
  combine: (...hashes: readonly number[]) => number,
  createVault: () => Vault,
): Conversations {
  const byAnswer = new Map<number, Conversation>();

  /** One for each answer: its chain, and itself if it is telling. The latest last. */
  function keysOf(said: readonly Said[]): number[] {
    let chain = 0;
    return said.flatMap(({ hash, isAnswer, isTelling }) => {
      chain = combine(chain, hash);
      if (!isAnswer) return [];
      return isTelling ? [hash, chain] : [chain];
    });
  }

  return {
    find(said) {
      const known = keysOf(said).findLast((key) => byAnswer.has(key));
      return (known === undefined ? undefined : byAnswer.get(known)) ?? { vault: createVault() };
    },
    remember(said, conversation) {
      for (const key of keysOf(said).slice(-2)) byAnswer.set(key, conversation);
    },
  };
}
