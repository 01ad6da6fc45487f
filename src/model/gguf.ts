/**
 * Reads the header of a GGUF file (versions 2 and 3) while the file is still arriving: push bytes from offset 0
 * until the header comes back. Nothing is allocated for a count or a length before it was checked against what
 * the file can hold, and a header is 64 MiB at most (the largest vocabularies need about 20).
 *
 * Bytes that make no sense are `invalid_model`; a readable file that is not for this library (big-endian, a tensor
 * type that ggml does not define) is `unsupported_model`.
 */
import { SelvedgeError, assert } from '../errors.ts';
import { ByteCursor } from './byte-cursor.ts';
import { GGML_TYPES, type GgmlType } from './ggml-types.ts';
import { readString, readValue, type GgufValue } from './gguf-values.ts';

export type { GgufValue } from './gguf-values.ts';

export interface GgufTensor {
  name: string;
  type: GgmlType;
  /** ggml order: `dims[0]` is contiguous. */
  dims: readonly number[];
  /** From the start of the file, in bytes. */
  fileOffset: number;
  byteLength: number;
}

export interface GgufHeader {
  version: number;
  metadata: ReadonlyMap<string, GgufValue>;
  /** In file order. */
  tensors: readonly GgufTensor[];
  /** Where tensor data begin, from the start of the file. */
  dataOffset: number;
  alignment: number;
}

const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const MAX_DIMS = 4;
/** Key length, one letter, type, one byte. */
const MIN_ENTRY_BYTES = 8 + 1 + 4 + 1;
/** Name length, one letter, dimension count, one dimension, type, offset. */
const MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;
const MAGIC = 'GGUF';

export class GgufHeaderReader {
  readonly #cursor: ByteCursor;
  readonly #parse: Generator<void, GgufHeader>;
  #ended = false;

  /** `fileByteLength`: of the whole file. */
  constructor(fileByteLength: number) {
    this.#cursor = new ByteCursor(Math.min(fileByteLength, MAX_HEADER_BYTES));
    this.#parse = parseHeader(this.#cursor, fileByteLength);
  }

  /** The next bytes of the file. The header, once all of it came; what follows it in `bytes` is ignored. */
  push(bytes: Uint8Array): GgufHeader | undefined {
    assert(!this.#ended, 'bytes pushed after the header was complete');
    this.#cursor.push(bytes);
    const step = this.#parse.next();
    if (!step.done) return undefined;
    this.#ended = true;
    return step.value;
  }

  /** The file ended before the header did. */
  end(): never {
    throw invalid(
      `The file ends inside its header, at byte ${this.#cursor.position + this.#cursor.available}.`,
    );
  }
}

/** The header of a file, or of enough of its beginning. `fileByteLength` defaults to all of `bytes`. */
export function readGgufHeader(bytes: Uint8Array, fileByteLength = bytes.length): GgufHeader {
  const reader = new GgufHeaderReader(fileByteLength);
  return reader.push(bytes) ?? reader.end();
}

function invalid(what: string): SelvedgeError {
  return new SelvedgeError('invalid_model', `${what} The file is damaged or incomplete; download it again.`);
}

function* parseHeader(cursor: ByteCursor, fileByteLength: number): Generator<void, GgufHeader> {
  const version = yield* readVersion(cursor);
  const tensorCount = cursor.require(yield* cursor.u64(), MIN_TENSOR_BYTES, 'The number of tensors');
  const entryCount = cursor.require(yield* cursor.u64(), MIN_ENTRY_BYTES, 'The number of metadata entries');
  const metadata = yield* readMetadata(cursor, entryCount);
  const alignment = readAlignment(metadata);
  const tensors: GgufTensor[] = [];
  for (let index = 0; index < tensorCount; index++) tensors.push(yield* readTensor(cursor));
  const dataOffset = Math.ceil(cursor.position / alignment) * alignment;
  const placed = tensors
    .map((tensor) => ({ ...tensor, fileOffset: dataOffset + tensor.fileOffset }))
    .sort((a, b) => a.fileOffset - b.fileOffset);
  checkPlaces(placed, alignment, fileByteLength);
  return { version, metadata, tensors: placed, dataOffset, alignment };
}

function* readVersion(cursor: ByteCursor): Generator<void, number> {
  const magic = String.fromCharCode(...(yield* cursor.bytes(4)));
  if (magic !== MAGIC) {
    throw new SelvedgeError(
      'invalid_model',
      `The file begins with ${JSON.stringify(magic)} instead of "GGUF". Give the URL of a GGUF model file.`,
    );
  }
  const version = yield* cursor.u32();
  if (version !== 0 && (version & 0xffff) === 0) {
    throw new SelvedgeError(
      'unsupported_model',
      'The file is a big-endian GGUF. Use the little-endian file of the same model.',
    );
  }
  if (version === 0 || version > 0xffff) throw invalid(`The file claims to be GGUF version ${version}.`);
  if (version < 2 || version > 3) {
    throw new SelvedgeError(
      'unsupported_model',
      `The file is GGUF version ${version}; 2 and 3 are supported. Convert the model again.`,
    );
  }
  return version;
}

function* readMetadata(cursor: ByteCursor, count: number): Generator<void, Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < count; index++) {
    const key = yield* readString(cursor, `the name of metadata entry ${index}`);
    if (metadata.has(key)) throw invalid(`The metadata entry ${key} stands there twice.`);
    metadata.set(key, yield* readValue(cursor, yield* cursor.u32(), key));
  }
  return metadata;
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  const sensible = typeof alignment === 'number' && alignment >= 1 && alignment <= 1 << 20;
  if (!sensible || (alignment & (alignment - 1)) !== 0) {
    throw invalid(`general.alignment is ${String(alignment).slice(0, 40)}, not a power of two up to 1 MiB.`);
  }
  return alignment;
}

