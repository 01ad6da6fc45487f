/**
 * The KV caches that stay between requests. A request gets the cache that shares the longest beginning with
 * its prompt: as it is when nothing in it is lost by that, else as a fork, so that another conversation which
 * merely begins alike keeps its own. What is beyond the capacity goes, least recently used first.
 *
 * A request holds its conversation until it releases it; as requests never interleave, one is held at a time.
 */
import type { KvCache, Session } from '../backend/session.ts';
import { SelvedgeError, assert } from '../errors.ts';

/** Live caches. Forks share pages, so eight cost less than eight times one. */
const CAPACITY = 8;

export interface Conversation {
  readonly cache: KvCache;
  /** The tokens whose keys and values the cache holds: as many as `cache.length`. */
  readonly ids: number[];
  /** How many of `ids` were the prompt of its last request; the rest is that request's answer. */
  promptLength: number;
  /** From here on `ids` came with, or after, a request whose content is secret; Infinity when none did. */
  secretFrom: number;
}

export interface Conversations {
  /** A cache that holds the longest known beginning of `prompt`, but never its last token, and nothing else. */
  acquire(prompt: readonly number[]): Conversation;
  /** Keeps it for later requests. `promptLength` is that of the request which had it. */
  release(conversation: Conversation, promptLength: number): void;
  /** Drops it: its contents are not certain any more. */
  discard(conversation: Conversation): void;
  /** Frees the least recently used cache but the given one. False when there is none. */
  evict(except: Conversation): boolean;
}

export function createConversations(session: Session, capacity = CAPACITY): Conversations {
  /** Least recently used first. */
  const kept: Conversation[] = [];

  function remove(conversation: Conversation): void {
    const at = kept.indexOf(conversation);
    if (at >= 0) kept.splice(at, 1);
    conversation.cache.dispose();
  }

  function evict(except?: Conversation): boolean {
    const oldest = kept.find((conversation) => conversation !== except);
    if (!oldest) return false;
    remove(oldest);
    return true;
  }

  /** Making a cache may need memory that an old one still holds. */
  function make(except: Conversation | undefined, create: () => KvCache): KvCache {
    for (;;) {
      try {
        return create();
      } catch (error) {
        const full = error instanceof SelvedgeError && error.code === 'out_of_memory';
        if (!full || !evict(except)) throw error;
      }
    }
  }

  function add(cache: KvCache, ids: number[], secretFrom: number): Conversation {
    const conversation = { cache, ids, promptLength: ids.length, secretFrom };
    kept.push(conversation);
    return conversation;
  }

  function best(prompt: readonly number[]): { source: Conversation; shared: number } | undefined {
    let found: { source: Conversation; shared: number } | undefined;
    for (const source of kept) {
      const shared = Math.min(commonPrefix(source.ids, prompt), prompt.length - 1);
      if (shared > 0 && shared >= (found?.shared ?? 0) && shared >= source.cache.rewindLimit) {
        found = { source, shared };
      }
    }
    return found;
  }

  return {
    acquire(prompt) {
      const match = best(prompt);
      if (!match) {
        if (kept.length >= capacity) evict();
        return add(
          make(undefined, () => session.createCache()),
          [],
          Infinity,
        );
      }
      const { source, shared } = match;
      const isFull = kept.length >= capacity;
      const secretFrom = source.secretFrom < shared ? source.secretFrom : Infinity;
      // The last prompt token is always computed again, so up to one token fewer than the prompt is no loss.
      const losesAnswerOnly = shared >= source.promptLength - 1;
      if (losesAnswerOnly || (isFull && source === kept[0])) {
        source.cache.rewind(shared);
        source.ids.length = shared;
        source.secretFrom = secretFrom;
        moveToEnd(kept, source);
        return source;
      }
      if (isFull) evict(source);
      return add(
        make(source, () => source.cache.fork(shared)),
        source.ids.slice(0, shared),
        secretFrom,
      );
    },
    release(conversation, promptLength) {
      assert(conversation.ids.length === conversation.cache.length, 'a conversation knows its cache');
      conversation.promptLength = Math.min(promptLength, conversation.ids.length);
    },
    discard: remove,
    evict,
  };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}

function moveToEnd(list: Conversation[], item: Conversation): void {
  list.splice(list.indexOf(item), 1);
  list.push(item);
}
