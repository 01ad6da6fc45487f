/** The draft model's caches are kept between requests as the target's are, so that a next turn reads what is new in it. */
import type { Session } from '../backend/session.ts';
import type { DraftKv, ModelDrafterParts } from '../speculation/model-drafter.ts';
import { createConversations } from './conversations.ts';

/** `session` is the draft model's. */
export function createDraftCaches(session: Session): ModelDrafterParts['acquireKv'] {
  const conversations = createConversations(session);
  return (sequence): DraftKv => {
    const conversation = conversations.acquire(sequence);
    const promptLength = sequence.length;
    return {
      cache: conversation.cache,
      ids: conversation.ids,
      makeRoom: () => conversations.evict(conversation),
      release: () => conversations.release(conversation, promptLength),
      discard: () => conversations.discard(conversation),
    };
  };
}
