/**
 * A model file from a URL: first what is stored, each chunk checked against its hash and fetched again when it is
 * damaged; then the rest from the network, handed on as it comes and kept on the way. Reading ends with its lock
 * and handles given back, however it ends.
 */
import { SelvedgeError, assert } from '../errors.ts';
import { chunkRange, equalBytes, hashOf, rootOf, toHex } from './chunks.ts';
import { ChunkKeeper } from './chunk-keeper.ts';
import { downloadRest, fetchRange } from './download.ts';
import type { Connection } from './download.ts';
import { hashedChunks } from './hashed-chunks.ts';
import type { KnownFile } from './http-range.ts';
import type { Release } from './locks.ts';
import type { ChunkFile, Medium } from './medium.ts';
import type { LoadPhase, ModelFile, OpenOptions } from './model-file.ts';
import { createMeter } from './progress.ts';
import { isComplete, storedBytes, storedChunks } from './record.ts';
import type { ModelRecord } from './record.ts';
import { putRecord, removeRecord } from './records.ts';
import type { RemoteFile } from './remote-file.ts';
import { fullWhileWriting, isQuotaError } from './room.ts';
import { Sha256, digest } from './sha256.ts';
import { wrongHash } from './wrong-hash.ts';

/** The place a file is kept in, open; absent where the browser offers none. */
export interface Place {
  medium: Medium;
  file: ChunkFile;
  release: Release;
}

export interface UrlFileParts {
  remote: RemoteFile;
  /** Of what is stored so far; complete when there is no `connection`. */
  record: ModelRecord;
  /** Begins where the stored bytes end. */
  connection: Connection | undefined;
  place: Place | undefined;
  /** Of the whole file, as the caller named it. */
  sha256: string | undefined;
  options: OpenOptions;
  /** Deletes what is stored, unless it is in use. Called when nothing of this file is open any more. */
  remove(): Promise<void>;
}

interface Piece {
  phase: LoadPhase;
  offset: number;
  bytes: Uint8Array;
}

export class UrlFile implements ModelFile {
  readonly id: string;
  readonly byteLength: number;
  readonly origin: ModelFile['origin'];
  readonly kept: boolean;
  readonly #parts: UrlFileParts;
  #record: ModelRecord;
  #place: Place | undefined;
  #identity: string | undefined;
  #isRead = false;

  constructor(parts: UrlFileParts) {
    this.id = parts.remote.id;
    this.byteLength = parts.record.byteLength;
    this.origin = parts.connection ? 'network' : parts.record.backend;
    this.kept = parts.place !== undefined;
    this.#parts = parts;
    this.#record = parts.record;
    this.#place = parts.place;
  }

