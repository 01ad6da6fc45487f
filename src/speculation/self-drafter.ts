/**
 * The target as its own drafter (QuantSpec, 2502.10424): it drafts through the draft view of its own cache, which reads half of
 * every key's and value's bits, with its own noise. No second model, no second cache.
 *
 * Drafts are appended to the target's cache and taken back before they are returned; verifying them computes the same
 * positions again, with all bits. On a CPU this is never faster than not drafting (docs/decisions/two-tier-kv.md).
 */
import type { KvCache, Pick, Sampling, Session } from '../backend/session.ts';
import { SelvedgeError, assert } from '../errors.ts';
import { draftTokens } from './drafted-tokens.ts';
import type { Draft, DraftContext, ModelDrafter } from './drafter.ts';

export interface SelfDrafterParts {
  /** The target's. */
  session: Session;
  /** The target's cache of the sequence, which holds all of its tokens but the last; undefined where there is none. */
  liveCache(): KvCache | undefined;
  /** Nothing follows them. */
  endTokens: ReadonlySet<number>;
  now: () => number;
}

export function createSelfDrafter(parts: SelfDrafterParts): ModelDrafter {
  return new LiveDrafter(parts);
}

class LiveDrafter implements ModelDrafter {
  readonly id = 'self';
  readonly free = false;
  readonly #parts: SelfDrafterParts;
  readonly #contextLength: number;
  /** What was observed. */
  #sequence: number[] = [];

  constructor(parts: SelfDrafterParts) {
    this.#parts = parts;
    this.#contextLength = parts.session.info().contextLength;
  }

  observe(committed: ArrayLike<number>): void {
    for (let i = 0; i < committed.length; i++) this.#sequence.push(committed[i]!);
  }

  rewind(length: number): void {
    assert(length <= this.#sequence.length, `rewind to ${length} of ${this.#sequence.length} tokens`);
    this.#sequence.length = length;
  }

  reset(): void {
    this.#sequence = [];
  }

  pendingTokens(): number {
    return this.#cache() ? 1 : 0;
  }

  /** Its cache is the target's. */
  async catchUp(): Promise<boolean> {
    return false;
  }

  async propose(context: DraftContext, maxLength: number): Promise<Draft | null> {
    const cache = this.#cache();
    if (!cache || cache.length === this.#contextLength || !context.goesOn([])) return null;
    assert(context.position === this.#sequence.length, 'a draft follows what was observed');
    const start = this.#parts.now();
    const { length } = cache;
    try {
      // The last drafted token is not fed.
      const most = Math.min(maxLength, this.#contextLength - length);
      const pick = (ids: readonly number[], sampling: Sampling): Promise<Pick | undefined> =>
        this.#pick(cache, ids, sampling);
      const { endTokens } = this.#parts;
      const drafted = await draftTokens(this.#sequence.slice(length), context, { most, endTokens, pick });
      return drafted && { ...drafted, estMs: this.#parts.now() - start };
    } finally {
      cache.rewind(length);
    }
  }

  /** Of this sequence, if it holds what it should. */
  #cache(): KvCache | undefined {
    const cache = this.#parts.liveCache();
    return cache && cache.length === this.#sequence.length - 1 ? cache : undefined;
  }

  /** None where memory is full: drafts can be done without. */
  async #pick(cache: KvCache, ids: readonly number[], sampling: Sampling): Promise<Pick | undefined> {
    try {
      const picks = await this.#parts.session.step(ids, cache, [{ row: 0, sampling }], { view: 'draft' });
      return picks[0];
    } catch (error) {
      if (error instanceof SelvedgeError && error.code === 'out_of_memory') return undefined;
      throw error;
    }
  }
}
