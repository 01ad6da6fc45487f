/**
 * `ContentKeys` in memory, which several engines can share. Keys are no secret: which one a tenant gets depends on how many
 * were removed before, so that engines with keys of their own agree until then.
 */
import { CONTENT_KEY_BYTES } from '../../src/storage/content-keys.ts';
import type { ContentKeys } from '../../src/storage/content-keys.ts';

export interface MemoryKeys extends ContentKeys {
  readonly keys: Map<string, Uint8Array<ArrayBuffer>>;
  /** Runs before each call; what it throws is how the call fails. */
  before: (call: keyof ContentKeys) => void;
}

export function createMemoryKeys(): MemoryKeys {
  let removed = 0;
  const store: MemoryKeys = {
    keys: new Map(),
    before: () => {},
    async take(tenant) {
      store.before('take');
      const key = store.keys.get(tenant) ?? keyOf(tenant, removed);
      store.keys.set(tenant, key);
      return key.slice();
    },
    async remove(tenant) {
      store.before('remove');
      if (store.keys.delete(tenant)) removed += 1;
    },
    async removeAll() {
      store.before('removeAll');
      removed += store.keys.size;
      store.keys.clear();
    },
  };
  return store;
}

function keyOf(tenant: string, removed: number): Uint8Array<ArrayBuffer> {
  const letters = new TextEncoder().encode(tenant);
  return Uint8Array.from({ length: CONTENT_KEY_BYTES }, (_, i) => letters[i % letters.length]! + removed + 1);
}
