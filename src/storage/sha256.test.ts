/** Our SHA-256 against Node's: any bytes, cut anywhere, and every length around the padding's edges. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from './chunks.ts';
import { digest, Sha256 } from './sha256.ts';

function expected(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('the streaming SHA-256', () => {
  it('agrees with another implementation at every length from 0 to 200', () => {
    for (let length = 0; length <= 200; length++) {
      const bytes = new Uint8Array(length).map((_, index) => (index * 131 + length) & 255);
      const sha256 = new Sha256();
      sha256.update(bytes);
      expect(toHex(sha256.finish())).toBe(expected(bytes));
    }
  });

  it('does not depend on how the bytes are cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (pieces) => {
        const sha256 = new Sha256();
        for (const piece of pieces) sha256.update(piece);
        expect(toHex(sha256.finish())).toBe(expected(Buffer.concat(pieces)));
      }),
    );
  });

  it('agrees with the digest of the platform', async () => {
    const bytes = new Uint8Array(100_000).map((_, index) => index % 251);
    expect(toHex(await digest(bytes))).toBe(expected(bytes));
  });
});
