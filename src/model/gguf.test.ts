import { describe, expect, test } from 'vitest';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import { writeGguf, type Entry } from '../../test/models/gguf-writer.ts';
import { seeded } from '../../test/models/random.ts';
import { SelvedgeError } from '../errors.ts';
import { planModel } from './architectures.ts';
import { createChatTemplate } from './chat-template.ts';
import { createTokenizer } from './tokenizer.ts';
import { GgufHeaderReader, readGgufHeader } from './gguf.ts';

const file = tinyGguf();
const header = readGgufHeader(file);

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof SelvedgeError) return error.code;
    throw error;
  }
  return 'none';
}

function messageOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof SelvedgeError) return error.message;
    throw error;
  }
  return 'none';
}

/** A copy with `bytes` written over it at `offset`. */
function patched(offset: number, bytes: ArrayLike<number>): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, offset);
  return copy;
}

function u64(value: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value).buffer);
}

/** Where a key stands in the file, for surgery on what follows it. */
function afterKey(key: string): number {
  return Buffer.from(file).indexOf(key) + key.length;
}

function withEntry(key: string, entry: Entry): Uint8Array {
  const { metadata, tensors } = tinyParts();
  return writeGguf({ ...metadata, [key]: entry }, tensors);
}

describe('a valid header', () => {
  test('gives versions, values and tensors as they were written', () => {
    expect(header.version).toBe(3);
    expect(header.metadata.get('general.architecture')).toBe('llama');
    expect(header.metadata.get('llama.rope.freq_base')).toBe(10_000);
    expect(header.metadata.get('tokenizer.ggml.add_bos_token')).toBe(false);
    expect(header.metadata.get('tokenizer.ggml.tokens')).toHaveLength(320);
    expect(header.metadata.get('tokenizer.ggml.token_type')).toBeInstanceOf(Int32Array);
    const written = tinyParts().tensors;
    expect(header.tensors.map(({ name, dims }) => [name, dims])).toEqual(
      written.map(({ name, dims }) => [name, dims]),
    );
    for (const [index, { fileOffset, byteLength }] of header.tensors.entries()) {
      expect(file.subarray(fileOffset, fileOffset + byteLength)).toEqual(written[index]!.bytes);
    }
  });

  test('is the same whatever the sizes of the pieces', () => {
    const random = seeded(5);
    // Larger than the first buffer of the reader.
    const large = tinyGguf({ vocab: 4000, hidden: 32, heads: 1 });
    const whole = readGgufHeader(large);
    expect(whole.dataOffset).toBeGreaterThan(80_000);
    for (const largest of [1, 2, 13, 1000, 100_000]) {
      const reader = new GgufHeaderReader(large.length);
      let found: ReturnType<GgufHeaderReader['push']>;
      for (let at = 0; !found;) {
        const size = 1 + random.below(largest);
        found = reader.push(large.subarray(at, at + size));
        at += size;
      }
      expect(found).toEqual(whole);
    }
  });

  test('is read without any tensor data, and in version 2', () => {
    expect(readGgufHeader(file.subarray(0, header.dataOffset), file.length)).toEqual(header);
    const { metadata, tensors } = tinyParts();
    const older = readGgufHeader(writeGguf(metadata, tensors, { version: 2, alignment: 32 }));
    expect({ ...older, version: 3 }).toEqual(header);
  });

  test('may set the alignment, hold 64-bit numbers, and pieces that are not UTF-8', () => {
    const { metadata, tensors } = tinyParts();
    const bytes = writeGguf(
      { 'general.alignment': { u32: 256 }, small: { u64: 7n }, large: { u64: 2n ** 63n }, ...metadata },
      tensors,
      { version: 3, alignment: 256 },
    );
    const token = Buffer.from(bytes).indexOf('Ġ');
    bytes.set([0xff, 0xfe], token);
    const read = readGgufHeader(bytes);
    expect(read.alignment).toBe(256);
    expect(read.dataOffset % 256).toBe(0);
    expect(read.metadata.get('small')).toBe(7);
    expect(read.metadata.get('large')).toBe(2n ** 63n);
  });
});

