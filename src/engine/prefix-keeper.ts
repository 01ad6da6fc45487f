/**
 * Writes what requests computed, in idle time: whole blocks of prompt and answer, and the open tail of each, so that the
 * same prompt again, or the next turn, finds all of it. A fork of the cache holds what is to be written (pages are shared,
 * not copied) until it is. Never on the way of a token: every piece waits until no request runs.
 */
import type { KvCache, Session } from '../backend/session.ts';
import { blockKey } from '../storage/prefix-keys.ts';
import type { PrefixBlock, PrefixNode } from '../storage/prefix-store.ts';
import { isQuotaError } from '../storage/room.ts';
import type { Conversation } from './conversations.ts';
import type { EventLog } from './events.ts';
import type { IdleQueue } from './idle-queue.ts';
import type { PrefillRate } from './prefill-rate.ts';
import type { PrefixShelf } from './prefix-shelf.ts';

export interface KeepOptions {
  /** How much of the conversation. */
  length: number;
  /** Where its prompt ended; at most `length`. */
  promptLength: number;
  pinned: boolean;
}

export interface Kept {
  /** The last block of the prompt; undefined if it could not be stored. */
  end: PrefixNode | undefined;
}

export interface KeeperParts {
  shelf: PrefixShelf;
  session: Session;
  /** Names begin with it; another one when all was deleted. */
  root: () => string;
  rate: PrefillRate;
  queue: IdleQueue;
  events: EventLog;
}

/** What the index has of a block, about. */
const NODE_BYTES = 512;
/** Written in one go: what a request that comes in the middle shares the machine with. */
const BATCH_BYTES = 2 << 20;
/** How often what saves less goes, as much as is to be written, until the disk takes it: browsers count late. */
const MOST_EVICTIONS = 4;
/** Requests whose writing waits; each holds memory, and the last are the likeliest to go on. */
const MOST_WAITING = 4;

interface Job extends KeepOptions {
  /** A fork: what is to be written. */
  cache: KvCache;
  ids: readonly number[];
  dropped: boolean;
}

/** A job that is under way. */
interface Writing {
  job: Job;
  idle: () => Promise<void>;
  /** What must not go to make room. */
  kept: ReadonlySet<string>;
  counts: { blocks: number; byteLength: number; evicted: number };
}

