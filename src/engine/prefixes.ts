/**
 * Kept prefixes, as the rest of the engine sees them: what a request may begin with, what is taken of it when it is done,
 * and the calls of the page. Everything here may fail without harm: a prefix that cannot be read is computed, one that
 * cannot be written is computed again next time.
 */
import { SelvedgeError } from '../errors.ts';
import type { ContentSettings, Privacy, StoredPrefix } from '../rpc/protocol.ts';
import { rootKey } from '../storage/prefix-keys.ts';
import type { PrefixNode } from '../storage/prefix-store.ts';
import type { Conversation } from './conversations.ts';
import type { EventLog } from './events.ts';
import type { IdleQueue } from './idle-queue.ts';
import type { LoadedModel } from './loaded-model.ts';
import { createPrefillRate } from './prefill-rate.ts';
import { createPrefixCatalogue, describePrefix } from './prefix-catalogue.ts';
import type { PrefixCatalogue } from './prefix-catalogue.ts';
import { PrefixKeeper } from './prefix-keeper.ts';
import { createPrefixReader } from './prefix-reader.ts';
import type { PrefixShelf } from './prefix-shelf.ts';

export interface Prefixes extends PrefixCatalogue {
  /** Puts what is stored of `prompt` into the conversation that begins it. `pause` throws to end the request. */
  restore(
    conversation: Conversation,
    prompt: readonly number[],
    pause: () => Promise<void>,
  ): Promise<{ tokens: number; byteLength: number; ms: number }>;
  /** The conversation's request is done: what it holds is written when nobody waits. */
  keep(conversation: Conversation, promptLength: number): void;
  /** The same at once, and to stay. Rejects if it cannot. */
  pin(conversation: Conversation, promptLength: number): Promise<StoredPrefix>;
  /** Throws if content of such privacy is never written. */
  checkMayKeep(privacy: Privacy): void;
  /** Resolves when all that was taken until now is written, or given up. */
  settled(): Promise<void>;
  observePrefill(tokens: number, ms: number): void;
  /** Memory is full: lets go of what waits to be written. False when nothing does. */
  makeRoom(): boolean;
}

const NOTHING = { tokens: 0, byteLength: 0, ms: 0 };

export interface PrefixParts {
  shelf: PrefixShelf;
  model: LoadedModel;
  queue: IdleQueue;
  events: EventLog;
}

/** Where the browser keeps nothing. */
export function withoutPrefixes({ prefixBytes }: ContentSettings): Prefixes {
  return {
    restore: async () => NOTHING,
    keep: () => undefined,
    async pin() {
      throw new SelvedgeError('unsupported_device', 'This browser keeps nothing, so nothing can be pinned.');
    },
    checkMayKeep: () => undefined,
    settled: async () => undefined,
    observePrefill: () => undefined,
    makeRoom: () => false,
    list: async () => [],
    delete: async () => false,
    clear: async () => undefined,
    usage: async () => ({ byteLength: 0, blockCount: 0, budgetBytes: prefixBytes }),
  };
}

export function createPrefixes({ shelf, model, queue, events }: PrefixParts): Prefixes {
  const { session, kvIdentity } = model;
  const { settings, rule } = shelf;
  const { positions, format } = session.blocks;
  const { tenant } = settings;
  const root = (): string => rootKey({ model: kvIdentity, format, tenant, secret: rule.nameSecret });
  const isOff = settings.prefixBytes === 0;
  const rate = createPrefillRate();
  const reader = createPrefixReader(shelf, session, root, rate);
  const keeper = new PrefixKeeper({ shelf, session, root, rate, queue, events });
  /** What fails in the background is tried again with the next request. */
  const inBackground = (job: (idle: () => Promise<void>) => Promise<unknown>): void => {
    queue.add(job).catch(() => undefined);
  };
  inBackground(async (idle) => {
    await idle();
    await shelf.sweep();
  });

  function note(used: readonly PrefixNode[], bad: readonly PrefixNode[]): void {
    if (used.length + bad.length === 0) return;
    inBackground(async (idle) => {
      await idle();
      await shelf.amend(
        used.map(({ key }) => key),
        (node) => ({ ...node, lastUsed: shelf.now(), hits: node.hits + 1 }),
      );
      await shelf.remove(bad.map(({ key }) => key));
    });
  }

  function checkMayKeep(privacy: Privacy): void {
    if (rule.mayKeep(privacy)) return;
    throw new SelvedgeError(
      'invalid_request',
      `What is '${privacy}' is kept under a passphrase only. Give createClient one, or pin something else.`,
      { details: { param: 'selvedge.privacy' } },
    );
  }

  return {
    ...createPrefixCatalogue(shelf, () => keeper.dropAll()),
    async restore(conversation, prompt, pause) {
      if (isOff) return NOTHING;
      const { used, bad, ...restored } = await reader.restore(conversation, prompt, pause);
      note(used, bad);
      return restored;
    },
    keep(conversation, promptLength) {
      shelf.forgetAhead();
      const { ids, secretFrom } = conversation;
      const length = rule.mayKeep('secret') ? ids.length : Math.min(ids.length, secretFrom);
      if (isOff || length < positions) return;
      const options = { length, promptLength: Math.min(promptLength, length), pinned: false };
      keeper.keep(conversation, options).catch(() => undefined);
    },
    async pin(conversation, promptLength) {
      if (conversation.secretFrom < promptLength) checkMayKeep('secret');
      const { end } = await keeper.keep(conversation, { length: promptLength, promptLength, pinned: true });
      if (end) return describePrefix(shelf, end);
      throw new SelvedgeError(
        'storage_full',
        `A prefix of ${promptLength} tokens does not fit the ${settings.prefixBytes} bytes for prefixes beside what is pinned. Delete a pinned prefix or raise prefixes.maxBytes.`,
        { details: { maxBytes: settings.prefixBytes } },
      );
    },
    checkMayKeep,
    settled: () => queue.add(async () => undefined),
    observePrefill: (tokens, ms) => rate.observe(tokens, ms),
    makeRoom: () => keeper.dropOldest(),
  };
}
