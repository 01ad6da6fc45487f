import { describePrefixStore } from '../conformance/prefix-store.ts';
import { createMemoryPrefixes } from './memory-prefixes.ts';

const store = createMemoryPrefixes();

describePrefixStore('in memory', {
  open: async () => store,
  put: async (key, value) => void store.records.set(key, new Uint8Array(value)),
});
