/**
 * The metadata values of GGUF: numbers, booleans, strings, and arrays of one of those. Arrays of numbers become
 * typed arrays. Integers of 64 bits become plain numbers where those are exact, else bigints.
 * Strings are decoded leniently: a vocabulary may hold pieces that are not UTF-8.
 */
import { SelvedgeError, assert } from '../errors.ts';
import type { ByteCursor } from './byte-cursor.ts';

export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

export type GgufArray = GgufNumbers | boolean[] | string[];
export type GgufValue = number | bigint | boolean | string | GgufArray;

const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

type NumbersFrom = (buffer: ArrayBuffer) => GgufNumbers;

/** By type number: bytes of one value, and the view of many. Platforms are little-endian, as the file is. */
const NUMBERS: ReadonlyMap<number, { size: number; from: NumbersFrom }> = new Map([
  [0, { size: 1, from: (buffer) => new Uint8Array(buffer) }],
  [1, { size: 1, from: (buffer) => new Int8Array(buffer) }],
  [2, { size: 2, from: (buffer) => new Uint16Array(buffer) }],
  [3, { size: 2, from: (buffer) => new Int16Array(buffer) }],
  [4, { size: 4, from: (buffer) => new Uint32Array(buffer) }],
  [5, { size: 4, from: (buffer) => new Int32Array(buffer) }],
  [6, { size: 4, from: (buffer) => new Float32Array(buffer) }],
  [10, { size: 8, from: (buffer) => new BigUint64Array(buffer) }],
  [11, { size: 8, from: (buffer) => new BigInt64Array(buffer) }],
  [12, { size: 8, from: (buffer) => new Float64Array(buffer) }],
] satisfies [number, { size: number; from: NumbersFrom }][]);

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function* readString(cursor: ByteCursor, what: string): Generator<void, string> {
  const length = cursor.require(yield* cursor.u64(), 1, `The length of ${what}`);
  return decoder.decode(yield* cursor.bytes(length));
}

/** A value of type `type`; `key` names it in errors. */
export function* readValue(cursor: ByteCursor, type: number, key: string): Generator<void, GgufValue> {
  if (type === STRING) return yield* readString(cursor, key);
  if (type === BOOL) return (yield* cursor.u8()) !== 0;
  if (type === ARRAY) return yield* readArray(cursor, key);
  const [value] = yield* readNumbers(cursor, type, 1, key);
  assert(value !== undefined, `one value was read for ${key}`);
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function* readArray(cursor: ByteCursor, key: string): Generator<void, GgufArray> {
  const type = yield* cursor.u32();
  const claimed = yield* cursor.u64();
  if (type === STRING) {
    const strings: string[] = [];
    const count = cursor.require(claimed, 8, `The number of strings in ${key}`);
    for (let index = 0; index < count; index++) strings.push(yield* readString(cursor, `${key}[${index}]`));
    return strings;
  }
  const count = cursor.require(claimed, 1, `The number of values in ${key}`);
  if (type === BOOL) return Array.from(yield* cursor.bytes(count), (byte) => byte !== 0);
  return yield* readNumbers(cursor, type, count, key);
}

function* readNumbers(
  cursor: ByteCursor,
  type: number,
  count: number,
  key: string,
): Generator<void, GgufNumbers> {
  const kind = NUMBERS.get(type);
  if (!kind) {
    throw new SelvedgeError(
      'invalid_model',
      `${key} has the value type ${type}, which GGUF does not define here. ` +
        'The file is damaged; download it again.',
    );
  }
  const length = cursor.require(count, kind.size, `The number of values in ${key}`) * kind.size;
  const bytes = yield* cursor.bytes(length);
  return kind.from(bytes.slice().buffer);
}
