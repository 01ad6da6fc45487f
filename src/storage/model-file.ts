/**
 * What the engine sees of a stored or arriving model file. Types only.
 *
 * Bytes are yielded in file order from offset 0, as soon as they are trustworthy (checked against their chunk
 * hash when they come from disk). A consumer may stop early; nothing is lost: what was stored stays resumable.
 */

/** One file. */
export type FileSource =
  | { kind: 'url'; url: string; id: string; sha256?: string; headers?: Record<string, string> }
  | { kind: 'blob'; blob: Blob; id: string; sha256?: string }
  | { kind: 'handle'; handle: FileSystemFileHandle; id: string; sha256?: string };

/**
 * What `createClient({ model })` accepts, after validation, in a form that crosses to the worker: a file, at a URL perhaps
 * the first of several, or all files of a model in their order.
 */
export type ModelSource = FileSource | { kind: 'files'; files: readonly FileSource[]; id: string };

export type LoadPhase = 'download' | 'verify' | 'read' | 'pack' | 'ready';

export interface LoadProgress {
  phase: LoadPhase;
  loadedBytes: number;
  totalBytes: number;
  /** Over the last second or so; 0 when unknown. */
  bytesPerSecond: number;
}

export interface ModelFile {
  id: string;
  byteLength: number;
  /** Where the bytes come from this time. */
  origin: 'network' | 'opfs' | 'indexeddb' | 'local-file';
  /** False where the browser offers no storage at all: the next visit downloads again. */
  kept: boolean;
  /** In file order, once per open file. `bytes` is valid until the next iteration. */
  read(): AsyncIterable<{ offset: number; bytes: Uint8Array }>;
  /** SHA-256 root over the 4 MiB chunk hashes (hex): the model's identity. Known once all bytes were read. */
  identity(): string;
  /** Releases file handles and locks. */
  close(): Promise<void>;
  /**
   * The bytes are no use: closes the file and deletes what is stored of it, so that the next visit fetches it
   * anew. A copy that another tab is reading stays.
   */
  discard(): Promise<void>;
}

export interface OpenOptions {
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
}

export interface StoredModel {
  id: string;
  url: string;
  byteLength: number;
  storedBytes: number;
  complete: boolean;
  /** Milliseconds since the epoch. */
  lastUsed: number;
  backend: 'opfs' | 'indexeddb';
}

/** A model file of which only the beginning is wanted. */
export interface FileStart {
  /** Of the whole file. */
  byteLength: number;
  /** From offset 0, once. Ending early ends the transfer. */
  read(): AsyncIterable<Uint8Array>;
}

/** Implemented by `storage/weights.ts`. */
export interface ModelStore {
  /** To look at a file without keeping it. The reader must read, or nothing is released. */
  openStart(source: FileSource, signal?: AbortSignal): Promise<FileStart>;
  open(source: FileSource, options: OpenOptions): Promise<ModelFile>;
  list(): Promise<StoredModel[]>;
  /** False when there was none. Throws `model_unavailable` (retryable) while a tab uses it. */
  delete(id: string): Promise<boolean>;
}
