/**
 * A model in several files, read as one: offsets count on from part to part. All headers are read first, each with the little
 * of its file that it takes, so that what cannot be run is refused before weights are fetched. Then the parts follow one
 * another, each opened when its turn comes: stored, checked and resumed by itself, as any file is.
 */
import { SelvedgeError, assert } from '../errors.ts';
import type { GgufHeader } from '../model/gguf.ts';
import { GgufHeaderReader } from '../model/gguf.ts';
import { joinParts, partCount } from '../model/gguf-parts.ts';
import type { PartHeader } from '../model/gguf-parts.ts';
import type { FileSource, ModelFile, ModelSource, ModelStore, OpenOptions } from '../storage/model-file.ts';
import { partUrl } from '../storage/parts.ts';
import { digest } from '../storage/sha256.ts';
import { toHex } from '../storage/chunks.ts';

/** The files that a source names. */
export function namedFiles(source: ModelSource): readonly [FileSource, ...FileSource[]] {
  if (source.kind !== 'files') return [source];
  const [first, ...others] = source.files;
  assert(first, 'a source names a file');
  return [first, ...others];
}

/** The files of all parts of a model, from what named them. */
export function partSources(source: ModelSource, count: number): readonly FileSource[] {
  const named = namedFiles(source);
  if (named.length === count) return named;
  const [first] = named;
  if (named.length > 1 || first.kind !== 'url') {
    throw new SelvedgeError(
      'invalid_request',
      `Model '${source.id}' is in ${count} files, and ${named.length} of them ${named.length === 1 ? 'was' : 'were'} ` +
        `given. Give all of them as an array.`,
      { details: { param: 'model' } },
    );
  }
  if (first.sha256 !== undefined) {
    throw new SelvedgeError(
      'invalid_request',
      `Model '${source.id}' is in ${count} files, and sha256 is the hash of one. Give an array of ${count}.`,
      { details: { param: 'model.sha256' } },
    );
  }
  return Array.from({ length: count }, (_, index) => {
    const url = partUrl(first.url, index, count);
    if (url !== undefined) return { ...first, url };
    const number = String(count).padStart(5, '0');
    throw new SelvedgeError(
      'unsupported_model',
      `Model '${source.id}' is in ${count} files. Give the URL of the first one, whose name ends in ` +
        `-00001-of-${number}.gguf, or merge them with llama-gguf-split --merge.`,
    );
  });
}

/** Opens what is at `source`, which may turn out to be the first of several parts. */
export async function openParts(
  store: ModelStore,
  source: ModelSource,
  options: OpenOptions,
): Promise<ModelParts> {
  const parts = new ModelParts(store, source, options);
  await parts.openFirst();
  return parts;
}

export class ModelParts implements ModelFile {
  readonly id: string;
  readonly #store: ModelStore;
  readonly #options: OpenOptions;
  readonly #source: ModelSource;
  #sources: readonly FileSource[];
  /** Of the files, as far as they are known. */
  #byteLengths: number[] = [];
  /** The one that is open, or was last. */
  #file: ModelFile | undefined;
  /** One whose header is being read. */
  #suspect: ModelFile | undefined;
  #files: Pick<ModelFile, 'origin' | 'kept'>[] = [];
  #identities: string[] = [];
  #identity: string | undefined;

  constructor(store: ModelStore, source: ModelSource, options: OpenOptions) {
    this.id = source.id;
    this.#store = store;
    this.#options = options;
    this.#source = source;
    this.#sources = namedFiles(source);
  }

  get byteLength(): number {
    return this.#startOf(this.#byteLengths.length);
  }

  get origin(): ModelFile['origin'] {
    const origins = this.#files.map(({ origin }) => origin);
    assert(origins[0], 'a part was opened');
    return origins.includes('network') ? 'network' : origins[0];
  }

  get kept(): boolean {
    return this.#files.every(({ kept }) => kept);
  }

  async openFirst(): Promise<void> {
    this.#byteLengths = [(await this.#open(0)).byteLength];
  }

  /** The header of the whole model, from that of the file that was opened. */
  async wholeHeader(first: GgufHeader): Promise<GgufHeader> {
    this.#sources = partSources(this.#source, partCount(first));
    const headers: PartHeader[] = [{ header: first, byteLength: this.#byteLengths[0]! }];
    for (const source of this.#sources.slice(1)) headers.push(await this.#readHeader(source));
    this.#byteLengths = headers.map(({ byteLength }) => byteLength);
    return joinParts(headers);
  }

  async #readHeader(source: FileSource): Promise<PartHeader> {
    const { signal } = this.#options;
    const file = await this.#store.open(source, signal ? { signal } : {});
    this.#suspect = file;
    try {
      const { byteLength } = file;
      const reader = new GgufHeaderReader(byteLength);
      for await (const { bytes } of file.read()) {
        const header = reader.push(bytes);
        if (!header) continue;
        this.#suspect = undefined;
        return { header, byteLength };
      }
      return reader.end();
    } finally {
      await file.close();
    }
  }

  async *read(): AsyncGenerator<{ offset: number; bytes: Uint8Array }, void, undefined> {
    let file = this.#file;
    for (let index = 0; index < this.#sources.length; index++) {
      if (index > 0) {
        await file?.close();
        this.#file = undefined;
        file = await this.#open(index);
      }
      assert(file, 'a part is open');
      this.#checkLength(file, index);
      for await (const { offset, bytes } of file.read())
        yield { offset: this.#startOf(index) + offset, bytes };
      this.#identities.push(file.identity());
    }
    const [only, ...others] = this.#identities;
    const all = new TextEncoder().encode(this.#identities.join(' '));
    this.#identity = others.length === 0 ? only : toHex(await digest(all));
  }

  identity(): string {
    assert(this.#identity !== undefined, 'identity() is known once all bytes were read');
    return this.#identity;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  /** Of the part that is being read: what was stored of others may be good. */
  async discard(): Promise<void> {
    await (this.#suspect ?? this.#file)?.discard();
  }

  async #open(index: number): Promise<ModelFile> {
    const { signal, onProgress } = this.#options;
    const file = await this.#store.open(this.#sources[index]!, {
      ...(signal ? { signal } : {}),
      ...(onProgress
        ? {
            onProgress: (progress) =>
              onProgress({
                ...progress,
                loadedBytes: this.#startOf(index) + progress.loadedBytes,
                totalBytes: Math.max(this.byteLength, progress.totalBytes),
              }),
          }
        : {}),
    });
    this.#file = file;
    this.#files.push(file);
    return file;
  }

  /** Where part `index` begins in the whole. */
  #startOf(index: number): number {
    return this.#byteLengths.slice(0, index).reduce((sum, length) => sum + length, 0);
  }

  #checkLength({ byteLength }: ModelFile, index: number): void {
    if (byteLength === this.#byteLengths[index]) return;
    throw new SelvedgeError(
      'integrity_failed',
      `Part ${index + 1} of model '${this.id}' changed while it was loaded. Load it again.`,
      { retryable: true },
    );
  }
}
