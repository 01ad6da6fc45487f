/**
 * The store of model files. Opening one decides where its bytes come from: the user's disk, this browser's
 * storage, the network, or storage and then the network. Across tabs there is one download at a time: others
 * wait for it (and show its progress), then read what it stored.
 */
import { SelvedgeError } from '../errors.ts';
import { toHex, wholeChunks, HASH_BYTES } from './chunks.ts';
import { connect } from './download.ts';
import type { Connection } from './download.ts';
import { openFileStart } from './file-start.ts';
import { openLocalFile } from './local-file.ts';
import { lock, tryLock } from './locks.ts';
import type { Release } from './locks.ts';
import { availableMedia } from './medium.ts';
import type { ChunkFile, Medium } from './medium.ts';
import type { FileSource, ModelFile, ModelStore, OpenOptions, StoredModel } from './model-file.ts';
import { joinStored } from './parts.ts';
import { createMeter } from './progress.ts';
import { isComplete, storedBytes } from './record.ts';
import type { ModelRecord } from './record.ts';
import { allRecords, findRecord, removeRecord, touchRecord } from './records.ts';
import { nameRemoteFile } from './remote-file.ts';
import type { RemoteFile } from './remote-file.ts';
import { checkRoom } from './room.ts';
import { digest } from './sha256.ts';
import { UrlFile } from './url-file.ts';

type UrlSource = Extract<FileSource, { kind: 'url' }>;

/** How often a tab looks how far another tab's download is. */
const FOLLOW_MS = 250;

export function createModelStore(): ModelStore {
  let probing: Promise<Medium[]> | undefined;
  const media = (): Promise<Medium[]> => (probing ??= availableMedia());
  return {
    async open(source, options) {
      if (source.kind !== 'url') return openLocalFile(source, options);
      const url = new URL(source.url, self.location.href).href;
      const sha256 = source.sha256?.toLowerCase();
      const absolute = { ...source, url, ...(sha256 === undefined ? {} : { sha256 }) };
      return new Opening(absolute, options, await keyOf(url), await media()).open();
    },
    openStart: openFileStart,
    async list() {
      return (await media()).length === 0 ? [] : joinStored((await allRecords()).map(describe));
    },
    async delete(id) {
      const present = await media();
      if (present.length === 0) return false;
      const records = (await allRecords()).filter((record) => record.id === id);
      for (const { id: name, key } of records) {
        if (!(await remove(key, present))) throw inUse(name);
      }
      return records.length > 0;
    },
  };
}

/** One call of `open` for a URL. */
class Opening {
  readonly #source: UrlSource;
  readonly #options: OpenOptions;
  readonly #key: string;
  readonly #media: Medium[];

  constructor(source: UrlSource, options: OpenOptions, key: string, media: Medium[]) {
    this.#source = source;
    this.#options = options;
    this.#key = key;
    this.#media = media;
  }

