/**
 * Reads a kept beginning of a prompt back into a conversation, where that is quicker than computing it: blocks come in
 * order, some at a time, the next while the last are checked, and it ends where a block is missing or does not prove
 * itself, or where computing the rest is quicker. Whatever happens, the conversation holds a true beginning.
 */
import type { Session } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import type { PrefixNode } from '../storage/prefix-store.ts';
import { longestChain } from '../storage/prefix-tree.ts';
import type { Conversation } from './conversations.ts';
import type { PrefillRate } from './prefill-rate.ts';
import type { PrefixShelf } from './prefix-shelf.ts';

export interface Restored {
  /** Positions that came from the store. */
  tokens: number;
  byteLength: number;
  ms: number;
  /** The chain, for the index: it was of use. */
  used: PrefixNode[];
  /** Blocks that did not prove themselves. */
  bad: PrefixNode[];
}

/** Read in one go. */
const BATCH_BYTES = 4 << 20;
/** Reading must take at most so much of what computing takes: it is the estimate of one and the other. */
const WORTH = 0.7;

export interface PrefixReader {
  restore(
    conversation: Conversation,
    prompt: readonly number[],
    pause: () => Promise<void>,
  ): Promise<Restored>;
}

export function createPrefixReader(
  shelf: PrefixShelf,
  session: Session,
  root: () => string,
  rate: PrefillRate,
): PrefixReader {
  const { positions } = session.blocks;
  const { now, rule } = shelf;

  /** Whether reading `nodes` beats computing what they hold behind `begun`. Not known yet counts as yes. */
  function isQuicker(nodes: readonly PrefixNode[], begun: number): boolean {
    const readMs = shelf.expectedMs(nodes);
    return readMs === undefined || readMs <= WORTH * computeMsOf(nodes, begun);
  }

  function computeMsOf(nodes: readonly PrefixNode[], begun: number): number {
    return nodes.reduce((sum, { start, positions: count, computeMs }) => {
      const gained = start + count - Math.max(start, begun);
      return sum + gained * (rate.msPerToken ?? computeMs / count);
    }, 0);
  }

  /** Nothing to gain beyond what the conversation holds: undefined. */
  async function missingOf({ ids, cache }: Conversation, prompt: readonly number[]): Promise<PrefixNode[]> {
    const last = prompt.length - 1;
    if (last - ids.length < 1) return [];
    await shelf.refresh();
    const chain = longestChain(shelf.tree, root(), prompt, positions);
    const end = chain.at(-1);
    if (!end || Math.min(end.start + end.positions, last) <= ids.length) return [];
    const missing = chain.slice(Math.floor(ids.length / positions));
    const isInReach = missing[0]!.start >= cache.rewindLimit;
    return isInReach && isQuicker(missing, ids.length) ? missing : [];
  }

  return {
    async restore(conversation, prompt, pause) {
      const start = now();
      const restored: Restored = { tokens: 0, byteLength: 0, ms: 0, used: [], bad: [] };
      const begun = conversation.ids.length;
      const missing = await missingOf(conversation, prompt).catch(() => []);
      const batches = batchesOf(missing, shelf.expectedMs(missing) === undefined);
      const read = (batch: PrefixNode[] | undefined): Promise<unknown[]> => {
        const reading = batch ? shelf.read(batch) : Promise.resolve([]);
        // If it is not waited for any more, nobody wants its error.
        reading.catch(() => undefined);
        return reading;
      };
      let reading = read(batches[0]);
      for (const [i, batch] of batches.entries()) {
        await pause();
        const records = await reading.catch((): unknown[] => []);
        const rest = batches.slice(i + 1).flat();
        const goesOn = rest.length > 0 && isQuicker(rest, begun);
        reading = read(goesOn ? batches[i + 1] : undefined);
        const contents = await Promise.all(batch.map(({ key }, at) => rule.open(records[at], key)));
        const isWhole = appendAll(conversation, prompt, batch, contents, restored);
        if (!isWhole || !goesOn) break;
      }
      if (conversation.ids.length === prompt.length) rewind(conversation, prompt.length - 1);
      restored.tokens = Math.max(0, conversation.ids.length - begun);
      restored.ms = missing.length > 0 ? now() - start : 0;
      return restored;
    },
  };

  /** False when one could not be appended: none after it can. */
  function appendAll(
    conversation: Conversation,
    prompt: readonly number[],
    nodes: readonly PrefixNode[],
    contents: readonly (Uint8Array | undefined)[],
    restored: Restored,
  ): boolean {
    for (const [i, node] of nodes.entries()) {
      const content = contents[i];
      const outcome = content ? append(conversation, prompt, node, content) : 'bad';
      if (outcome === 'bad') restored.bad.push(node);
      if (outcome !== 'done') return false;
      restored.used.push(node);
      restored.byteLength += node.byteLength;
    }
    return true;
  }
}

function append(
  conversation: Conversation,
  prompt: readonly number[],
  { start, positions }: PrefixNode,
  content: Uint8Array,
): 'done' | 'bad' | 'full' {
  // What the conversation has of this block is in the block too.
  rewind(conversation, start);
  try {
    conversation.cache.appendBlock(content, positions);
    for (const id of prompt.slice(start, start + positions)) conversation.ids.push(id);
    return 'done';
  } catch (error) {
    if (!(error instanceof SelvedgeError)) throw error;
    return error.code === 'invalid_request' ? 'bad' : 'full';
  }
}

/** Blocks that are read together; the first alone while nothing is known of how long it takes. */
function batchesOf(nodes: readonly PrefixNode[], isFirstTime: boolean): PrefixNode[][] {
  const batches: PrefixNode[][] = [];
  let bytes = Infinity;
  for (const [i, node] of nodes.entries()) {
    if (bytes + node.byteLength > BATCH_BYTES || (isFirstTime && i === 1)) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(node);
    bytes += node.byteLength;
  }
  return batches;
}

function rewind({ cache, ids }: Conversation, length: number): void {
  cache.rewind(length);
  ids.length = length;
}
