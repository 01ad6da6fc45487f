import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CORPUS } from '../../test/models/corpus.ts';
import { writeGguf, type Entry } from '../../test/models/gguf-writer.ts';
import { corpusChecksums, trainedGolden } from '../../test/models/golden-trained.ts';
import { hasRealModel, readRealModel, realModelNote } from '../../test/models/real-model.ts';
import { REAL_VOCABULARIES } from '../../test/models/real-vocabularies.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import { TRAINED, trainedGguf } from '../../test/models/trained-vocabulary.ts';
import { readGgufHeader } from './gguf.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const tiny = createTokenizer(readGgufHeader(tinyGguf({ vocab: 1000 })));

function withEntries(entries: Record<string, Entry>): () => Tokenizer {
  const { metadata, tensors } = tinyParts();
  return () => createTokenizer(readGgufHeader(writeGguf({ ...metadata, ...entries }, tensors)));
}

const open = (entries: Record<string, Entry>): Tokenizer =>
  createTokenizer(readGgufHeader(trainedGguf(entries)));

const plain = (text: string): number[] => tiny.encode(text, { parseSpecial: false });
const pieces = (text: string, parseSpecial = false): string[] =>
  tiny.encode(text, { parseSpecial }).map((id) => tiny.pieceText(id));

describe('encoding', () => {
  test('merges by rank, splits digits, and keeps a space with the word after it', () => {
    expect(pieces('the then')).toEqual(['th', 'e', ' th', 'en']);
    expect(pieces('a 12  b')).toEqual(['a', ' ', '1', '2', ' ', ' b']);
  });

  test('finds special tokens only where it is asked to', () => {
    const end = tiny.encode('<|im_end|>', { parseSpecial: true });
    expect(end).toHaveLength(1);
    expect(tiny.isControl(end[0]!)).toBe(true);
    expect(plain('<|im_end|>').some((id) => tiny.isControl(id))).toBe(false);
    expect(pieces('it<|im_end|>it', true)).toEqual(['it', '<|im_end|>', 'it']);
  });

  test('finds the longest special token first', () => {
    const { metadata } = tinyParts({ vocab: 320 });
    const tokens = metadata['tokenizer.ggml.tokens'];
    if (!tokens || !('strings' in tokens)) throw new Error('no tokens');
    const strings = tokens.strings.map((text) => (text === '<|endoftext|>' ? 'e <|im_end|> e' : text));
    for (const order of [strings, strings.toReversed()]) {
      const entries = { strings: order };
      const types = { i32s: order.map((text) => (text.includes('<|im') ? 3 : 1)) };
      const made = withEntries({ 'tokenizer.ggml.tokens': entries, 'tokenizer.ggml.token_type': types })();
      const ids = made.encode('<|im_end|>e <|im_end|> e', { parseSpecial: true });
      expect(ids.map((id) => made.pieceText(id))).toEqual(['<|im_end|>', 'e <|im_end|> e']);
    }
  });

  test('names the index of a lone surrogate', () => {
    expect(() => plain('ab\ud83d')).toThrow(/index 2/);
    expect(() => plain('\udc00ab')).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { index: 0 } }),
    );
    expect(plain('🧵')).toHaveLength(4);
  });

  test('takes a hundred thousand equal letters without quadratic work', () => {
    const half = 50_000;
    const cost = (text: string): number => {
      const before = performance.now();
      expect(tiny.decode(plain(text))).toBe(text);
      return performance.now() - before;
    };
    cost('a'.repeat(half));
    // Quadratic work on these would take minutes and hit the test's own limit.
    cost('a'.repeat(2 * half));
    cost('ab'.repeat(half));
    cost(' '.repeat(2 * half));
  });

  test('gives the same ids for a word that it remembers', () => {
    const words = Array.from(
      { length: 20_000 },
      (_, index) => `w${index.toString(26).replaceAll(/\d/g, 'q')}`,
    );
    const first = words.slice(0, 50).map(plain);
    plain(words.join(' '));
    expect(words.slice(0, 50).map(plain)).toEqual(first);
  });
});

describe('decoding', () => {
  test('gives back every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.boolean(), (text, parseSpecial) => {
        expect(tiny.decode(tiny.encode(text, { parseSpecial }), { special: true })).toBe(text);
      }),
    );
  });

  test('leaves control tokens out unless asked, and replaces bytes that are no character', () => {
    const ids = tiny.encode('a<|im_end|>b', { parseSpecial: true });
    expect(tiny.decode(ids)).toBe('ab');
    expect(tiny.decode(ids, { special: true })).toBe('a<|im_end|>b');
    expect(tiny.decode(plain('é').slice(0, 1))).toBe('\ufffd');
    expect(tiny.tokenBytes(plain('é')[0]!)).toEqual(Uint8Array.of(0xc3));
  });

  test('refuses an id that does not exist', () => {
    expect(() => tiny.decode([1000])).toThrow(/no token 1000.*0 to 999/);
  });
});

