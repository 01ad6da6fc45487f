/**
 * Sets of words in few bits each (Bloom, 1970): a word of the set is always found, one in about thirty others too. The words
 * themselves cannot be read out of it.
 */

/** Bits set for each word. */
const PROBES = 4;

export interface WordSet {
  has(word: string): boolean;
}

export function wordSet(bits: Uint8Array): WordSet {
  return {
    has: (word) => placesOf(word, bits.length * 8).every((place) => (bits[place >> 3]! >> (place & 7)) & 1),
  };
}

export function makeWordSet(words: Iterable<string>, byteCount: number): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(byteCount);
  for (const word of words) {
    for (const place of placesOf(word, byteCount * 8)) bits[place >> 3]! |= 1 << (place & 7);
  }
  return bits;
}

function placesOf(word: string, bitCount: number): number[] {
  const first = hashOf(word, 0x811c9dc5);
  const second = hashOf(word, 0x9e3779b9) | 1;
  return Array.from({ length: PROBES }, (_, probe) => (first + Math.imul(probe, second)) >>> 0).map(
    (hash) => hash % bitCount,
  );
}

/** FNV-1a over UTF-16 units, with a final mix. */
export function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
