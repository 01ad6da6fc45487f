/**
 * The parts of HTTP that resuming rests on, as pure functions: which headers to ask with, and what an answer
 * says about range, size and version. `If-Range` makes a cross-origin request a preflighted one, which many
 * model hosts refuse; so it is only sent to our own origin, and every answer is compared with what is known, which
 * is as safe.
 */
import type { ByteRange } from './chunks.ts';
import type { FileVersion } from './record.ts';

/** What is known of a file from an earlier answer. */
export interface KnownFile {
  version: FileVersion;
  byteLength: number;
}

export interface RangeRequest {
  start: number;
  /** One past the last byte; absent: to the end. */
  end?: number;
}

/** `bytes=0-` even for a whole file: it tells whether ranges work, and keeps proxies from compressing. */
export function rangeHeaders(
  { start, end }: RangeRequest,
  known: KnownFile | undefined,
  isSameOrigin: boolean,
): Record<string, string> {
  const headers: Record<string, string> = { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` };
  const validator = known && strongValidator(known.version);
  if (start > 0 && validator && isSameOrigin) headers['If-Range'] = validator;
  return headers;
}

export function versionOf(headers: Headers): FileVersion {
  return { etag: headers.get('etag') || null, lastModified: headers.get('last-modified') || null };
}

/** Two answers speak of the same bytes. False when there is nothing to tell by. */
export function isSameVersion(a: FileVersion, b: FileVersion): boolean {
  if (a.etag !== null || b.etag !== null) return a.etag === b.etag;
  return a.lastModified !== null && a.lastModified === b.lastModified;
}

/** `bytes 10-19/100`; undefined when absent, malformed or of unknown total. */
export function parseContentRange(value: string | null): (ByteRange & { total: number }) | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(value ?? '');
  if (!match) return undefined;
  const [start, last, total] = match.slice(1).map(Number) as [number, number, number];
  return start <= last && last < total ? { start, end: last + 1, total } : undefined;
}

/** Length of the whole file by the answer to a request that began at `start`; undefined when it does not say. */
export function totalBytes(status: number, headers: Headers, start: number): number | undefined {
  // Other origins hide Content-Range unless they expose it; Content-Length is always visible.
  const range = status === 206 ? parseContentRange(headers.get('content-range')) : undefined;
  if (range) return range.total;
  if (headers.has('content-encoding')) return undefined;
  const length = headers.get('content-length');
  if (length === null || !/^\d+$/.test(length)) return undefined;
  return Number(length) + (status === 206 ? start : 0);
}

/** A weak ETag may not be used in `If-Range`. */
function strongValidator({ etag, lastModified }: FileVersion): string | null {
  return etag !== null && !etag.startsWith('W/') ? etag : lastModified;
}
