import { set } from 'idb-keyval';
import { storeOf } from '../../src/storage/db.ts';
import { openPrefixStore } from '../../src/storage/idb-prefixes.ts';
import type { PrefixStore } from '../../src/storage/prefix-store.ts';
import { describePrefixStore } from './prefix-store.ts';

async function open(): Promise<PrefixStore> {
  const store = await openPrefixStore();
  if (!store) throw new Error('this browser has no IndexedDB');
  return store;
}

describePrefixStore('in IndexedDB', {
  open,
  put: (key, value) => set(key, value, storeOf('prefix-blocks', 'relaxed')),
});
