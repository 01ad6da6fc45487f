/**
 * Our tokenizer against native llama.cpp's, live. With RECORD=1 in the environment the ids of the corpus are
 * written to test/models/golden-tokens.json (format it afterwards), which src/model/tokenizer.test.ts checks without native.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import { CORPUS } from '../models/corpus.ts';
import { writeGguf } from '../models/gguf-writer.ts';
import { seeded } from '../models/random.ts';
import { hasRealModel, readRealModel, realModelNote, realModelPath } from '../models/real-model.ts';
import { tinyParts } from '../models/tiny-gguf.ts';
import { hasNative, nativeNote, withNativeTokenizer } from './native-llama.ts';

const goldenFile = new URL('../models/golden-tokens.json', import.meta.url);

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

/** `exactText`: native decodes as we do. For some pre-tokenizers it drops spaces that it takes for superfluous. */
async function compare(
  path: string,
  tokenizer: Tokenizer,
  texts: readonly string[],
  exactText = true,
): Promise<void> {
  await withNativeTokenizer(path, (native) => {
    for (const text of texts) {
      for (const parseSpecial of [false, true]) {
        const ids = tokenizer.encode(text, { parseSpecial });
        expect(ids, JSON.stringify(text)).toEqual(native.tokenize(text, parseSpecial));
        if (exactText) expect(tokenizer.decode(ids, { special: true })).toBe(native.detokenize(ids, true));
      }
    }
  });
}

async function record(): Promise<void> {
  await withNativeTokenizer(realModelPath, (native) => {
    const rows = Object.entries(CORPUS).map(([name, text]) => {
      const ids = { plain: native.tokenize(text, false), special: native.tokenize(text, true) };
      return `  ${JSON.stringify(name)}: ${JSON.stringify(ids)}`;
    });
    writeFileSync(goldenFile, `{\n${rows.join(',\n')}\n}\n`);
  });
}

describe.skipIf(!hasNative || !hasRealModel)(`the real vocabulary (${nativeNote}; ${realModelNote})`, () => {
  const tokenizer = (): Tokenizer => createTokenizer(readGgufHeader(readRealModel()));

  test('gives the corpus the ids that native llama.cpp gives it', async () => {
    if (process.env['RECORD']) await record();
    await compare(realModelPath, tokenizer(), Object.values(CORPUS));
  });

  test('gives 2,000 random strings the same ids', async () => {
    await compare(realModelPath, tokenizer(), randomStrings(2000, 11));
  });
});

describe.skipIf(!hasNative)(`a tiny vocabulary (${nativeNote})`, () => {
  test.each(['smollm', 'gpt-2'])(
    'with the pre-tokenizer %s gives native ids, user-defined tokens included',
    async (pre) => {
      const folder = mkdtempSync(join(tmpdir(), 'selvedge-'));
      try {
        const { metadata, tensors } = tinyParts({ vocab: 1000 });
        metadata['tokenizer.ggml.pre'] = { string: pre };
        const types = metadata['tokenizer.ggml.token_type'];
        const tokens = metadata['tokenizer.ggml.tokens'];
        if (!types || !('i32s' in types) || !tokens || !('strings' in tokens))
          throw new Error('no token types');
        // Two merged tokens become user-defined: found in any text, the longer one first.
        const userDefined = ['th', 'Ġa'].map((text) => tokens.strings.indexOf(text));
        metadata['tokenizer.ggml.token_type'] = {
          i32s: types.i32s.map((type, id) => (userDefined.includes(id) ? 4 : type)),
        };
        const bytes = writeGguf(metadata, tensors);
        const path = join(folder, 'tiny.gguf');
        writeFileSync(path, bytes);
        const texts = [...Object.values(CORPUS), ...randomStrings(300, 12)];
        await compare(path, createTokenizer(readGgufHeader(bytes)), texts, pre === 'smollm');
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