  async *read(): AsyncGenerator<{ offset: number; bytes: Uint8Array }, void, undefined> {
    assert(!this.#isRead, 'a model file is read once; open it again to read again');
    this.#isRead = true;
    const { sha256, options } = this.#parts;
    const meter = createMeter(this.byteLength, options.onProgress);
    const isHashKnown = sha256 === undefined || sha256 === this.#record.sha256;
    const whole = isHashKnown ? undefined : new Sha256();
    try {
      for await (const { phase, offset, bytes } of this.#pieces()) {
        options.signal?.throwIfAborted();
        const end = offset + bytes.length;
        whole?.update(bytes);
        if (whole && end === this.byteLength) await this.#checkWhole(toHex(whole.finish()));
        meter.report(phase, end);
        yield { offset, bytes };
      }
      this.#identity = await rootOf(this.#record.hashes);
      if (whole) await this.#save({ ...this.#record, sha256: sha256 ?? null });
    } finally {
      await this.close();
    }
  }

  identity(): string {
    assert(this.#identity !== undefined, 'identity() is known once all bytes were read');
    return this.#identity;
  }

  async close(): Promise<void> {
    this.#isRead = true;
    this.#parts.connection?.cancel();
    const place = this.#place;
    this.#place = undefined;
    if (!place) return;
    try {
      await place.file.close();
      // Where another tab reads it, the file stays: without a record it is overwritten by the next download.
      if (storedChunks(this.#record) === 0) {
        await place.medium.remove(this.#record.key).catch(() => undefined);
      }
    } finally {
      place.release();
    }
  }

  async discard(): Promise<void> {
    await this.close();
    if (this.kept) await this.#parts.remove();
  }

  async *#pieces(): AsyncGenerator<Piece, void, undefined> {
    yield* this.#storedPieces();
    const { connection } = this.#parts;
    if (connection) yield* this.#arrivingPieces(connection);
  }

  async *#storedPieces(): AsyncGenerator<Piece, void, undefined> {
    const place = this.#place;
    const { hashes, byteLength } = this.#record;
    if (!place) return;
    const chunks = hashedChunks(storedChunks(this.#record), (index, scratch) => {
      const { start, end } = chunkRange(index, byteLength);
      return place.file.read(index, end - start, scratch);
    });
    for await (const { index, bytes, hash } of chunks) {
      const isGood = equalBytes(hash, hashOf(hashes, index));
      const good = isGood ? bytes : await this.#fetchAgain(index, place.file);
      yield { phase: 'read', offset: chunkRange(index, byteLength).start, bytes: good };
    }
  }

  async *#arrivingPieces(connection: Connection): AsyncGenerator<Piece, void, undefined> {
    const { remote, options } = this.#parts;
    const firstIndex = storedChunks(this.#record);
    let offset = storedBytes(this.#record);
    const keeper = new ChunkKeeper(firstIndex, this.#record.hashes, async (index, bytes, hashes) => {
      await this.#place?.file.write(index, bytes);
      await this.#save({ ...this.#record, hashes });
    });
    try {
      for await (const bytes of downloadRest(remote, connection, offset, options.signal)) {
        // Handed on first: what the consumer rejects at sight is not kept.
        yield { phase: 'download', offset, bytes };
        await keeper.append(bytes);
        offset += bytes.length;
      }
      await keeper.finish();
      assert(isComplete(this.#record), 'a finished download has all its chunks');
    } catch (error) {
      await keeper.settle();
      throw isQuotaError(error) ? await this.#giveUpStoring(error) : error;
    } finally {
      await keeper.settle();
    }
  }

  async #save(record: ModelRecord): Promise<void> {
    this.#record = record;
    if (this.#place) await putRecord(record);
  }

  /** The bytes of a chunk whose stored copy is damaged or gone, from the network; repairs the copy. */
  async #fetchAgain(index: number, file: ChunkFile): Promise<Uint8Array<ArrayBuffer>> {
    const { remote, options } = this.#parts;
    const { hashes, byteLength, etag, lastModified } = this.#record;
    const known: KnownFile = { version: { etag, lastModified }, byteLength };
    const range = chunkRange(index, byteLength);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await fetchRange(remote, range, known, options.signal);
    } catch (error) {
      if (!(error instanceof SelvedgeError)) throw error;
      if (error.code === 'integrity_failed') await this.#forget();
      throw damaged(remote, range, error);
    }
    if (!equalBytes(await digest(bytes), hashOf(hashes, index))) {
      await this.#forget();
      throw damaged(remote, range, undefined);
    }
    await file.write(index, bytes);
    return bytes;
  }

  async #checkWhole(actual: string): Promise<void> {
    const expected = this.#parts.sha256;
    if (expected === undefined || actual === expected) return;
    await this.#forget();
    const wasStored = this.#parts.connection === undefined;
    const advice = wasStored
      ? 'The stored copy was deleted; load the model again to download it.'
      : 'What was downloaded was deleted. Check the URL and the hash.';
    throw wrongHash(this.id, expected, actual, advice, wasStored);
  }

  async #giveUpStoring(cause: unknown): Promise<SelvedgeError> {
    const writtenBytes = storedBytes(this.#record);
    await this.#forget();
    return fullWhileWriting(this.id, this.byteLength, writtenBytes, cause);
  }

  /** Nothing of the file is to be trusted: the record goes first, then the bytes, when the file is closed. */
  async #forget(): Promise<void> {
    this.#record = { ...this.#record, hashes: new Uint8Array(0) };
    if (this.#place) await removeRecord(this.#record.key);
  }
}

function damaged(
  remote: RemoteFile,
  { start, end }: { start: number; end: number },
  cause: unknown,
): SelvedgeError {
  const why =
    cause instanceof SelvedgeError
      ? `it could not be fetched again: ${cause.message}`
      : 'the server has other bytes now.';
  return new SelvedgeError(
    'integrity_failed',
    `The stored copy of model '${remote.id}' is damaged in bytes ${start} to ${end}, and ${why} Load it again when online.`,
    { retryable: true, details: { start, end }, ...(cause === undefined ? {} : { cause }) },
  );
}
