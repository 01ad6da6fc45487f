/**
 * A keyed hash of runs of letters that rolls: the hash of each window of a text costs a few instructions, whatever its
 * length. The key is drawn for each store, so that hashes say nothing to who has them without it, and differ from visit
 * to visit. Two polynomials modulo 2^32 with secret odd bases over secretly mixed letters; 52 bits of them fit a number.
 * It is no signature: two windows that differ may be taken for equal, about once in 2^50, which can only make a text more
 * private than it is.
 */

export interface KeyedHash {
  /** Of all windows of `length` units, by where they begin. None when there are fewer units. */
  windows(units: Int32Array, length: number): Float64Array;
  /** Of all units. */
  whole(units: Int32Array): number;
}

export const HASH_KEY_WORDS = 4;

/** `key`: random words. */
export function createKeyedHash(key: Uint32Array): KeyedHash {
  const [mixA = 0, mixB = 0, seedA = 0, seedB = 0] = key;
  const baseA = seedA | 1;
  const baseB = seedB | 1;

  function windows(units: Int32Array, length: number): Float64Array {
    const hashes = new Float64Array(Math.max(0, units.length - length + 1));
    if (hashes.length === 0) return hashes;
    // What a unit weighs when it leaves.
    let topA = 1;
    let topB = 1;
    for (let i = 1; i < length; i++) {
      topA = Math.imul(topA, baseA);
      topB = Math.imul(topB, baseB);
    }
    let a = 0;
    let b = 0;
    for (let i = 0; i < units.length; i++) {
      if (i >= length) {
        const gone = units[i - length]!;
        a = (a - Math.imul(mix(gone, mixA), topA)) | 0;
        b = (b - Math.imul(mix(gone, mixB), topB)) | 0;
      }
      a = (Math.imul(a, baseA) + mix(units[i]!, mixA)) | 0;
      b = (Math.imul(b, baseB) + mix(units[i]!, mixB)) | 0;
      // The low bits of such a polynomial are its weak ones.
      if (i >= length - 1) hashes[i - length + 1] = (a >>> 0) * 2 ** 20 + (b >>> 12);
    }
    return hashes;
  }

  return {
    windows,
    whole: (units) => windows(units, units.length)[0] ?? 0,
  };
}

/** Spreads a unit over 32 bits. */
function mix(unit: number, key: number): number {
  let mixed = Math.imul(unit ^ key, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
