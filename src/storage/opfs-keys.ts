/**
 * Content keys as files of the origin private file system, one a tenant, written through synchronous access handles: the
 * one storage of a browser that writes where it is told to, and so can write over what was there. IndexedDB cannot:
 * LevelDB and SQLite append, and keep what was deleted for as long as they please.
 */
import { CONTENT_KEY_BYTES } from './content-keys.ts';
import type { ContentKeys } from './content-keys.ts';
import { lock } from './locks.ts';
import { folderOf, hasOpfs, isNamed, openToWrite } from './opfs.ts';
import type { SyncHandle } from './opfs.ts';

const FOLDER = ['selvedge', 'v1', 'keys'];
/** Held by whoever reads or changes keys: two tabs must not make one each. */
const LOCK = 'content-keys';

/** Undefined where there are no such files. */
export async function openContentKeys(): Promise<ContentKeys | undefined> {
  return (await hasOpfs()) ? opfsKeys : undefined;
}

const opfsKeys: ContentKeys = {
  take: (tenant) =>
    alone(async (folder) => {
      const handle = await openToWrite(await folder.getFileHandle(tenant, { create: true }));
      try {
        const key = new Uint8Array(CONTENT_KEY_BYTES);
        if (handle.read(key, { at: 0 }) === key.length && key.some((byte) => byte !== 0)) return key;
        put(handle, crypto.getRandomValues(key));
        return key;
      } finally {
        handle.close();
      }
    }),
  remove: (tenant) => alone((folder) => erase(folder, tenant)),
  removeAll: () =>
    alone(async (folder) => {
      const names: string[] = [];
      for await (const name of folder.keys()) names.push(name);
      for (const name of names) await erase(folder, name);
    }),
};

async function alone<T>(job: (folder: FileSystemDirectoryHandle) => Promise<T>): Promise<T> {
  const release = await lock(LOCK, 'exclusive', undefined);
  try {
    return await job(await folderOf(FOLDER));
  } finally {
    release();
  }
}

/** Zeros in its place, which are no key, and then no file: the name of a tenant goes too. */
async function erase(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  const file = await folder.getFileHandle(name).catch((error: unknown) => {
    if (isNamed(error, 'NotFoundError')) return undefined;
    throw error;
  });
  if (!file) return;
  const handle = await openToWrite(file);
  try {
    put(handle, new Uint8Array(CONTENT_KEY_BYTES));
  } finally {
    handle.close();
  }
  await folder.removeEntry(name);
}

function put(handle: SyncHandle, key: Uint8Array<ArrayBuffer>): void {
  if (handle.write(key, { at: 0 }) < key.length) {
    throw new DOMException('The disk is full.', 'QuotaExceededError');
  }
  handle.flush();
}
