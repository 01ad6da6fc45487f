/**
 * Where bytes are kept: files of the origin private file system, or chunks in IndexedDB where there is none.
 * Both give the same guarantees, because every chunk is checked against its hash when it is read. Records are
 * in IndexedDB either way, so without it nothing is kept.
 */
import { hasDatabase } from './db.ts';
import { indexedDbMedium } from './idb-chunks.ts';
import { hasOpfs, opfsMedium } from './opfs.ts';
import type { Backend } from './record.ts';
import { estimateStorage } from './room.ts';

/** One file, open. Who opens it closes it. */
export interface ChunkFile {
  /** Bytes from the start of the file that are there; a hint that saves reads, not a promise. */
  presentBytes(byteLength: number): Promise<number>;
  /**
   * Bytes [start, start + length) of chunk `index`; fewer, or none, when they are not there. The result may lie
   * in `scratch`, which holds a whole chunk.
   */
  read(index: number, length: number, scratch: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Replaces chunk `index` and brings it to the disk. `bytes` may be changed once the promise has settled.
   * Throws the platform's `QuotaExceededError`.
   */
  write(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
}

export interface Medium {
  backend: Backend;
  /** `read` may be had several times over, while nobody has `write`; a lock of `locks.ts` sees to that. */
  open(key: string, access: 'read' | 'write'): Promise<ChunkFile>;
  /** Nothing happens when there is no such file. */
  remove(key: string): Promise<void>;
}

/** The best medium first. Empty where nothing can be kept. */
export async function availableMedia(): Promise<Medium[]> {
  if (!(await hasDatabase())) return [];
  return (await hasOpfs()) ? [opfsMedium, indexedDbMedium] : [indexedDbMedium];
}

/** Where models are kept here, and how much the browser says there is and is used. */
export async function describeStorage(): Promise<{
  medium: Backend | 'none';
  quotaBytes: number | null;
  usedBytes: number | null;
}> {
  const [[best], { quota, usage }] = await Promise.all([availableMedia(), estimateStorage()]);
  return { medium: best?.backend ?? 'none', quotaBytes: quota ?? null, usedBytes: usage ?? null };
}