export class PrefixKeeper {
  readonly #parts: KeeperParts;
  readonly #positions: number;
  /** Oldest first; the first may be under way. */
  readonly #jobs: Job[] = [];

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#positions = parts.session.blocks.positions;
  }

  /** Takes what the conversation holds now, as far as it is asked for; settles when that is written, or cannot be. */
  async keep({ cache, ids }: Conversation, options: KeepOptions): Promise<Kept> {
    const { length } = options;
    if (this.#jobs.length >= MOST_WAITING) this.dropOldest();
    const job: Job = { ...options, cache: cache.fork(length), ids: ids.slice(0, length), dropped: false };
    this.#jobs.push(job);
    return this.#parts.queue.add((idle) => this.#run(job, idle));
  }

  /** Memory is full: gives up the oldest that waits to be written. False when none does. */
  dropOldest(): boolean {
    const job = this.#jobs.shift();
    if (!job) return false;
    job.dropped = true;
    job.cache.dispose();
    return true;
  }

  /** Nothing that was taken until now will be written. */
  dropAll(): void {
    while (this.dropOldest());
  }

  async #run(job: Job, idle: () => Promise<void>): Promise<Kept> {
    const { shelf, events } = this.#parts;
    const counts = { blocks: 0, byteLength: 0, evicted: 0 };
    const start = shelf.now();
    let outcome: 'done' | 'full' | 'failed' = 'failed';
    try {
      await idle();
      await shelf.refresh();
      const wanted = this.#nodesOf(job);
      const kept = new Set(wanted.map(({ key }) => key));
      const known = wanted.filter(({ key }) => shelf.tree.nodes.has(key));
      const writing = { job, idle, kept, counts };
      outcome = (await this.#writeAll(writing, wanted)) ? 'done' : 'full';
      await idle();
      const amend = (): Promise<void> =>
        shelf.amend(
          known.map(({ key }) => key),
          (node) => ({ ...node, lastUsed: shelf.now(), pinned: node.pinned || job.pinned }),
        );
      if (!(await this.#withRoom(writing, NODE_BYTES * known.length, amend))) {
        outcome = 'full';
        return { end: undefined };
      }
      const end = wanted.find((node) => node.start + node.positions === job.promptLength);
      return { end: end && shelf.tree.nodes.get(end.key) };
    } finally {
      if (!job.dropped) {
        this.#jobs.splice(this.#jobs.indexOf(job), 1);
        job.cache.dispose();
      }
      events.emit({ type: 'prefix-keep', outcome, ...counts, ms: shelf.now() - start });
      events.flush();
    }
  }

  /** Of all blocks worth having, in order: those of the sequence, with the tail of the prompt where it ended. */
  #nodesOf(job: Job): PrefixNode[] {
    const { length, promptLength } = job;
    const nodes: PrefixNode[] = [];
    let parent = this.#parts.root();
    for (let start = 0; start < length; start += this.#positions) {
      const end = Math.min(start + this.#positions, length);
      if (promptLength > start && promptLength < end) {
        nodes.push(this.#nodeOf(job, parent, start, promptLength));
      }
      const node = this.#nodeOf(job, parent, start, end);
      nodes.push(node);
      parent = node.key;
    }
    return nodes;
  }

  #nodeOf({ ids, pinned }: Job, parent: string, start: number, end: number): PrefixNode {
    const { shelf, rate } = this.#parts;
    const { tag: tenant, model } = shelf;
    const key = blockKey(parent, ids.slice(start, end));
    const computeMs = (end - start) * (rate.msPerToken ?? 1);
    const fresh = { lastUsed: shelf.now(), hits: 0, pinned, byteLength: 0, computeMs, tenant, model };
    return { key, parent, start, positions: end - start, ...fresh };
  }

  /** False when there was no room for all, or it is not wanted any more. */
  async #writeAll(writing: Writing, wanted: readonly PrefixNode[]): Promise<boolean> {
    const { job, idle } = writing;
    let batch: PrefixBlock[] = [];
    for (const node of wanted) {
      if (this.#parts.shelf.tree.nodes.has(node.key)) continue;
      await idle();
      if (job.dropped) return false;
      batch.push(await this.#blockOf(job, node));
      if (bytesOf(batch) < BATCH_BYTES) continue;
      if (!(await this.#write(writing, batch))) return false;
      batch = [];
    }
    return batch.length === 0 || this.#write(writing, batch);
  }

  async #blockOf({ cache }: Job, node: PrefixNode): Promise<PrefixBlock> {
    const content = await cache.exportBlock(node.start / this.#positions, node.positions);
    const record = await this.#parts.shelf.rule.seal(content, node.key);
    return { node: { ...node, byteLength: record.length }, record };
  }

  /** Writes within the budget. False if it does not fit that or the disk, or is not wanted any more. */
  async #write(writing: Writing, batch: readonly PrefixBlock[]): Promise<boolean> {
    const { job, idle, kept, counts } = writing;
    const { shelf } = this.#parts;
    const bytes = bytesOf(batch);
    await idle();
    if (job.dropped) return false;
    const { fits, evicted } = await shelf.makeRoom(bytes, kept);
    counts.evicted += evicted;
    if (!fits) return false;
    await idle();
    if (job.dropped || !(await this.#withRoom(writing, bytes, () => shelf.write(batch)))) return false;
    counts.blocks += batch.length;
    counts.byteLength += bytes;
    return true;
  }

  /** Where the disk is full within the budget, what saves less goes. False if that is not enough. */
  async #withRoom(
    { job, kept, counts }: Writing,
    bytes: number,
    write: () => Promise<void>,
  ): Promise<boolean> {
    for (let evictions = 0; ; evictions++) {
      try {
        await write();
        return true;
      } catch (error) {
        if (!isQuotaError(error)) throw error;
      }
      if (evictions === MOST_EVICTIONS) return false;
      const { fits, evicted } = await this.#parts.shelf.evict(bytes, kept);
      counts.evicted += evicted;
      if (!fits || job.dropped) return false;
    }
  }
}

function bytesOf(blocks: readonly PrefixBlock[]): number {
  return blocks.reduce((sum, { record }) => sum + record.length, 0);
}
