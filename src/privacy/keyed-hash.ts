/**
 * A keyed hash of runs of letters that rolls: the hash of each window of a text costs a few instructions, whatever its
 * length. The key is drawn for each store, so that hashes say nothing to who has them without it, and differ from visit
 * to visit. Two polynomials modulo 2^32 with secret odd bases over secretly mixed letters; 52 bits of them fit a number.
 * It is no signature: two windows that differ may be taken for equal, about once in 2^50, which can only make a text more
 * private than it is.
 */

export interface KeyedHash {
  /** Once for a text, whatever windows are asked for. */
  mix(units: Int32Array): Mixed;
  /** Of all windows of `length` units, by where they begin. None when there are fewer units. */
  windows(mixed: Mixed, length: number): Windows;
  /** Of all units. */
  whole(units: Int32Array): number;
  /** Of several hashes in their order. */
  combine(...hashes: readonly number[]): number;
}

export interface Mixed {
  a: Int32Array;
  b: Int32Array;
}

/** The two halves of each hash: 32 and 20 bits. */
export interface Windows {
  highs: Int32Array;
  lows: Int32Array;
}

export const HASH_KEY_WORDS = 4;
const LOW_BITS = 20;

export function keyOf({ highs, lows }: Windows, at: number): number {
  return (highs[at]! >>> 0) * 2 ** LOW_BITS + lows[at]!;
}

/** `key`: random words. */
export function createKeyedHash(key: Uint32Array): KeyedHash {
  const [mixA = 0, mixB = 0, seedA = 0, seedB = 0] = key;
  const baseA = seedA | 1;
  const baseB = seedB | 1;

  function mix(units: Int32Array): Mixed {
    return { a: units.map((unit) => spread(unit ^ mixA)), b: units.map((unit) => spread(unit ^ mixB)) };
  }

  function windows({ a, b }: Mixed, length: number): Windows {
    const count = Math.max(0, a.length - length + 1);
    const highs = new Int32Array(count);
    const lows = new Int32Array(count);
    // What a unit weighs when it leaves.
    const topA = power(baseA, length);
    const topB = power(baseB, length);
    let high = 0;
    let low = 0;
    for (let i = 0; i < a.length; i++) {
      high = (Math.imul(high, baseA) + a[i]!) | 0;
      low = (Math.imul(low, baseB) + b[i]!) | 0;
      const start = i - length + 1;
      if (start < 0) continue;
      if (start > 0) {
        high = (high - Math.imul(a[start - 1]!, topA)) | 0;
        low = (low - Math.imul(b[start - 1]!, topB)) | 0;
      }
      highs[start] = high;
      // The low bits of such a polynomial are its weak ones.
      lows[start] = low >>> (32 - LOW_BITS);
    }
    return { highs, lows };
  }

  function whole(units: Int32Array): number {
    return units.length === 0 ? 0 : keyOf(windows(mix(units), units.length), 0);
  }

  return {
    mix,
    windows,
    whole,
    combine: (...hashes) =>
      whole(Int32Array.from(hashes.flatMap((one) => [one / 2 ** LOW_BITS, one % 2 ** LOW_BITS]))),
  };
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, base);
  return result;
}

/** A unit over 32 bits. */
function spread(unit: number): number {
  let mixed = Math.imul(unit, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
