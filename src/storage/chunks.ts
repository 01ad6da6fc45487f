/**
 * A file is kept, checked and repaired in chunks of 4 MiB: large enough that a write, a hash or a request for
 * one costs little beside its bytes, small enough that a broken download loses next to nothing. The SHA-256
 * over the chunks' hashes, in order, is the file's identity. Pure arithmetic; nothing here touches a disk.
 */
import { digest } from './sha256.ts';

export const CHUNK_BYTES = 4 * 1024 * 1024;
/** Bytes of one SHA-256. */
export const HASH_BYTES = 32;

export interface ByteRange {
  /** First byte. */
  start: number;
  /** One past the last byte. */
  end: number;
}

export function chunkCount(byteLength: number): number {
  return Math.ceil(byteLength / CHUNK_BYTES);
}

/** Where chunk `index` of a file lies; the last one may be short. */
export function chunkRange(index: number, byteLength: number): ByteRange {
  return { start: index * CHUNK_BYTES, end: Math.min(byteLength, (index + 1) * CHUNK_BYTES) };
}

/** Bytes in the first `count` chunks. */
export function bytesInChunks(count: number, byteLength: number): number {
  return Math.min(byteLength, count * CHUNK_BYTES);
}

/** How many of a file's chunks lie wholly in its first `presentBytes` bytes. */
export function wholeChunks(presentBytes: number, byteLength: number): number {
  return presentBytes >= byteLength ? chunkCount(byteLength) : Math.floor(presentBytes / CHUNK_BYTES);
}

/** The hash of chunk `index` among `hashes`, which lie one behind the other. */
export function hashOf(hashes: Uint8Array, index: number): Uint8Array {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The identity of a file, in hex, from all its chunk hashes. */
export async function rootOf(hashes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(await digest(hashes));
}
