/**
 * The page's view of what is kept: prefixes of one tenant, each with all of its blocks, by the name of its last one.
 */
import type { PrefixUsage, StoredPrefix } from '../rpc/protocol.ts';
import type { PrefixNode } from '../storage/prefix-store.ts';
import { chainTo, endsOf, partsOf } from '../storage/prefix-tree.ts';
import { sizeOf } from './prefix-shelf.ts';
import type { PrefixShelf } from './prefix-shelf.ts';

export interface PrefixCatalogue {
  /** The last used first. */
  list(): Promise<StoredPrefix[]>;
  /** False when this tenant has none of that name. */
  delete(id: string): Promise<boolean>;
  clear(everyTenant: boolean): Promise<void>;
  usage(): Promise<PrefixUsage>;
}

/** `beforeDeleting` stops what waits to be written: it may be what is to go. */
export function createPrefixCatalogue(shelf: PrefixShelf, beforeDeleting: () => void): PrefixCatalogue {
  const ours = ({ tenant }: PrefixNode): boolean => tenant === shelf.tag;
  const all = async (): Promise<PrefixNode[]> => {
    await shelf.refresh();
    return [...shelf.tree.nodes.values()].filter(ours);
  };

  return {
    async list() {
      await shelf.refresh();
      const ends = endsOf(shelf.tree).filter(ours);
      return ends.sort((a, b) => b.lastUsed - a.lastUsed).map((end) => describePrefix(shelf, end));
    },
    async delete(id) {
      if (!(await all()).some(({ key }) => key === id)) return false;
      beforeDeleting();
      const { removed, unpinned } = partsOf(shelf.tree, id);
      await shelf.amend(unpinned, (one) => ({ ...one, pinned: false }));
      await shelf.remove(removed);
      return true;
    },
    async clear(everyTenant) {
      beforeDeleting();
      if (everyTenant) await shelf.removeAll();
      else await shelf.remove((await all()).map(({ key }) => key));
    },
    async usage() {
      const nodes = await all();
      const budgetBytes = shelf.settings.prefixBytes;
      return { byteLength: sizeOf(nodes), blockCount: nodes.length, budgetBytes };
    },
  };
}

/** The prefix that ends with the block `end`. */
export function describePrefix(shelf: PrefixShelf, end: PrefixNode): StoredPrefix {
  const { key, start, positions, lastUsed, hits, pinned, model } = end;
  const byteLength = sizeOf(chainTo(shelf.tree, key));
  return { id: key, tokens: start + positions, byteLength, lastUsed, hits, pinned, model };
}
