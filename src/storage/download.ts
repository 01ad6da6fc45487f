/**
 * The worker's one door to the network: a GET of a model file that the app named, from some offset on, as a stream of bytes that survives cut
 * connections. A file that changed on the server is told by its ETag or date and is never mixed with what came
 * before. Nothing here knows of storage.
 */
import { SelvedgeError } from '../errors.ts';
import { isSameVersion, parseContentRange, rangeHeaders, totalBytes, versionOf } from './http-range.ts';
import type { KnownFile, RangeRequest } from './http-range.ts';
import type { RemoteFile } from './remote-file.ts';

/** An answer whose body has begun. Whoever has it reads it to the end or cancels it. */
export interface Connection extends KnownFile {
  /** Offset of the body's first byte: what was asked for, or 0 when the server sends all of it. */
  start: number;
  /** The next bytes, valid until the next call; undefined at the end of the body, which may come early. */
  read(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  cancel(): void;
}

const PIECE_BYTES = 256 * 1024;
/** Attempts in a row without a byte, before a cut connection is an error. */
const MAX_RETRIES = 3;
const FIRST_WAIT_MS = 200;
/** Client errors that time cures. */
const PASSING_STATUSES = new Set([408, 425, 429]);

/**
 * Asks for the file from `range.start` on. Begins at 0 instead when the server knows no ranges, or its file is not
 * the `known` one; compare `version` to tell.
 */
export async function connect(
  remote: RemoteFile,
  range: RangeRequest,
  known: KnownFile | undefined,
  signal: AbortSignal | undefined,
): Promise<Connection> {
  const response = await request(remote, range, known, signal);
  const { status, headers } = response;
  const again = (): Promise<Connection> => {
    void response.body?.cancel();
    return connect(remote, { start: 0 }, undefined, signal);
  };
  if (status === 416) return range.start > 0 ? again() : Promise.reject(emptyFile(remote));
  if (status !== 200 && status !== 206) {
    void response.body?.cancel();
    throw refused(remote, status);
  }
  checkType(remote, headers);
  const byteLength = totalBytes(status, headers, range.start);
  if (byteLength === undefined) throw unknownLength(remote);
  if (byteLength === 0) throw emptyFile(remote);
  const version = versionOf(headers);
  if (status === 206 && range.start > 0) {
    const sent = parseContentRange(headers.get('content-range'));
    const isAsked = !sent || sent.start === range.start;
    if (!isAsked || !known || !isSameFile(known, { version, byteLength }, range)) return again();
  }
  return { start: status === 206 ? range.start : 0, byteLength, version, ...piecesOf(response.body) };
}

/**
 * Pieces in a buffer that is used again and again, where the browser can: as buffers of their own they are garbage that
 * is collected late, and at its peak a large model took two thirds more memory than it needs.
 */
function piecesOf(body: ReadableStream<Uint8Array<ArrayBuffer>> | null): Pick<Connection, 'read' | 'cancel'> {
  if (!body) return { read: async () => undefined, cancel: () => {} };
  const reader = byteReader(body);
  if (!reader) {
    const plain = body.getReader();
    return {
      read: async () => (await plain.read()).value,
      cancel: () => void plain.cancel().catch(() => {}),
    };
  }
  let buffer = new ArrayBuffer(PIECE_BYTES);
  return {
    async read() {
      const { value, done } = await reader.read(new Uint8Array(buffer));
      if (done || !value) return undefined;
      buffer = value.buffer;
      return value;
    },
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

/** Undefined where bodies are not streams of bytes. */
function byteReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return undefined;
  }
}

/**
 * The rest of the file, from `position` on, over `connection` and, if that is cut, over others. Throws
 * `integrity_failed` when the file changes meanwhile, `model_unavailable` when the retries are used up.
 */
export async function* downloadRest(
  remote: RemoteFile,
  connection: Connection,
  position: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const known: KnownFile = { version: connection.version, byteLength: connection.byteLength };
  let retries = 0;
  let current: Connection | undefined = connection;
  try {
    while (position < known.byteLength) {
      let failure: unknown;
      try {
        current ??= await connect(remote, { start: position }, known, signal);
        if (current !== connection) checkUnchanged(remote, known, current);
        await skipTo(current, position);
        for (let bytes = await current.read(); bytes; bytes = await current.read()) {
          position += bytes.length;
          if (position > known.byteLength) throw tooLong(remote, known);
          retries = 0;
          yield bytes;
        }
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (error instanceof SelvedgeError && !isNetworkTrouble(error)) throw error;
        failure = error;
      }
      current?.cancel();
      current = undefined;
      if (position >= known.byteLength) break;
      if (retries === MAX_RETRIES) throw cut(remote, position, known, failure);
      await pause(FIRST_WAIT_MS * 2 ** retries++, signal);
    }
  } finally {
    current?.cancel();
  }
}

/** Bytes [start, end) of the `known` file. Throws `integrity_failed` when the server has another one now. */
export async function fetchRange(
  remote: RemoteFile,
  range: Required<RangeRequest>,
  known: KnownFile,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const connection = await connect(remote, range, known, signal);
  try {
    checkUnchanged(remote, known, connection);
    const result = new Uint8Array(range.end - range.start);
    let position = connection.start;
    while (position < range.end) {
      const bytes = await connection.read();
      if (!bytes) throw cut(remote, position, known, undefined);
      const wanted = bytes.subarray(Math.max(0, range.start - position), Math.max(0, range.end - position));
      result.set(wanted, Math.max(0, position - range.start));
      position += bytes.length;
    }
    return result;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error instanceof SelvedgeError ? error : unreachable(remote, error);
  } finally {
    connection.cancel();
  }
}

async function request(
  remote: RemoteFile,
  range: RangeRequest,
  known: KnownFile | undefined,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const isSameOrigin = new URL(remote.url).origin === self.origin;
  const headers = { ...remote.headers, ...rangeHeaders(range, known, isSameOrigin) };
  try {
    return await fetch(remote.url, {
      method: 'GET',
      headers,
      // The HTTP cache would keep a second copy of what is stored anyway.
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw unreachable(remote, error);
  }
}

/** Where the server sends everything again, what was already read goes by unused. */
async function skipTo(connection: Connection, position: number): Promise<void> {
  let skipped = connection.start;
  const { read } = connection;
  while (skipped < position) {
    const bytes = await read();
    if (!bytes) throw new TypeError('the connection was cut while skipping');
    skipped += bytes.length;
    if (skipped > position) pushBack(connection, read, bytes.subarray(bytes.length - (skipped - position)));
  }
}

function pushBack(connection: Connection, read: Connection['read'], bytes: Uint8Array<ArrayBuffer>): void {
  connection.read = async () => {
    connection.read = read;
    return bytes;
  };
}

function isSameFile(known: KnownFile, answer: KnownFile, range: RangeRequest): boolean {
  // Without Content-Range the total of a closed range cannot be seen.
  const isSameLength = range.end !== undefined || known.byteLength === answer.byteLength;
  return isSameLength && isSameVersion(known.version, answer.version);
}

function checkUnchanged(remote: RemoteFile, known: KnownFile, now: Connection): void {
  if (isSameVersion(known.version, now.version)) return;
  throw new SelvedgeError(
    'integrity_failed',
    `Model '${remote.id}' changed at ${remote.url} while it was fetched, or the server names no version ` +
      '(ETag, Last-Modified) to tell. Load it again to start over.',
    { retryable: true },
  );
}

function checkType(remote: RemoteFile, headers: Headers): void {
  const type = headers.get('content-type') ?? '';
  if (!type.startsWith('text/html')) return;
  throw new SelvedgeError(
    'model_unavailable',
    `${remote.url} answers with a web page (${type}), not with model '${remote.id}'. Check the URL.`,
    { details: { contentType: type } },
  );
}

function isNetworkTrouble(error: SelvedgeError): boolean {
  return error.code === 'model_unavailable' && error.retryable;
}

function refused(remote: RemoteFile, status: number): SelvedgeError {
  const retryable = status >= 500 || PASSING_STATUSES.has(status);
  const advice = retryable ? 'Try again later.' : 'Check the URL and its access rights.';
  return new SelvedgeError(
    'model_unavailable',
    `The server answered ${status} for model '${remote.id}' at ${remote.url}. ${advice}`,
    { retryable, details: { status } },
  );
}

function unreachable(remote: RemoteFile, cause: unknown): SelvedgeError {
  return new SelvedgeError(
    'model_unavailable',
    `Model '${remote.id}' could not be fetched from ${remote.url}: no connection, or the server does not allow ` +
      'this page (CORS). Try again when online.',
    { retryable: true, cause },
  );
}

function cut(remote: RemoteFile, position: number, known: KnownFile, cause: unknown): SelvedgeError {
  return new SelvedgeError(
    'model_unavailable',
    `The connection for model '${remote.id}' was cut at byte ${position} of ${known.byteLength}. ` +
      'Load it again to go on from there.',
    { retryable: true, details: { loadedBytes: position, totalBytes: known.byteLength }, cause },
  );
}

function unknownLength(remote: RemoteFile): SelvedgeError {
  return new SelvedgeError(
    'model_unavailable',
    `The server does not say how long model '${remote.id}' at ${remote.url} is. Serve it uncompressed, with ` +
      'a Content-Length.',
  );
}

function tooLong(remote: RemoteFile, known: KnownFile): SelvedgeError {
  return new SelvedgeError(
    'integrity_failed',
    `The server sends more of model '${remote.id}' than the ${known.byteLength} bytes it promised.`,
  );
}

function emptyFile(remote: RemoteFile): SelvedgeError {
  return new SelvedgeError('invalid_model', `Model '${remote.id}' at ${remote.url} is an empty file.`);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
