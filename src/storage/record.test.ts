/** Records come from a database that older, newer or broken code may have written: all but sound ones are none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, HASH_BYTES } from './chunks.ts';
import { isComplete, parseRecord, storedBytes, storedChunks } from './record.ts';
import type { ModelRecord } from './record.ts';

const sound: ModelRecord = {
  format: 1,
  key: 'a'.repeat(32),
  id: 'model',
  url: 'https://models.example/model.gguf',
  byteLength: 2 * CHUNK_BYTES + 5,
  backend: 'opfs',
  etag: '"1"',
  lastModified: null,
  hashes: new Uint8Array(2 * HASH_BYTES),
  sha256: null,
  lastUsed: 1,
};

describe('a record', () => {
  it('is read back as it was written', () => {
    expect(parseRecord(structuredClone(sound))).toEqual(sound);
  });

  it('is none when any field is missing or of another kind', () => {
    for (const field of Object.keys(sound)) {
      for (const value of [undefined, {}, true, '', -1, Number.NaN]) {
        const isAllowed = field === 'lastUsed' && typeof value === 'number';
        if (!isAllowed)
          expect([field, value, parseRecord({ ...sound, [field]: value })]).toContain(undefined);
      }
    }
  });

  it.each([
    ['of another format', { format: 2 }],
    ['with half a hash', { hashes: new Uint8Array(40) }],
    ['with more hashes than the file has chunks', { hashes: new Uint8Array(4 * HASH_BYTES) }],
    ['of an empty file', { byteLength: 0, hashes: new Uint8Array(0) }],
    ['of half a byte', { byteLength: 1.5 }],
    ['in an unknown place', { backend: 'cache' }],
  ])('is none %s', (_, change) => {
    expect(parseRecord({ ...sound, ...change })).toBeUndefined();
  });

  it('never parses from arbitrary values into something unsound', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(parseRecord(value)).toBeUndefined();
      }),
    );
  });

  it('tells from its hashes how much is stored and whether that is all', () => {
    expect([storedChunks(sound), storedBytes(sound), isComplete(sound)]).toEqual([2, 2 * CHUNK_BYTES, false]);
    const whole = { ...sound, hashes: new Uint8Array(3 * HASH_BYTES) };
    expect([storedChunks(whole), storedBytes(whole), isComplete(whole)]).toEqual([3, sound.byteLength, true]);
  });
});