describe('what the file says about tokens', () => {
  test('names begin and end, and ends are also known by their text', () => {
    expect(tiny.pieceText(tiny.bosId!)).toBe('<|im_start|>');
    expect(tiny.pieceText(tiny.eosId!)).toBe('<|im_end|>');
    expect([...tiny.endTokens].map((id) => tiny.pieceText(id)).sort()).toEqual([
      '<|endoftext|>',
      '<|im_end|>',
    ]);
    expect(tiny.addBos).toBe(false);
    expect(withEntries({ 'tokenizer.ggml.add_bos_token': { bool: true } })().addBos).toBe(true);
  });

  test('a stated end of any text is an end; a known end that the file calls normal is control', () => {
    const { metadata } = tinyParts({ vocab: 320 });
    const tokens = metadata['tokenizer.ggml.tokens'];
    if (!tokens || !('strings' in tokens)) throw new Error('no tokens');
    const newline = tokens.strings.indexOf('Ċ');
    const made = withEntries({
      'tokenizer.ggml.eos_token_id': { u32: newline },
      'tokenizer.ggml.token_type': { i32s: tokens.strings.map(() => 1) },
    })();
    expect(made.endTokens.has(newline)).toBe(true);
    expect(made.isControl(newline)).toBe(false);
    const known = tokens.strings.indexOf('<|im_end|>');
    expect(made.endTokens.has(known)).toBe(true);
    expect(made.isControl(known)).toBe(true);
    expect(made.isControl(tokens.strings.indexOf('<|im_start|>'))).toBe(false);
  });

  test('an end that is finer than another takes its place', () => {
    const ends = (...names: string[]): string[] => {
      const { metadata } = tinyParts({ vocab: 320 });
      const tokens = metadata['tokenizer.ggml.tokens'];
      if (!tokens || !('strings' in tokens)) throw new Error('no tokens');
      const strings = tokens.strings.map((text, id) => names[id - 300] ?? text);
      const made = withEntries({ 'tokenizer.ggml.tokens': { strings } })();
      return names.filter((name) => made.endTokens.has(strings.indexOf(name)));
    };
    expect(ends('<|end|>', '<|call|>')).toEqual(['<|end|>', '<|call|>']);
    expect(ends('<|end|>', '<|call|>', '<|return|>')).toEqual(['<|call|>', '<|return|>']);
    expect(ends('</s>', '<|tool_response>')).toEqual(['<|tool_response>']);
    expect(ends('<fim-pad>', '<PAD>', '<|file_sep|>')).toEqual(['<fim-pad>', '<|file_sep|>']);
  });

  test.each<[string, Record<string, Entry>, string, RegExp]>([
    [
      'another tokenizer',
      { 'tokenizer.ggml.model': { string: 'bert' } },
      'unsupported_model',
      /is bert; supported: gpt2, llama/,
    ],
    [
      'another pre-tokenizer',
      { 'tokenizer.ggml.pre': { string: 'viking' } },
      'unsupported_model',
      /is viking; supported: gpt-2/,
    ],
    [
      'an end beyond the vocabulary',
      { 'tokenizer.ggml.eos_token_id': { u32: 320 } },
      'invalid_model',
      /eos_token_id is 320/,
    ],
    ['too few types', { 'tokenizer.ggml.token_type': { i32s: [1] } }, 'invalid_model', /1 entries for 320/],
    ['no merges', { 'tokenizer.ggml.merges': { u32: 0 } }, 'invalid_model', /merges/],
  ])('%s is refused by name', (_, entries, code, message) => {
    expect(withEntries(entries)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('sentence pieces', () => {
  const spaced = open(TRAINED['sentence pieces']!());
  const plainly = open(TRAINED['sentence pieces, no space first']!());
  const texts = (tokenizer: Tokenizer, text: string): string[] =>
    tokenizer.encode(text, { parseSpecial: true }).map((id) => tokenizer.pieceText(id));

  test('put a space before a text and after each special token, where the file does not say otherwise', () => {
    expect(texts(spaced, 'a<s>a')).toEqual([' a', '<s>', ' a']);
    expect(texts(plainly, 'a<s>a')).toEqual(['a', '<s>', 'a']);
    expect(spaced.addBos).toBe(true);
  });

  test('write a character without a token as its bytes, which decode to it again', () => {
    const ids = plainly.encode('x🪁', { parseSpecial: false });
    expect(ids.slice(1).map((id) => [...plainly.tokenBytes(id)])).toEqual([[0xf0], [0x9f], [0xaa], [0x81]]);
    expect(plainly.decode(ids)).toBe('x🪁');
    expect(plainly.decode(ids.slice(0, 3))).toBe('x\ufffd');
  });

  test('use the unknown token for a byte that has none, and nothing where there is no unknown token', () => {
    const tokens = { strings: ['<unk>', '<s>', '</s>', 'a'] };
    const types = { i32s: [2, 3, 3, 1] };
    const entries = {
      'tokenizer.ggml.model': { string: 'llama' },
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': types,
      'tokenizer.ggml.scores': { f32s: [0, 0, 0, -1] },
      'tokenizer.ggml.add_space_prefix': { bool: false },
    };
    expect(open(entries).encode('aé', { parseSpecial: false })).toEqual([3, 0, 0]);
    // The file names neither: they are those of Llama 2.
    expect([open(entries).bosId, open(entries).eosId]).toEqual([1, 2]);
  });

  test('are refused with scores for only some tokens', () => {
    const entries = TRAINED['sentence pieces']!();
    expect(() => open({ ...entries, 'tokenizer.ggml.scores': { f32s: [1, 2] } })).toThrow(
      expect.objectContaining({ code: 'invalid_model', message: expect.stringMatching(/has 2 entries for/) }),
    );
  });
});

describe('vocabularies trained on the corpus', () => {
  const golden = JSON.parse(readFileSync(trainedGolden, 'utf8')) as Record<string, Record<string, string>>;

  test('want a begin token where their kind does and the file does not say', () => {
    const wants = Object.keys(TRAINED).filter((name) => open(TRAINED[name]!()).addBos);
    expect(wants.filter((name) => !name.startsWith('sentence'))).toEqual(['llama-bpe', 'tekken']);
    const stated = { ...TRAINED['llama-bpe']!(), 'tokenizer.ggml.add_bos_token': { bool: false } };
    expect(open(stated).addBos).toBe(false);
  });

  test('are cut as `default` where the file names no pre-tokenizer', () => {
    const { 'tokenizer.ggml.pre': _, ...unnamed } = TRAINED['default']!();
    expect(corpusChecksums(open(unnamed))).toEqual(golden['default']);
  });

  test('are all recorded', () => {
    expect(Object.keys(golden)).toEqual(Object.keys(TRAINED));
  });

  test.each(Object.keys(TRAINED))('%s: the corpus has the ids of native llama.cpp', (name) => {
    expect(corpusChecksums(open(TRAINED[name]!()))).toEqual(golden[name]);
  });

  test.each(Object.keys(TRAINED).filter((name) => !name.includes('swallow')))(
    '%s: gives back every text',
    (name) => {
      const tokenizer = open(TRAINED[name]!());
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
          // Space that was put after a special token stays, as in llama.cpp, and such a sign is written as a space.
          fc.pre(!/[\u2581\n<]| {2}/.test(text));
          expect(tokenizer.detokenize(tokenizer.encode(text, { parseSpecial: false }))).toBe(text);
        }),
      );
    },
  );
});

describe.each(REAL_VOCABULARIES)('the real vocabulary of $name', ({ isHere, readHeader, golden }) => {
  test.skipIf(!isHere)('gives every text of the corpus the recorded ids of native llama.cpp', () => {
    const tokenizer = createTokenizer(readHeader());
    const recorded = JSON.parse(readFileSync(golden, 'utf8')) as Record<
      string,
      { plain: number[]; special: number[] }
    >;
    expect(Object.keys(recorded)).toEqual(Object.keys(CORPUS));
    for (const [name, text] of Object.entries(CORPUS)) {
      expect(tokenizer.encode(text, { parseSpecial: false }), name).toEqual(recorded[name]!.plain);
      expect(tokenizer.encode(text, { parseSpecial: true }), name).toEqual(recorded[name]!.special);
    }
  });

  test.skipIf(!isHere)('takes a hundred thousand characters without quadratic work', () => {
    const tokenizer = createTokenizer(readHeader());
    for (const text of [
      'a'.repeat(1e5),
      ' '.repeat(1e5),
      'ab'.repeat(5e4),
      'A b'.repeat(3e4),
      '1<'.repeat(5e4),
    ]) {
      expect(tokenizer.detokenize(tokenizer.encode(text, { parseSpecial: true }))).toBe(text);
    }
  });
});

describe.skipIf(!hasRealModel)(`the default model's vocabulary (${realModelNote})`, () => {
  const tokenizer = hasRealModel ? createTokenizer(readGgufHeader(readRealModel())) : tiny;
  test('gives back every text, but for the few bytes that it has no token for', () => {
    const all = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenBytes(id));
    const known = new Set(all.filter((bytes) => bytes.length === 1).map((bytes) => bytes[0]!));
    const unknown = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !known.has(byte));
    expect(unknown.filter((byte) => byte < 0x80)).toEqual([4, 6, 19, 20, 22, 29]);
    // The others are no UTF-8 at all, or begin rare planes.
    expect(unknown.filter((byte) => byte >= 0x80 && byte < 0xc0)).toEqual([]);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const kept = new TextEncoder().encode(text).filter((byte) => known.has(byte));
        expect(tokenizer.decode(tokenizer.encode(text, { parseSpecial: false }))).toBe(
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(kept),
        );
      }),
    );
  });

  test('ends answers at <|im_end|>, <|endoftext|> and, as llama.cpp does, <reponame>', () => {
    expect([...tokenizer.endTokens].map((id) => tokenizer.pieceText(id)).sort()).toEqual([
      '<reponame>',
      '<|endoftext|>',
      '<|im_end|>',
    ]);
  });
});