describe('a damaged file', () => {
  test('truncated at any of 50 places is invalid_model', () => {
    expect(codeOf(() => readGgufHeader(file.subarray(0, -1)))).toBe('invalid_model');
    for (let place = 0; place < 50; place++) {
      const length = Math.floor((place * file.length) / 50);
      expect(
        codeOf(() => readGgufHeader(file.subarray(0, length))),
        `at ${length}`,
      ).toBe('invalid_model');
      if (length >= header.dataOffset) continue;
      const arriving = (): unknown => readGgufHeader(file.subarray(0, length), file.length);
      expect(codeOf(arriving), `arriving, at ${length}`).toBe('invalid_model');
    }
  });

  test.each<[string, Uint8Array, string, RegExp]>([
    ['an HTML page', new TextEncoder().encode('<!doctype html><html>'), 'invalid_model', /"<!do".*GGUF/],
    ['version 0', patched(4, [0, 0, 0, 0]), 'invalid_model', /version 0/],
    ['version 1', patched(4, [1, 0, 0, 0]), 'unsupported_model', /version 1; 2 and 3/],
    ['a big-endian file', patched(4, [0, 0, 0, 3]), 'unsupported_model', /big-endian/],
    ['a billion tensors', patched(8, u64(10n ** 9n)), 'invalid_model', /tensors is 1000000000 .*room for/],
    ['2^64 - 1 tensors', patched(8, u64(2n ** 64n - 1n)), 'invalid_model', /number of tensors/],
    ['a billion entries', patched(16, u64(10n ** 9n)), 'invalid_model', /metadata entries is 1000000000/],
    ['a key of 2^60 bytes', patched(24, u64(2n ** 60n)), 'invalid_model', /length of the name/],
    [
      'a value type 99',
      patched(afterKey('general.architecture'), [99]),
      'invalid_model',
      /general.architecture has the value type 99/,
    ],
    [
      'an array of 2^40 strings',
      patched(afterKey('tokenizer.ggml.tokens') + 8, u64(2n ** 40n)),
      'invalid_model',
      /strings in tokenizer.ggml.tokens/,
    ],
    [
      'an array of arrays',
      patched(afterKey('tokenizer.ggml.tokens') + 4, [9]),
      'invalid_model',
      /tokenizer.ggml.tokens has the value type 9/,
    ],
    [
      'an array of 2^62 numbers',
      patched(afterKey('tokenizer.ggml.token_type') + 8, u64(2n ** 62n)),
      'invalid_model',
      /values in tokenizer.ggml.token_type/,
    ],
    ['an odd alignment', withEntry('general.alignment', { u32: 24 }), 'invalid_model', /alignment is 24/],
  ])('with %s is refused with what is wrong', (_, bytes, code, message) => {
    expect(codeOf(() => readGgufHeader(bytes, Math.max(bytes.length, 10_000)))).toBe(code);
    expect(messageOf(() => readGgufHeader(bytes, Math.max(bytes.length, 10_000)))).toMatch(message);
  });

  /** After a tensor's name: u32 dimension count, two u64 dimensions, u32 type, u64 offset. */
  const query = afterKey('blk.1.attn_q.weight');
  test.each<[string, Uint8Array, string, RegExp]>([
    ['an unknown type', patched(query + 20, [77]), 'unsupported_model', /blk.1.attn_q.weight .*number 77/],
    [
      'a type that is not supported',
      patched(query + 20, [20]),
      'unsupported_model',
      /attn_q.weight .*IQ4_NL/,
    ],
    ['nine dimensions', patched(query, [9]), 'invalid_model', /attn_q.weight has 9 dimensions/],
    ['a dimension of 0', patched(query + 4, u64(0n)), 'invalid_model', /attn_q.weight .*shape 0 x 64/],
    ['absurd dimensions', patched(query + 4, u64(2n ** 60n)), 'invalid_model', /attn_q.weight .*shape/],
    [
      'half a block',
      patched(query + 4, [33, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 8]),
      'invalid_model',
      /33 x 64/,
    ],
    [
      'an offset past the end',
      patched(query + 24, u64(2n ** 40n)),
      'invalid_model',
      /attn_q.weight ends at byte/,
    ],
    ['an offset off the grid', patched(query + 24, [1]), 'invalid_model', /attn_q.weight begins at byte/],
    ['an offset of another', patched(query + 24, u64(0n)), 'invalid_model', /overlaps/],
  ])('with a tensor with %s is refused with its name', (_, bytes, code, message) => {
    const read = (): unknown => planModel(readGgufHeader(bytes));
    expect(messageOf(read)).toMatch(message);
    expect(codeOf(read)).toBe(code);
  });

  test('with the same tensor or the same entry twice is refused', () => {
    const { metadata, tensors } = tinyParts();
    expect(messageOf(() => readGgufHeader(writeGguf(metadata, [...tensors, tensors[0]!])))).toMatch(
      /token_embd.weight stands there twice/,
    );
    const twice = writeGguf({ ...metadata, 'llama.vocab_sizf': { u32: 320 } }, tensors);
    twice.set([0x65], Buffer.from(twice).indexOf('llama.vocab_sizf') + 15);
    expect(messageOf(() => readGgufHeader(twice))).toMatch(/llama.vocab_size stands there twice/);
  });

  test('with random bytes changed is read or refused, never worse', () => {
    const random = seeded(9);
    const seen = new Map<string, number>();
    for (let round = 0; round < 2000; round++) {
      const copy = file.slice(0, header.dataOffset);
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        copy[random.below(copy.length)]! ^= 1 << random.below(8);
      }
      const code = codeOf(() => {
        const read = readGgufHeader(copy, file.length);
        planModel(read);
        createChatTemplate(read, createTokenizer(read));
      });
      seen.set(code, (seen.get(code) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual(['invalid_model', 'none', 'unsupported_model']);
  });

  test('claiming forty megabytes of numbers costs no memory before they arrive', () => {
    const claiming = patched(afterKey('tokenizer.ggml.token_type') + 8, u64(10_000_000n));
    const before = process.memoryUsage().arrayBuffers;
    const reader = new GgufHeaderReader(2 ** 40);
    expect(reader.push(claiming)).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 2 ** 20);
  });

  test('waits for no more than 64 MiB of header', () => {
    const huge = patched(afterKey('tokenizer.ggml.token_type') + 8, u64(40_000_000n));
    expect(messageOf(() => readGgufHeader(huge, 2 ** 40))).toMatch(/token_type is 40000000 .*room for/);
  });
});
