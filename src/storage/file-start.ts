/**
 * The beginning of a model file, for those who want to know what it is: read until they have seen enough, and kept
 * nowhere. From the network it comes in ranges that grow, so that little is fetched for nothing. Where ranges cannot be
 * trusted to be of one file, or hide how long it is, it is one request that is cancelled.
 */
import { SelvedgeError } from '../errors.ts';
import { connect, fetchRange } from './download.ts';
import type { Connection } from './download.ts';
import type { FileSource, FileStart } from './model-file.ts';
import { nameRemoteFile } from './remote-file.ts';
import type { RemoteFile } from './remote-file.ts';

/** Headers are between half a megabyte and twenty. Each range is as long as all before it together. */
const FIRST_BYTES = 1 << 20;

export async function openFileStart(source: FileSource, signal?: AbortSignal): Promise<FileStart> {
  if (source.kind === 'url') return remoteStart(source, signal);
  const blob = source.kind === 'blob' ? source.blob : await source.handle.getFile();
  if (blob.size === 0) throw new SelvedgeError('invalid_model', `Model '${source.id}' is an empty file.`);
  return {
    byteLength: blob.size,
    async *read() {
      for (let at = 0; at < blob.size; at += FIRST_BYTES) {
        yield new Uint8Array(await blob.slice(at, at + FIRST_BYTES).arrayBuffer());
      }
    },
  };
}

async function remoteStart(
  source: Extract<FileSource, { kind: 'url' }>,
  signal: AbortSignal | undefined,
): Promise<FileStart> {
  const remote = nameRemoteFile(source, self.location.href);
  let connection = await connect(remote, { start: 0, end: FIRST_BYTES }, undefined, signal);
  if (!canGoOn(connection)) {
    connection.cancel();
    connection = await connect(remote, { start: 0 }, undefined, signal);
  }
  return { byteLength: connection.byteLength, read: () => readRanges(remote, connection, signal) };
}

/** Whether the file's length is known, and what came is told from what the server may have later. */
function canGoOn({ byteLength, version: { etag, lastModified } }: Connection): boolean {
  // An answer that hides Content-Range seems to be of a file that ends with the range.
  return byteLength !== FIRST_BYTES && (etag !== null || lastModified !== null);
}

/** A server that knows no ranges sends all of it on the first `connection`. */
async function* readRanges(
  remote: RemoteFile,
  connection: Connection,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { byteLength } = connection;
  let position = 0;
  try {
    for (let bytes = await connection.read(); bytes; bytes = await connection.read()) {
      position += bytes.length;
      yield bytes;
    }
  } finally {
    connection.cancel();
  }
  while (position < byteLength) {
    const range = { start: position, end: Math.min(byteLength, 2 * position) };
    if (range.end === position) return;
    yield await fetchRange(remote, range, connection, signal);
    position = range.end;
  }
}
