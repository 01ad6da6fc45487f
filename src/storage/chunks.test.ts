/** Chunk arithmetic and the root hash, against Node's own SHA-256. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesInChunks, chunkCount, chunkRange, CHUNK_BYTES, rootOf, wholeChunks } from './chunks.ts';

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc
    .tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: -1, max: 1 }))
    .map(([n, d]) => n * CHUNK_BYTES + d),
);

describe('chunks of a file', () => {
  it('lie side by side from the first byte to the last, all but the last of them full', () => {
    const smallSizes = fc.integer({ min: 1, max: 20 * CHUNK_BYTES });
    fc.assert(
      fc.property(
        fc.oneof(
          smallSizes,
          fc.integer({ min: 1, max: 20 }).map((n) => n * CHUNK_BYTES),
        ),
        (size) => {
          let end = 0;
          for (let index = 0; index < chunkCount(size); index++) {
            const range = chunkRange(index, size);
            expect(range.start).toBe(end);
            expect(range.end).toBeGreaterThan(range.start);
            if (index < chunkCount(size) - 1) expect(range.end - range.start).toBe(CHUNK_BYTES);
            end = range.end;
          }
          expect(end).toBe(size);
        },
      ),
    );
  });

  it('are whole when all their bytes are present, and only then', () => {
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1.2, noNaN: true }), (size, share) => {
        const present = Math.floor(size * share);
        const whole = wholeChunks(present, size);
        expect(bytesInChunks(whole, size)).toBeLessThanOrEqual(present);
        if (whole < chunkCount(size)) expect(chunkRange(whole, size).end).toBeGreaterThan(present);
      }),
    );
  });

  it('give a root that is the SHA-256 over their hashes', async () => {
    const hashes = new Uint8Array(96).map((_, index) => index * 7);
    expect(await rootOf(hashes)).toBe(createHash('sha256').update(hashes).digest('hex'));
  });
});