/** `fileOffset` of the result still counts from the start of the tensor data. */
function* readTensor(cursor: ByteCursor): Generator<void, GgufTensor> {
  const name = yield* readString(cursor, 'the name of a tensor');
  const dimCount = yield* cursor.u32();
  if (dimCount < 1 || dimCount > MAX_DIMS) throw invalid(`Tensor ${name} has ${dimCount} dimensions.`);
  const dims: number[] = [];
  for (let index = 0; index < dimCount; index++) dims.push(Number(yield* cursor.u64()));
  const typeId = yield* cursor.u32();
  const fileOffset = Number(yield* cursor.u64());
  const type = GGML_TYPES.get(typeId);
  if (!type) {
    throw new SelvedgeError(
      'unsupported_model',
      `Tensor ${name} has the type number ${typeId}, which is not known. Use a file of a common quantisation.`,
    );
  }
  return { name, type, dims, fileOffset, byteLength: tensorBytes(name, type, dims) };
}

function tensorBytes(name: string, type: GgmlType, dims: readonly number[]): number {
  const columns = dims[0] ?? 0;
  const values = dims.reduce((product, dim) => product * dim, 1);
  if (values < 1 || values > Number.MAX_SAFE_INTEGER || columns % type.blockSize !== 0) {
    throw invalid(`Tensor ${name} (${type.name}) cannot have the shape ${dims.join(' x ')}.`);
  }
  return (values / type.blockSize) * type.blockBytes;
}

/** `tensors` in file order. */
function checkPlaces(tensors: readonly GgufTensor[], alignment: number, fileByteLength: number): void {
  const names = new Set<string>();
  let end = 0;
  for (const { name, fileOffset, byteLength } of tensors) {
    if (names.has(name)) throw invalid(`The tensor ${name} stands there twice.`);
    names.add(name);
    if (fileOffset % alignment !== 0) {
      throw invalid(`Tensor ${name} begins at byte ${fileOffset}, not at a multiple of ${alignment}.`);
    }
    if (fileOffset + byteLength > fileByteLength) {
      throw invalid(
        `Tensor ${name} ends at byte ${fileOffset + byteLength}, but the file has ${fileByteLength}.`,
      );
    }
    if (fileOffset < end) throw invalid(`Tensor ${name} overlaps the tensor before it.`);
    end = fileOffset + byteLength;
  }
}
