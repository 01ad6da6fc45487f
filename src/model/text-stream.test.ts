import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import { TRAINED, trainedGguf } from '../../test/models/trained-vocabulary.ts';
import { readGgufHeader } from './gguf.ts';
import { TextStream } from './text-stream.ts';
import { createTokenizer } from './tokenizer.ts';

const tokenizer = createTokenizer(readGgufHeader(tinyGguf({ vocab: 400 })));
const ids = (text: string): number[] => tokenizer.encode(text, { parseSpecial: true });

test('a character appears with its last byte, not before', () => {
  const stream = new TextStream(tokenizer);
  expect(ids('é🧵!').map((id) => stream.push(id))).toEqual(['', 'é', '', '', '', '🧵', '!']);
  expect(stream.flush()).toBe('');
});

test('what breaks off becomes one replacement character, at once or at the end', () => {
  const stream = new TextStream(tokenizer);
  const [first, second] = ids('🧵');
  expect([first, second, ...ids('a')].map((id) => stream.push(id!))).toEqual(['', '', '\ufffda']);
  stream.push(first!);
  expect(stream.flush()).toBe('\ufffd');
});

test('a character appears with its last byte token, and none of them alone', () => {
  const pieces = createTokenizer(readGgufHeader(trainedGguf(TRAINED['sentence pieces']!())));
  const stream = new TextStream(pieces);
  const parts = pieces.encode('x🪁y', { parseSpecial: false }).map((id) => stream.push(id));
  expect(parts).toEqual([' x', '', '', '', '🪁', 'y']);
});

test('a byte order mark is text like any other', () => {
  const stream = new TextStream(tokenizer);
  expect(
    ids('\ufeffa')
      .map((id) => stream.push(id))
      .join(''),
  ).toBe('\ufeffa');
});

test('control tokens are left out, or named when asked for', () => {
  const [end, start] = ids('<|im_end|><|im_start|>');
  const some = new TextStream(tokenizer, { named: new Set([start!]) });
  expect([some.push(end!), some.push(start!)]).toEqual(['', '<|im_start|>']);
  expect(new TextStream(tokenizer).push(end!)).toBe('');
  expect(new TextStream(tokenizer, { named: 'all' }).push(end!)).toBe('<|im_end|>');
});

test('any ids, pushed one by one, give the text of decoding them all', () => {
  const anyIds = fc.array(fc.nat({ max: tokenizer.vocabSize - 1 }), { maxLength: 40 });
  fc.assert(
    fc.property(anyIds, fc.boolean(), (sequence, special) => {
      const stream = new TextStream(tokenizer, special ? { named: 'all' } : {});
      const parts = sequence.map((id) => stream.push(id));
      expect(parts.join('') + stream.flush()).toBe(tokenizer.decode(sequence, { special }));
      // No part ends inside a character: each is well-formed by itself.
      for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
    }),
    { numRuns: 500 },
  );
});
