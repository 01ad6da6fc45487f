/**
 * What is known about a stored file: where it came from, which version of it, and the hash of every chunk that
 * is whole on disk. The hashes are the whole truth: how much is there and whether it is complete follow from
 * their number, so no two fields can disagree. A record is written after the bytes it speaks of; one that
 * does not parse counts as none.
 */
import { bytesInChunks, chunkCount, HASH_BYTES } from './chunks.ts';

/** What a server says about which version of a file it sends. Equal versions have equal bytes. */
export interface FileVersion {
  etag: string | null;
  lastModified: string | null;
}

export type Backend = 'opfs' | 'indexeddb';

export interface ModelRecord extends FileVersion {
  format: 1;
  /** Of the record and of its data: 32 hex digits that stand for the URL. */
  key: string;
  id: string;
  url: string;
  byteLength: number;
  backend: Backend;
  /** SHA-256 of chunks 0, 1, 2 … as far as they are stored. */
  hashes: Uint8Array<ArrayBuffer>;
  /** Of the whole file, lower-case hex; null until somebody asked and it was computed. */
  sha256: string | null;
  /** Milliseconds since the epoch. */
  lastUsed: number;
}

export function storedChunks(record: ModelRecord): number {
  return record.hashes.length / HASH_BYTES;
}

export function storedBytes(record: ModelRecord): number {
  return bytesInChunks(storedChunks(record), record.byteLength);
}

export function isComplete(record: ModelRecord): boolean {
  return storedChunks(record) === chunkCount(record.byteLength);
}

/** The record in `value`, which comes from a database that any version of this library may have written. */
export function parseRecord(value: unknown): ModelRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, key, id, url, byteLength, backend, hashes, sha256, etag, lastModified, lastUsed } =
    value as Partial<Record<keyof ModelRecord, unknown>>;
  if (format !== 1 || !isString(key) || !isString(id) || !isString(url)) return undefined;
  if (backend !== 'opfs' && backend !== 'indexeddb') return undefined;
  if (!isSize(byteLength) || byteLength === 0 || typeof lastUsed !== 'number') return undefined;
  if (!isStringOrNull(sha256) || !isStringOrNull(etag) || !isStringOrNull(lastModified)) return undefined;
  if (!isBytes(hashes) || hashes.length % HASH_BYTES !== 0) return undefined;
  if (hashes.length > chunkCount(byteLength) * HASH_BYTES) return undefined;
  return { format, key, id, url, byteLength, backend, hashes, sha256, etag, lastModified, lastUsed };
}

function isString(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isStringOrNull(value: unknown): value is string | null {
  return value === null || isString(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBytes(value: unknown): value is Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array && value.buffer instanceof ArrayBuffer;
}
