/**
 * Our tokenizer against native llama.cpp's, live. With RECORD=1 in the environment the ids that it gives the corpus
 * are written to the golden files of the real vocabularies, which src/model/tokenizer.test.ts checks without it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import { CORPUS } from '../models/corpus.ts';
import { corpusChecksums, trainedGolden } from '../models/golden-trained.ts';
import { seeded } from '../models/random.ts';
import { REAL_VOCABULARIES, type RealVocabulary } from '../models/real-vocabularies.ts';
import { TRAINED, trainedGguf } from '../models/trained-vocabulary.ts';
import { hasNative, nativeNote, withNativeTokenizer } from './native-llama.ts';

/**
 * Where no version of Unicode of the last years has added a letter or a number: native's tables are of one version,
 * the engine's of another.
 */
const SETTLED: readonly (readonly [number, number])[] = [
  [0x00, 0x7f],
  [0x80, 0x24f],
  [0x400, 0x52f],
  [0x5d0, 0x5ea],
  [0x620, 0x64a],
  [0x900, 0x97f],
  [0xe01, 0xe3a],
  [0x2000, 0x206f],
  [0x2190, 0x23ff],
  [0x2500, 0x27bf],
  [0x3041, 0x3096],
  [0x4e00, 0x9fa5],
  [0xac00, 0xd7a3],
  [0xe000, 0xf8ff],
  [0xfe00, 0xfe0f],
  [0x1d400, 0x1d7ff],
  [0x1f300, 0x1f64f],
  [0x20000, 0x2a6d6],
  [0xf0000, 0x10ffff],
];

/** Strings of awkward pieces and random characters of every length of UTF-8. */
function randomStrings(count: number, seed: number): string[] {
  const random = seeded(seed);
  const pieces = Object.values(CORPUS).flatMap((text) => text.match(/\S{1,4}|\s{1,3}/gu) ?? []);
  const character = (): string => {
    const [from, to] = SETTLED[random.below(SETTLED.length)]!;
    return String.fromCodePoint(from + random.below(to - from + 1));
  };
  const piece = (): string => (random.next() < 0.8 ? pieces[random.below(pieces.length)]! : character());
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.below(40) }, piece)
      .join('')
      .toWellFormed(),
  );
}

interface Vocabulary {
  path: string;
  tokenizer: Tokenizer;
}

/** `exactText`: native decodes as we do. */
async function compare(
  { path, tokenizer }: Vocabulary,
  texts: readonly string[],
  exactText = true,
): Promise<void> {
  await withNativeTokenizer(path, (native) => {
    for (const text of texts) {
      for (const parseSpecial of [false, true]) {
        const ids = tokenizer.encode(text, { parseSpecial });
        expect(ids, JSON.stringify(text)).toEqual(native.tokenize(text, parseSpecial));
        if (exactText) expect(tokenizer.detokenize(ids)).toBe(native.detokenize(ids, true));
      }
    }
  });
}

async function record({ name, path, golden }: RealVocabulary): Promise<void> {
  await withNativeTokenizer(path, (native) => {
    const rows = Object.entries(CORPUS).map(([title, text]) => {
      const ids = { plain: native.tokenize(text, false), special: native.tokenize(text, true) };
      return `  ${JSON.stringify(title)}: ${JSON.stringify(ids)}`;
    });
    writeFileSync(golden, `{\n${rows.join(',\n')}\n}\n`);
  });
  console.info(`${name}: recorded`);
}

/** Strings for each vocabulary; more of them by STRINGS=5000 in the environment. */
const STRINGS = Number(process.env['STRINGS'] ?? 400);

describe.skipIf(!hasNative).each(REAL_VOCABULARIES)(
  `the real vocabulary of $name (${nativeNote})`,
  (real) => {
    test.skipIf(!real.isHere)('gives the corpus and random strings the ids of native llama.cpp', async () => {
      if (process.env['RECORD']) await record(real);
      const tokenizer = createTokenizer(real.readHeader());
      const texts = [...Object.values(CORPUS), ...randomStrings(STRINGS, 11)];
      await compare({ path: real.path, tokenizer }, texts);
    });
  },
);

describe.skipIf(!hasNative)(`a vocabulary trained on the corpus (${nativeNote})`, () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const checksums: Record<string, Record<string, string>> = {};
  const texts = [...Object.values(CORPUS), ...randomStrings(STRINGS, 12)];
  /** In decoding, native drops spaces that it takes for superfluous where the pre-tokenizer is one of these. */
  const cleaning = ['gpt-2', 'llama-bpe', 'smaug-bpe', 'falcon', 'default'];

  test.each(Object.keys(TRAINED))('%s: native ids', async (name) => {
    const bytes = trainedGguf(TRAINED[name]!());
    const path = join(folder, 'trained.gguf');
    writeFileSync(path, bytes);
    const tokenizer = createTokenizer(readGgufHeader(bytes));
    await compare({ path, tokenizer }, texts, !cleaning.includes(name));
    // What is recorded was just seen to be native's.
    if (process.env['RECORD']) checksums[name] = corpusChecksums(tokenizer);
  });

  test.runIf(process.env['RECORD'])('is recorded', () => {
    writeFileSync(trainedGolden, JSON.stringify(checksums));
  });
});
