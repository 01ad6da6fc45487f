/**
 * Files in the origin private file system, read and written through synchronous access handles: by far the
 * fastest storage a browser has. A handle is exclusive unless the browser knows `readwrite-unsafe`, by which
 * several tabs may hold one file; our locks order them. Where it does not, a file that another tab holds is read
 * through `getFile()`.
 * https://developer.mozilla.org/docs/Web/API/FileSystemFileHandle/createSyncAccessHandle
 */
import { CHUNK_BYTES } from './chunks.ts';
import type { ChunkFile, Medium } from './medium.ts';

const FOLDER = ['selvedge', 'v1', 'models'];
/** A tab that died may keep its handle for a moment longer than its lock. */
const BUSY_RETRIES = 20;
const BUSY_WAIT_MS = 50;

/** As in the specification; declared here because only the worker's library knows it, and not its modes. */
export interface SyncHandle {
  getSize(): number;
  read(into: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  flush(): void;
  close(): void;
}

interface SyncFile {
  createSyncAccessHandle(options?: { mode: 'readwrite-unsafe' }): Promise<SyncHandle>;
}

export const opfsMedium: Medium = {
  backend: 'opfs',
  async open(key, access) {
    const folder = await modelFolder();
    const file = await folder.getFileHandle(nameOf(key), { create: access === 'write' });
    if (access === 'write') return new HandleFile(await openToWrite(file));
    const handle = await openHandle(file);
    return handle ? new HandleFile(handle) : new SnapshotFile(file);
  },
  async remove(key) {
    const folder = await modelFolder();
    await folder.removeEntry(nameOf(key)).catch((error: unknown) => {
      if (!isNamed(error, 'NotFoundError')) throw error;
    });
  },
};

export async function hasOpfs(): Promise<boolean> {
  const storage = navigator.storage as Partial<StorageManager> | undefined;
  if (!storage?.getDirectory || !('FileSystemFileHandle' in globalThis)) return false;
  if (!('createSyncAccessHandle' in FileSystemFileHandle.prototype)) return false;
  return modelFolder().then(
    () => true,
    () => false,
  );
}

function modelFolder(): Promise<FileSystemDirectoryHandle> {
  return folderOf(FOLDER);
}

export async function folderOf(path: readonly string[]): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

function nameOf(key: string): string {
  return `${key}.bin`;
}

/** Waits a moment for a tab that has the file for itself; a lock keeps those away that live. */
export async function openToWrite(file: FileSystemFileHandle): Promise<SyncHandle> {
  for (let attempt = 0; ; attempt++) {
    const handle = await openHandle(file);
    if (handle) return handle;
    if (attempt === BUSY_RETRIES) throw new Error(`the file ${file.name} stays in use by another tab`);
    await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
  }
}

/** Undefined when another tab has the file for itself. */
async function openHandle(handle: FileSystemFileHandle): Promise<SyncHandle | undefined> {
  const file = handle as unknown as SyncFile;
  try {
    return await file.createSyncAccessHandle({ mode: 'readwrite-unsafe' });
  } catch (error) {
    // A browser that knows modes, but not this one.
    if (error instanceof TypeError) return file.createSyncAccessHandle();
    // InvalidStateError is Firefox's word for it.
    if (isNamed(error, 'NoModificationAllowedError') || isNamed(error, 'InvalidStateError')) return undefined;
    throw error;
  }
}

class HandleFile implements ChunkFile {
  readonly #handle: SyncHandle;

  constructor(handle: SyncHandle) {
    this.#handle = handle;
  }

  async presentBytes(): Promise<number> {
    return this.#handle.getSize();
  }

  async read(
    index: number,
    length: number,
    scratch: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const into = scratch.subarray(0, length);
    return into.subarray(0, this.#handle.read(into, { at: index * CHUNK_BYTES }));
  }

  async write(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const written = this.#handle.write(bytes, { at: index * CHUNK_BYTES });
    if (written < bytes.length) throw new DOMException('The disk is full.', 'QuotaExceededError');
    this.#handle.flush();
  }

  async close(): Promise<void> {
    this.#handle.close();
  }
}

/** A file that another tab has open: it can be read, as it is now, and not repaired. */
class SnapshotFile implements ChunkFile {
  readonly #file: FileSystemFileHandle;

  constructor(file: FileSystemFileHandle) {
    this.#file = file;
  }

  async presentBytes(): Promise<number> {
    return (await this.#file.getFile()).size;
  }

  async read(index: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const start = index * CHUNK_BYTES;
    const file = await this.#file.getFile();
    return new Uint8Array(await file.slice(start, start + length).arrayBuffer());
  }

  async write(): Promise<void> {
    // What could not be repaired on disk is found and fetched again the next time.
  }

  async close(): Promise<void> {
    // Holds nothing.
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name;
}
