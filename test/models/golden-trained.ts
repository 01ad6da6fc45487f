/**
 * Golden ids of the trained vocabularies as checksums, one for each text of the corpus: the ids themselves would be
 * a megabyte, and where one differs test/native/tokenizer.test.ts shows how.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Tokenizer } from '../../src/model/tokenizer.ts';
import { CORPUS } from './corpus.ts';

export const trainedGolden = fileURLToPath(new URL('golden-tokens-trained.json', import.meta.url));

/** By the text's name: of its ids without special tokens, then with them. */
export function corpusChecksums(tokenizer: Tokenizer): Record<string, string> {
  const checksum = (text: string): string => {
    const ids = [false, true].map((parseSpecial) => tokenizer.encode(text, { parseSpecial }));
    return createHash('sha256').update(JSON.stringify(ids)).digest('hex').slice(0, 12);
  };
  return Object.fromEntries(Object.entries(CORPUS).map(([name, text]) => [name, checksum(text)]));
}
