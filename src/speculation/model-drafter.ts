/**
 * A smaller model as a drafter. It picks with the target's noise (Gumbel coupling, 2408.07978): where the two models find
 * a token about as likely they pick the same one, at every temperature; where they are one model, always.
 *
 * Its cache may hold more than was committed (drafts that the target refused) and lacks what others drafted. So nothing
 * is rewound or fed as the sequence goes on, but only when a draft is asked for: then the cache goes back to what it has
 * in common with the sequence, no further, and what is missing is read in blocks.
 */
import type { KvCache, Pick, PickRequest, Sampling, Session } from '../backend/session.ts';
import { SelvedgeError, assert } from '../errors.ts';
import { CommonTokens } from './common-tokens.ts';
import { draftTokens } from './drafted-tokens.ts';
import type { Draft, DraftContext, ModelDrafter } from './drafter.ts';

/** Keys and values of the draft model, for one sequence. Whoever gave them keeps them for later ones. */
export interface DraftKv {
  readonly cache: KvCache;
  /** The tokens that the cache holds. */
  readonly ids: number[];
  /** Frees memory that other sequences hold. False when there is none. */
  makeRoom(): boolean;
  /** The sequence is done with. */
  release(): void;
  /** Its contents are not certain any more. */
  discard(): void;
}

export interface ModelDrafterParts {
  session: Session;
  /** Gives what is there of the beginning of `sequence`, which goes on growing. */
  acquireKv(sequence: readonly number[]): DraftKv;
  /** Nothing follows them. */
  endTokens: ReadonlySet<number>;
  /** Tokens that draft and target have in common: the first so many. */
  vocabSize: number;
  now: () => number;
}

export function createModelDrafter(parts: ModelDrafterParts): ModelDrafter {
  return new SequenceDrafter(parts);
}

const NO_PICKS: readonly PickRequest[] = [];

class SequenceDrafter implements ModelDrafter {
  readonly id = 'draft';
  readonly free = false;
  readonly #parts: ModelDrafterParts;
  readonly #maxBatch: number;
  readonly #contextLength: number;
  readonly #common: CommonTokens;
  /** What was observed. */
  #sequence: number[] = [];
  /** Where the sequence has its first token that the draft model does not know. */
  #unknownAt = Infinity;
  #kv: DraftKv | undefined;
  /** There is no memory for this sequence. */
  #isFull = false;

  constructor(parts: ModelDrafterParts) {
    this.#parts = parts;
    const { maxBatch, contextLength } = parts.session.info();
    this.#maxBatch = maxBatch;
    this.#contextLength = contextLength;
    this.#common = new CommonTokens(parts.vocabSize);
  }

  observe(committed: ArrayLike<number>): void {
    for (let i = 0; i < committed.length; i++) {
      const id = committed[i]!;
      if (id >= this.#parts.vocabSize) this.#unknownAt = Math.min(this.#unknownAt, this.#sequence.length);
      this.#sequence.push(id);
      this.#common.observe(id);
    }
  }

  rewind(length: number): void {
    assert(length <= this.#sequence.length, `rewind to ${length} of ${this.#sequence.length} tokens`);
    this.#sequence.length = length;
    if (length <= this.#unknownAt) this.#unknownAt = Infinity;
  }

  reset(): void {
    this.#kv?.release();
    this.#kv = undefined;
    this.#sequence = [];
    this.#unknownAt = Infinity;
    this.#common.reset();
    this.#isFull = false;
  }

  pendingTokens(): number {
    return this.#canDraft(1) ? this.#sequence.length - this.#sharedLength() : 0;
  }

  async catchUp(most = this.#maxBatch): Promise<boolean> {
    if (this.pendingTokens() <= most) return false;
    const start = this.#rewound();
    await this.#step(this.#sequence.slice(start, start + most), NO_PICKS);
    return !this.#isFull;
  }

  async propose(context: DraftContext, maxLength: number): Promise<Draft | null> {
    if (!this.#canDraft(maxLength) || !context.goesOn([])) return null;
    assert(context.position === this.#sequence.length, 'a draft follows what was observed');
    const start = this.#parts.now();
    while (await this.catchUp());
    const room = this.#contextLength - this.#sequence.length + 1;
    const drafted = await draftTokens(this.#isFull ? [] : this.#sequence.slice(this.#rewound()), context, {
      most: Math.min(maxLength, room),
      endTokens: this.#parts.endTokens,
      pick: (ids, sampling) => this.#pick(ids, sampling),
    });
    return drafted && { ...drafted, estMs: this.#parts.now() - start };
  }

  /** The last drafted token is not fed, so a full context leaves room for one. */
  #canDraft(maxLength: number): boolean {
    const { length } = this.#sequence;
    return (
      maxLength > 0 && length > 0 && length <= Math.min(this.#contextLength, this.#unknownAt) && !this.#isFull
    );
  }

  /** Undefined where memory is full. */
  async #pick(ids: readonly number[], sampling: Sampling): Promise<Pick | undefined> {
    const [pick] = await this.#step(ids, [{ row: ids.length - 1, sampling }]);
    return pick;
  }

  /** How much of the sequence the cache holds, without its last token: that has to be computed again for what follows. */
  #sharedLength(): number {
    this.#kv ??= this.#parts.acquireKv(this.#sequence);
    const { ids } = this.#kv;
    const end = Math.min(ids.length, this.#sequence.length - 1);
    let i = 0;
    while (i < end && ids[i] === this.#sequence[i]) i++;
    return i;
  }

  /** Takes the cache back to what it shares with the sequence; returns how much that is. */
  #rewound(): number {
    const shared = this.#sharedLength();
    const kv = this.#heldKv();
    if (shared < kv.ids.length) {
      kv.cache.rewind(shared);
      kv.ids.length = shared;
    }
    return shared;
  }

  #heldKv(): DraftKv {
    assert(this.#kv, 'the draft model has a cache');
    return this.#kv;
  }

  /** No picks where memory is full: drafts can be done without. */
  async #step(ids: readonly number[], requests: readonly PickRequest[]): Promise<Pick[]> {
    const kv = this.#heldKv();
    // Before the step, not after it: a new sequence may begin before this one hears that the step is done.
    for (const id of ids) kv.ids.push(id);
    for (;;) {
      try {
        const candidates = this.#common.count();
        return await this.#parts.session.step(ids, kv.cache, requests, { candidates });
      } catch (error) {
        const isFull = error instanceof SelvedgeError && error.code === 'out_of_memory';
        if (isFull && kv.makeRoom()) continue;
        kv.discard();
        this.#kv = undefined;
        if (!isFull) throw error;
        this.#isFull = true;
        return [];
      }
    }
  }
}
