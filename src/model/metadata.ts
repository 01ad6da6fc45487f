/**
 * Typed reads of GGUF metadata. A wrong or missing value is the file's fault (`invalid_model`) and is named.
 */
import { SelvedgeError } from '../errors.ts';
import type { GgufValue } from './gguf-values.ts';

export class Metadata {
  readonly #values: ReadonlyMap<string, GgufValue>;

  constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values;
  }

  number(key: string): number | undefined {
    return this.#typed(key, 'a number', (value) => typeof value === 'number' && Number.isFinite(value)) as
      number | undefined;
  }

  /** A whole number of at least `least`. */
  count(key: string, least: number): number | undefined {
    const value = this.number(key);
    if (value !== undefined && (!Number.isSafeInteger(value) || value < least)) {
      throw wrong(key, String(value), `a whole number of at least ${least}`);
    }
    return value;
  }

  /** A whole number, or one for each layer where all are the same. */
  countOfLayers(key: string, least: number): number | undefined {
    const value = this.#values.get(key);
    if (!isIntegers(value)) return this.count(key, least);
    const [first, ...others] = new Set(Array.from<number | bigint>(value));
    if (others.length > 0) {
      throw new SelvedgeError(
        'unsupported_model',
        `${key} differs between layers (${[first, ...others].slice(0, 4).join(', ')}); only equal layers are supported.`,
      );
    }
    return new Metadata(new Map(first === undefined ? [] : [[key, Number(first)]])).count(key, least);
  }

  string(key: string): string | undefined {
    return this.#typed(key, 'a string', (value) => typeof value === 'string') as string | undefined;
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, 'a boolean', (value) => typeof value === 'boolean') as boolean | undefined;
  }

  strings(key: string): string[] | undefined {
    const isStrings = (value: GgufValue): boolean =>
      Array.isArray(value) && value.every((item) => typeof item === 'string');
    return this.#typed(key, 'an array of strings', isStrings) as string[] | undefined;
  }

  integers(key: string): Int32Array | Uint32Array | undefined {
    return this.#typed(key, 'an array of 32-bit integers', isIntegers) as
      Int32Array | Uint32Array | undefined;
  }

  floats(key: string): Float32Array | undefined {
    return this.#typed(key, 'an array of 32-bit floats', (value) => value instanceof Float32Array) as
      Float32Array | undefined;
  }

  /** A number, or a boolean for each layer. */
  numberOrFlags(key: string): number | boolean[] | undefined {
    const fits = (value: GgufValue): boolean =>
      typeof value === 'number' || (Array.isArray(value) && value.every((item) => typeof item === 'boolean'));
    return this.#typed(key, 'a number or an array of booleans', fits) as number | boolean[] | undefined;
  }

  /** Names of all entries that begin with `prefix`. */
  keys(prefix: string): string[] {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix));
  }

  #typed(key: string, expected: string, fits: (value: GgufValue) => boolean): GgufValue | undefined {
    const value = this.#values.get(key);
    if (value === undefined || fits(value)) return value;
    throw wrong(key, typeof value === 'object' ? 'an array' : String(value).slice(0, 80), expected);
  }
}

function isIntegers(value: GgufValue | undefined): value is Int32Array | Uint32Array {
  return value instanceof Int32Array || value instanceof Uint32Array;
}

function wrong(key: string, value: string, expected: string): SelvedgeError {
  return new SelvedgeError(
    'invalid_model',
    `The metadata entry ${key} is ${value}; it must be ${expected}. The file is damaged or was converted wrongly.`,
  );
}

export function positive(value: number, key: string): number {
  if (value > 0) return value;
  throw wrong(key, String(value), 'positive');
}

/** For entries without which a model means nothing. */
export function needed<T>(value: T | undefined, key: string): T {
  if (value !== undefined) return value;
  throw new SelvedgeError(
    'invalid_model',
    `The metadata entry ${key} is missing. The file is damaged, or is not a language model.`,
  );
}
