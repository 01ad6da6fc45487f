/**
 * Past answers on disk, for one tenant and tokenizer. Their names are hashes of all that they are, so one that is torn, cut,
 * changed, of another version, tenant or model is nothing; what is not the rule's to write is not written.
 */
import type { ContentRule } from '../storage/content-rule.ts';
import { newestFirst, outdatedBy, sizeOnDisk } from '../storage/output-budget.ts';
import type { OutputBudget } from '../storage/output-budget.ts';
import type { OutputKey, OutputStore } from '../storage/output-store.ts';
import { blockKey } from '../storage/prefix-keys.ts';

export interface OutputShelf {
  /** The answers that are kept, oldest first. `pause` comes before each piece of work. */
  load(pause: () => Promise<void>): Promise<Int32Array[]>;
  /** Keeps an answer unless, when it is about to be written, it is not wanted any more. */
  save(ids: readonly number[], isWanted: () => boolean): Promise<void>;
}

export interface OutputShelfParts {
  store: OutputStore;
  rule: ContentRule;
  /** Of the answers' names; another one when all was deleted. */
  root: () => string;
  /** Of this tenant. */
  tag: string;
  budget: OutputBudget;
  vocabSize: number;
  now: () => number;
}

export function createOutputShelf(parts: OutputShelfParts): OutputShelf {
  const { store, rule, tag, budget, now } = parts;
  return {
    async load(pause) {
      await pause();
      const root = parts.root();
      const ours = (await store.keys()).filter((key) => key.root === root).toSorted(newestFirst);
      let bytes = 0;
      const chosen = ours.filter((key) => (bytes += sizeOnDisk(key)) <= budget.rootBytes);
      const records = await store.read(chosen);
      const good: Int32Array[] = [];
      const bad: OutputKey[] = [];
      for (const [i, key] of chosen.entries()) {
        await pause();
        const ids = await decode(records[i], key, parts);
        if (ids) good.push(ids);
        else bad.push(key);
      }
      await store.remove(bad);
      return good.toReversed();
    },
    async save(ids, isWanted) {
      const root = parts.root();
      const name = blockKey(root, ids);
      const content = await rule.seal(new Uint8Array(Int32Array.from(ids).buffer), name);
      const key = { tenant: tag, root, lastUsed: now(), byteLength: content.length, name };
      const outdated = outdatedBy(key, await store.keys(), budget);
      if (outdated && isWanted()) await store.write(key, content, outdated);
    },
  };
}

/** Undefined if `stored` is not the answer of that name. */
async function decode(
  stored: unknown,
  { root, name }: OutputKey,
  { rule, vocabSize }: OutputShelfParts,
): Promise<Int32Array | undefined> {
  const content = await rule.open(stored, name);
  if (!content || content.length % Int32Array.BYTES_PER_ELEMENT !== 0) return undefined;
  const ids = new Int32Array(content.slice().buffer);
  const isTrue = ids.every((id) => id >= 0 && id < vocabSize) && blockKey(root, ids) === name;
  return isTrue ? ids : undefined;
}
