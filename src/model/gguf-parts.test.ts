import { expect, test } from 'vitest';
import { splitGguf } from '../../test/models/split-gguf.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import { planModel } from './architectures.ts';
import { readGgufHeader } from './gguf.ts';
import { joinParts, partCount } from './gguf-parts.ts';
import type { PartHeader } from './gguf-parts.ts';

const headerOf = (bytes: Uint8Array): PartHeader => ({
  header: readGgufHeader(bytes),
  byteLength: bytes.length,
});

test.each([1, 2, 3, 5])('the headers of %i parts are as good as that of one file', (count) => {
  const files = splitGguf(tinyParts({ type: 'Q4_1' }), count);
  const parts = files.map(headerOf);
  expect(partCount(parts[0]!.header)).toBe(count);
  const whole = joinParts(parts);
  const bytes = Buffer.concat(files);
  const single = tinyGguf({ type: 'Q4_1' });
  const expected = readGgufHeader(single).tensors;
  expect(whole.tensors.map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
  for (const [index, { fileOffset, byteLength }] of whole.tensors.entries()) {
    const { fileOffset: at } = expected[index]!;
    expect(
      bytes.subarray(fileOffset, fileOffset + byteLength).equals(single.subarray(at, at + byteLength)),
    ).toBe(true);
  }
  expect(planModel(whole).shape).toEqual(planModel(readGgufHeader(single)).shape);
});

test('parts in the wrong order, of other models, or too few are told', () => {
  const [one, two, three] = splitGguf(tinyParts(), 3).map(headerOf) as [PartHeader, PartHeader, PartHeader];
  expect(() => partCount(two.header)).toThrow(/part 2 of a model in 3 files. Give the URL of the first/);
  expect(() => joinParts([one, three, two])).toThrow(/Part 2 of 3 says that it is part 3 of 3/);
  expect(() => joinParts([one, two])).toThrow(/Part 1 of 2 says that it is part 1 of 3/);
  const other = splitGguf(tinyParts({ layers: 4 }), 3).map(headerOf);
  expect(() => joinParts([one, two, other[2]!])).toThrow(/hold 26 tensors, but the first one says 20/);
  const again = splitGguf({ metadata: {}, tensors: tinyParts().tensors.slice(0, 3) }, 3).map(headerOf);
  expect(() => joinParts([one, two, again[2]!])).toThrow(/A tensor is in two parts/);
});
