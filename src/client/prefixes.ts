/**
 * `client.prefixes`: beginnings of prompts whose keys and values stay in this browser, so that what was computed once
 * starts at once, after a reload too. They are kept by themselves; an app only says which must stay, and which must go.
 */
import type { EngineCalls } from '../rpc/connect.ts';
import type { Privacy, Prompt, StoredPrefix, PrefixUsage } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, readBoolean, refuseUnknown, show } from './checks.ts';
import { readMessages } from './messages.ts';
import { readPinPrivacy } from './privacy.ts';
import type { ChatMessageParam, SelvedgeParams } from './types.ts';

export interface PrefixCalls {
  /**
   * Computes the beginning of a chat (or of a raw prompt) if it is not kept yet, and keeps it until it is deleted. Messages
   * that end with a user's are a whole prompt; others are what chats begin with, as a system prompt.
   */
  pin(
    beginning: ChatMessageParam[] | string,
    options?: Pick<SelvedgeParams, 'privacy'>,
  ): Promise<StoredPrefix>;
  /** Of this client's tenant, for every model; the last used first. */
  list(): Promise<StoredPrefix[]>;
  /**
   * With what it shares with no other. False when there was none of this tenant. Past answers, which later ones are guessed
   * from, stay until `clear`.
   */
  delete(id: string): Promise<boolean>;
  /** Deletes all of this tenant's, or of everybody's, and the past answers that were kept of the same. */
  clear(options?: { everyTenant?: boolean }): Promise<void>;
  usage(): Promise<PrefixUsage>;
  /** Resolves when what was computed until now is written, as far as there is room: before a page is left, say. */
  settled(): Promise<void>;
}

type Calls = Pick<
  EngineCalls,
  'pinPrefix' | 'listPrefixes' | 'deletePrefix' | 'clearPrefixes' | 'prefixUsage' | 'prefixesSettled'
>;

/** `label` hears what was pinned under which label. */
export function createPrefixCalls(
  calls: Calls,
  label?: (messages: readonly ChatMessageParam[], privacy: Privacy | null) => void,
): PrefixCalls {
  return {
    async pin(beginning, options) {
      if (!isAbsent(options) && !isRecord(options)) {
        throw invalid('options', `is ${show(options)}; give an object.`);
      }
      const prompt = readBeginning(beginning);
      const privacy = readPinPrivacy(options, beginning);
      const messages =
        typeof beginning === 'string' ? [{ role: 'system' as const, content: beginning }] : beginning;
      label?.(messages, options?.privacy ?? null);
      return calls.pinPrefix(prompt, privacy);
    },
    list: () => calls.listPrefixes(),
    async delete(id) {
      if (typeof id !== 'string') throw invalid('id', `is ${show(id)}; give one of prefixes.list().`);
      return calls.deletePrefix(id);
    },
    async clear(options = {}) {
      refuseUnknown({ ...options }, new Set(['everyTenant']), 'options.');
      return calls.clearPrefixes(readBoolean({ ...options }, 'everyTenant'));
    },
    usage: () => calls.prefixUsage(),
    settled: () => calls.prefixesSettled(),
  };
}

function readBeginning(value: unknown): Prompt {
  if (typeof value === 'string' && value !== '') return { kind: 'text', text: value };
  if (!Array.isArray(value)) throw invalid('beginning', `is ${show(value)}; give messages or a text.`);
  return { kind: 'chat', messages: readMessages(value), templateArguments: {}, context: 'error' };
}
