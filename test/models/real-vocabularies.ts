/**
 * The real model files whose vocabularies tests know, with the ids that native llama.cpp gives the corpus (written by
 * test/native/tokenizer.test.ts with RECORD=1). A file that is not on this machine is skipped: `npm run models`.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GgufHeaderReader, type GgufHeader } from '../../src/model/gguf.ts';
import { realModelPath } from './real-model.ts';

export interface RealVocabulary {
  /** What it is, and whether it is here. */
  name: string;
  path: string;
  isHere: boolean;
  /** Path of the golden ids. */
  golden: string;
  readHeader(): GgufHeader;
}

/** Enough for the largest header among them, which has 262,144 tokens. */
const HEADER_BYTES = 24 << 20;

function vocabulary(file: string, golden: string): RealVocabulary {
  const path = join(dirname(realModelPath), file);
  const isHere = existsSync(path);
  return {
    name: isHere ? file : `${file}, which is not in the model cache: skipped`,
    path,
    isHere,
    golden: fileURLToPath(new URL(golden, import.meta.url)),
    readHeader: () => {
      const reader = new GgufHeaderReader(statSync(path).size);
      return reader.push(readBeginning(path, HEADER_BYTES)) ?? reader.end();
    },
  };
}

function readBeginning(path: string, byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

export const REAL_VOCABULARIES: readonly RealVocabulary[] = [
  vocabulary('smollm2-135m-instruct-q4_1.gguf', 'golden-tokens.json'),
  vocabulary('qwen2.5-coder-0.5b-instruct-q4_k_m.gguf', 'golden-tokens-qwen2.json'),
  vocabulary('gemma-3-270m-q4_k_m.gguf', 'golden-tokens-gemma3.json'),
];
