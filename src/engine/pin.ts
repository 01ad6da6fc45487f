/**
 * Computes a beginning of prompts without an answer, and has it kept: a request of its own in the queue, whose writing
 * happens when nothing runs.
 */
import type { Privacy, Prompt, StoredPrefix } from '../rpc/protocol.ts';
import type { Conversations } from './conversations.ts';
import { decode } from './decode-loop.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { Prefixes } from './prefixes.ts';
import { preparePrefix } from './prompt.ts';
import type { Scheduler } from './scheduler.ts';

export interface PinParts {
  model: LoadedModel;
  conversations: Conversations;
  prefixes: Prefixes;
  scheduler: Scheduler;
  turn: () => Promise<void>;
  now: () => number;
}

const NOBODY = { prefillEnd: () => {}, token: () => true, choiceEnd: () => {}, stepEnd: () => {} };

export async function pinPrefix(prompt: Prompt, privacy: Privacy, parts: PinParts): Promise<StoredPrefix> {
  parts.prefixes.checkMayKeep(privacy);
  const ids = preparePrefix(prompt, parts.model);
  const { signal } = new AbortController();
  const isSecret = privacy === 'secret';
  // Written when no request runs, this one included: the task hands the promise on and does not wait for it.
  const task = (): Promise<{ pinned: Promise<StoredPrefix> }> => compute(ids, isSecret, parts);
  const { pinned } = await parts.scheduler.run(task, { priority: 0, signal });
  return pinned;
}

async function compute(
  ids: readonly number[],
  isSecret: boolean,
  { model, conversations, prefixes, turn, now }: PinParts,
): Promise<{ pinned: Promise<StoredPrefix> }> {
  const conversation = conversations.acquire(ids);
  try {
    await prefixes.restore(conversation, ids, turn);
    if (isSecret) conversation.secretFrom = Math.min(conversation.secretFrom, conversation.ids.length);
    const computed = ids.length - conversation.ids.length;
    const start = now();
    const makeRoom = (): boolean => prefixes.makeRoom() || conversations.evict(conversation);
    const { session } = model;
    await decode(
      {
        session,
        conversation,
        prompt: ids,
        choices: [],
        maxTokens: 1,
        pause: turn,
        makeRoom,
        guesser: undefined,
      },
      NOBODY,
    );
    prefixes.observePrefill(computed, now() - start);
    const pinned = prefixes.pin(conversation, ids.length);
    pinned.catch(() => undefined);
    return { pinned };
  } finally {
    if (conversation.ids.length === conversation.cache.length) {
      conversations.release(conversation, ids.length);
    } else {
      conversations.discard(conversation);
    }
  }
}
