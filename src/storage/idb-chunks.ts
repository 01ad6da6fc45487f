/**
 * Files as 4 MiB chunks in IndexedDB, for browsers and private modes without an origin private file system.
 * Plain ArrayBuffers: WebKit's private mode refuses Blobs, and single values of hundreds of megabytes fail or
 * freeze the page elsewhere.
 */
import { get, set } from 'idb-keyval';
import { storeOf } from './db.ts';
import type { ChunkFile, Medium } from './medium.ts';

const chunks = storeOf('chunks', 'relaxed');

export const indexedDbMedium: Medium = {
  backend: 'indexeddb',
  async open(key) {
    return chunkFile(key);
  },
  async remove(key) {
    await chunks('readwrite', (store) => {
      // All keys [key, index]: an array sorts behind every number.
      store.delete(IDBKeyRange.bound([key, 0], [key, []]));
      return new Promise<void>((resolve, reject) => {
        store.transaction.addEventListener('complete', () => resolve());
        store.transaction.addEventListener('abort', () =>
          reject(store.transaction.error ?? new Error('aborted')),
        );
      });
    });
  },
};

function chunkFile(key: string): ChunkFile {
  return {
    async presentBytes(byteLength) {
      return byteLength;
    },
    async read(index, length) {
      const stored = await get<unknown>([key, index], chunks);
      const isThere = stored instanceof ArrayBuffer && stored.byteLength === length;
      return isThere ? new Uint8Array(stored) : new Uint8Array(0);
    },
    write: (index, bytes) => set([key, index], bytes.slice().buffer, chunks),
    async close() {
      // The connection stays open for others.
    },
  };
}