  async open(): Promise<ModelFile> {
    const [preferred] = this.#media;
    if (!preferred) return this.#openUnkept();
    for (;;) {
      // Another tab may finish its download, or delete the file, between the two.
      const opened = (await this.#openStored()) ?? (await this.#openDownload(preferred));
      if (opened) return opened;
    }
  }

  /** Nothing can be kept: the bytes only pass through. */
  async #openUnkept(): Promise<ModelFile> {
    const connection = await connect(this.#remote, { start: 0 }, undefined, this.#options.signal);
    return this.#file(this.#newRecord(connection, 'indexeddb'), connection, undefined);
  }

  async #openStored(): Promise<ModelFile | undefined> {
    return this.#locked('shared', async (release) => {
      const found = await this.#findStored();
      if (!found) return undefined;
      const { medium, file } = found;
      if (!isComplete(found.record)) return void (await file.close());
      const record = { ...found.record, id: this.#source.id, lastUsed: Date.now() };
      // A full disk must not keep a stored model from opening.
      await touchRecord(record).catch(() => undefined);
      return this.#file(record, undefined, { medium, file, release });
    });
  }

  async #openDownload(preferred: Medium): Promise<ModelFile | undefined> {
    return this.#locked('exclusive', async (release) => {
      const found = await this.#findStored();
      await found?.file.close();
      if (found && isComplete(found.record)) return undefined;
      const connection = await this.#connect(found?.record);
      try {
        const goesOn = found !== undefined && connection.start > 0;
        const medium = goesOn ? found.medium : preferred;
        const record = goesOn ? found.record : this.#newRecord(connection, medium.backend);
        await checkRoom(record.id, record.byteLength - storedBytes(record));
        if (!goesOn) await this.#startOver();
        const file = await medium.open(this.#key, 'write');
        const touched = { ...record, id: this.#source.id, lastUsed: Date.now() };
        return this.#file(touched, connection, { medium, file, release });
      } catch (error) {
        connection.cancel();
        throw error;
      }
    });
  }

  /** What is stored under a record that may be trusted, cut to what is really there. The caller closes `file`. */
  async #findStored(): Promise<{ record: ModelRecord; medium: Medium; file: ChunkFile } | undefined> {
    const record = await findRecord(this.#key);
    const medium = this.#media.find(({ backend }) => backend === record?.backend);
    if (!record || !medium) return undefined;
    const { sha256 } = this.#source;
    if (sha256 !== undefined && record.sha256 !== null && record.sha256 !== sha256) return undefined;
    const file = await medium.open(this.#key, 'read').catch(() => undefined);
    if (!file) return undefined;
    const whole = wholeChunks(await file.presentBytes(record.byteLength), record.byteLength);
    return { record: { ...record, hashes: record.hashes.slice(0, whole * HASH_BYTES) }, medium, file };
  }

  async #connect(record: ModelRecord | undefined): Promise<Connection> {
    const start = record ? storedBytes(record) : 0;
    return connect(
      this.#remote,
      { start },
      record && {
        version: { etag: record.etag, lastModified: record.lastModified },
        byteLength: record.byteLength,
      },
      this.#options.signal,
    );
  }

  async #startOver(): Promise<void> {
    await removeRecord(this.#key);
    for (const medium of this.#media) await medium.remove(this.#key);
  }

  /** Runs `use` under the file's lock, which is kept when `use` gives a file (to it) and released otherwise. */
  async #locked(
    mode: LockMode,
    use: (release: Release) => Promise<ModelFile | undefined>,
  ): Promise<ModelFile | undefined> {
    const stopFollowing = this.#follow();
    const release = await lock(this.#key, mode, this.#options.signal).finally(stopFollowing);
    let file: ModelFile | undefined;
    try {
      this.#options.signal?.throwIfAborted();
      file = await use(release);
      return file;
    } finally {
      if (!file) release();
    }
  }

  /** While another tab downloads the file, its progress is ours. */
  #follow(): () => void {
    const { onProgress } = this.#options;
    if (!onProgress) return () => {};
    const timer = setInterval(async () => {
      const record = await findRecord(this.#key).catch(() => undefined);
      if (record) createMeter(record.byteLength, onProgress).report('download', storedBytes(record));
    }, FOLLOW_MS);
    return () => clearInterval(timer);
  }

  get #remote(): RemoteFile {
    return nameRemoteFile(this.#source, self.location.href);
  }

  #newRecord({ version, byteLength }: Connection, backend: ModelRecord['backend']): ModelRecord {
    const { id, url } = this.#source;
    const hashes = new Uint8Array(0);
    return {
      format: 1,
      key: this.#key,
      id,
      url,
      byteLength,
      ...version,
      backend,
      hashes,
      sha256: null,
      lastUsed: 0,
    };
  }

  #file(
    record: ModelRecord,
    connection: Connection | undefined,
    place: { medium: Medium; file: ChunkFile; release: Release } | undefined,
  ): ModelFile {
    const { sha256 } = this.#source;
    const options = this.#options;
    const discard = async (): Promise<void> => void (await remove(record.key, this.#media));
    return new UrlFile({ remote: this.#remote, record, connection, place, sha256, options, remove: discard });
  }
}

/** False when the file is in use, here or in another tab. */
async function remove(key: string, media: readonly Medium[]): Promise<boolean> {
  const release = await tryLock(key);
  if (!release) return false;
  try {
    await removeRecord(key);
    for (const medium of media) await medium.remove(key);
    return true;
  } finally {
    release();
  }
}

function inUse(id: string): SelvedgeError {
  return new SelvedgeError(
    'model_unavailable',
    `Model '${id}' is being loaded, here or in another tab. Delete it when that is done.`,
    { retryable: true },
  );
}

/** Of a record and its data: stands for the URL, and is short enough for a file name. */
async function keyOf(url: string): Promise<string> {
  return toHex(await digest(new TextEncoder().encode(url))).slice(0, 32);
}

function describe(record: ModelRecord): StoredModel {
  const { id, url, byteLength, lastUsed, backend } = record;
  return {
    id,
    url,
    byteLength,
    storedBytes: storedBytes(record),
    complete: isComplete(record),
    lastUsed,
    backend,
  };
}
