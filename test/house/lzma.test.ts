import { compress } from 'lzma1';
import { describe, expect, it } from 'vitest';
import { seeded } from '../models/random.ts';
import { decodeLzma } from '../../src/backend/wasm/lzma.ts';

const random = seeded(1);
const noise = Uint8Array.from({ length: 5000 }, () => random.below(256));
/** Copies from near and far, single bytes between them, and long runs: every kind of packet. */
function woven(length: number, alphabet: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const far = random.next() < 0.3 ? 1 + random.below(at + 1) : 1 + random.below(Math.min(at + 1, 40));
    const count = random.next() < 0.2 ? 1 + random.below(300) : random.below(12);
    for (let i = 0; i < count && at < length; i++, at++) bytes[at] = bytes[at - far] ?? 0;
    if (at < length) bytes[at++] = random.below(alphabet);
  }
  return bytes;
}

const texts: [string, Uint8Array<ArrayBuffer>][] = [
  ['one byte', Uint8Array.of(7)],
  ['noise', noise],
  ['a run', new Uint8Array(70_000).fill(3)],
  ...[2, 20, 256].map((alphabet): [string, Uint8Array<ArrayBuffer>] => [
    `copies over ${alphabet} letters`,
    woven(60_000, alphabet),
  ]),
];

describe('LZMA', () => {
  it.each(texts)('comes out as it went in: %s', (_name, bytes) => {
    for (const level of [1, 5, 9] as const) {
      const stream = compress(bytes, level);
      expect(Buffer.compare(decodeLzma(stream, bytes.length), bytes)).toBe(0);
      const half = bytes.length >> 1;
      expect(Buffer.compare(decodeLzma(stream, half), bytes.subarray(0, half))).toBe(0);
    }
  });
});
