/**
 * A model the user has on their own disk (a `File`, `Blob` or file handle). It is read where it lies, in slices,
 * and never copied into the browser's storage.
 */
import { SelvedgeError, assert } from '../errors.ts';
import { chunkCount, chunkRange, rootOf, toHex } from './chunks.ts';
import { hashedChunks } from './hashed-chunks.ts';
import type { FileSource, ModelFile, OpenOptions } from './model-file.ts';
import { createMeter } from './progress.ts';
import { Sha256 } from './sha256.ts';
import { wrongHash } from './wrong-hash.ts';

type LocalSource = Exclude<FileSource, { kind: 'url' }>;

export async function openLocalFile(source: LocalSource, options: OpenOptions): Promise<ModelFile> {
  options.signal?.throwIfAborted();
  const { id } = source;
  const blob = source.kind === 'blob' ? source.blob : await explained(id, () => source.handle.getFile());
  if (blob.size === 0) throw new SelvedgeError('invalid_model', `Model '${id}' is an empty file.`);
  let identity: string | undefined;
  return {
    id,
    byteLength: blob.size,
    origin: 'local-file',
    kept: true,
    async *read() {
      for await (const piece of readBlob(source, blob, options)) {
        if (piece.root) identity = piece.root;
        yield { offset: piece.offset, bytes: piece.bytes };
      }
    },
    identity() {
      assert(identity !== undefined, 'identity() is known once all bytes were read');
      return identity;
    },
    async close() {
      // A blob holds nothing that could be released.
    },
    async discard() {
      // The user's own file is not ours to delete.
    },
  };
}

/** `root` comes with the last piece, once the whole is known to be good. */
async function* readBlob(
  { id, sha256 }: LocalSource,
  blob: Blob,
  { signal, onProgress }: OpenOptions,
): AsyncGenerator<{ offset: number; bytes: Uint8Array; root?: string }, void, undefined> {
  const meter = createMeter(blob.size, onProgress);
  const whole = sha256 === undefined ? undefined : new Sha256();
  const count = chunkCount(blob.size);
  const hashes = new Uint8Array(count * 32);
  const chunks = hashedChunks(count, async (index) => {
    const { start, end } = chunkRange(index, blob.size);
    return explained(id, async () => new Uint8Array(await blob.slice(start, end).arrayBuffer()));
  });
  for await (const { index, bytes, hash } of chunks) {
    signal?.throwIfAborted();
    const { start, end } = chunkRange(index, blob.size);
    hashes.set(hash, index * 32);
    whole?.update(bytes);
    const isLast = end === blob.size;
    if (isLast && whole && sha256 !== undefined) {
      const actual = toHex(whole.finish());
      if (actual !== sha256.toLowerCase()) throw wrongHash(id, sha256, actual, 'Choose another file.', false);
    }
    meter.report('read', end);
    yield { offset: start, bytes, ...(isLast ? { root: await rootOf(hashes) } : {}) };
  }
}

/** Runs a read of the user's disk, and says in our words what went wrong with it. */
async function explained<T>(id: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const name = cause instanceof DOMException ? cause.name : '';
    if (name === 'NotReadableError') {
      throw new SelvedgeError(
        'integrity_failed',
        `The file of model '${id}' was changed or cannot be read any more. Choose it again.`,
        { cause },
      );
    }
    if (name === 'NotFoundError' || name === 'NotAllowedError') {
      const what = name === 'NotFoundError' ? 'is gone' : 'may not be read: ask for permission on the page';
      throw new SelvedgeError('model_unavailable', `The file of model '${id}' ${what}. Choose it again.`, {
        cause,
      });
    }
    throw cause;
  }
}
