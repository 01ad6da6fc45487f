/**
 * Vocabularies trained on the corpus, for what a tokenizer is about: which pieces may merge. Nothing is cut into
 * words while pairs are counted, so tokens reach across every boundary that a pre-tokenizer may or may not draw:
 * letters and digits, signs and line ends, runs of spaces. Independent of the code it tests.
 */
import { CORPUS } from './corpus.ts';
import { writeGguf, type Entry } from './gguf-writer.ts';
import { tinyParts } from './tiny-gguf.ts';
import { byteLetters } from './tiny-vocabulary.ts';

const encoder = new TextEncoder();

/** Merges, the most frequent pair first; each is two pieces. */
function trainPairs(texts: readonly (readonly string[])[], count: number): [string, string][] {
  let sequences = texts;
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const sequence of sequences) {
      sequence.forEach((piece, at) => {
        const next = sequence[at + 1];
        if (next !== undefined) counts.set(`${piece} ${next}`, (counts.get(`${piece} ${next}`) ?? 0) + 1);
      });
    }
    const best = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), ['', 0]);
    const [left, right] = best[0].split(' ');
    if (left === undefined || right === undefined) break;
    merges.push([left, right]);
    sequences = sequences.map((sequence) => mergePair(sequence, left, right));
  }
  return merges;
}

function mergePair(sequence: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let at = 0; at < sequence.length; at++) {
    const isPair = sequence[at] === left && sequence[at + 1] === right;
    merged.push(isPair ? left + right : sequence[at]!);
    if (isPair) at++;
  }
  return merged;
}

/** Words that pre-tokenizers cut: their pieces merge in the end, so that only a cut keeps them apart. */
const WHOLE = [
  'capitals and joins',
  'contractions',
  'digits against letters',
  'line ends',
  'punctuation',
  'numbers',
].flatMap((name) => CORPUS[name]?.match(/\s*\S+/g) ?? []);

/** Long runs would fill the merges with themselves. */
const TEXTS = Object.entries(CORPUS).flatMap(([name, text]) => (name.startsWith('a run') ? [] : [text]));

interface Kinds {
  normal: readonly string[];
  control: readonly string[];
  userDefined: readonly string[];
  bytes?: readonly string[];
}

/** A text that training found and that is special is one token, the special one. */
function tokens({ normal, control, userDefined, bytes = [] }: Kinds): Record<string, Entry> {
  const special = new Set([...control, ...userDefined]);
  const kinds: [readonly string[], number][] = [
    [control, 3],
    [bytes, 6],
    [userDefined, 4],
    [normal.filter((text) => !special.has(text)), 1],
  ];
  return {
    'tokenizer.ggml.tokens': { strings: kinds.flatMap(([texts]) => texts) },
    'tokenizer.ggml.token_type': { i32s: kinds.flatMap(([texts, type]) => texts.map(() => type)) },
  };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const bytePairs = once(() => {
  const letters = byteLetters();
  const written = (text: string): string[] => Array.from(encoder.encode(text), (byte) => letters[byte]!);
  const frequent = trainPairs(TEXTS.map(written), 900);
  const whole = WHOLE.map(written).flatMap((text) => trainPairs([text], text.length));
  return [...new Map([...frequent, ...whole].map((pair) => [pair.join(' '), pair])).values()];
});

const sentencePieces = once(() => {
  const texts = TEXTS.map((text) => [...text.replaceAll(' ', '\u2581')]);
  return { characters: [...new Set(texts.flat())], pairs: trainPairs(texts, 700) };
});

/** Byte-level BPE for the pre-tokenizer `pre`. Every eighth merge is left out: its token can only be met as a word. */
function trainedBytePairs(pre: string): Record<string, Entry> {
  const pairs = bytePairs();
  const merged = new Set(pairs.map((pair) => pair.join('')));
  return {
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: pre },
    ...tokens({
      control: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
      normal: [...byteLetters(), ...merged],
      userDefined: ['<think>', '</think>', '   ', 'é🧵'],
    }),
    'tokenizer.ggml.merges': {
      strings: pairs.filter((_, rank) => rank % 8 !== 7).map((pair) => pair.join(' ')),
    },
    'tokenizer.ggml.bos_token_id': { u32: 1 },
    'tokenizer.ggml.eos_token_id': { u32: 2 },
  };
}

/** SentencePiece: characters of the corpus but not all, pieces of it with scores that repeat, and byte tokens. */
export function trainedSentencePieces(entries: Record<string, Entry> = {}): Record<string, Entry> {
  const { characters: all, pairs } = sentencePieces();
  const characters = all.filter((text, index) => index % 5 !== 4 || text === '\u2581');
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const control = ['<unk>', '<s>', '</s>', '<|user|>', '<|end|>', '<|endoftext|>'];
  const userDefined = ['<b>', '\n\n', '\n\n\n', '  ', '   '];
  const special = new Set([...control, ...userDefined]);
  const merged = [...new Set(pairs.map((pair) => pair.join('')))].filter((text) => !special.has(text));
  const normal = [...characters, ...merged];
  return {
    'tokenizer.ggml.model': { string: 'llama' },
    'tokenizer.ggml.pre': { string: 'default' },
    ...tokens({ control, bytes, normal, userDefined }),
    'tokenizer.ggml.scores': {
      f32s: [
        ...[...control, ...bytes].map(() => 0),
        ...userDefined.map(() => -1000),
        ...characters.map(() => -1e6),
        // Many have the same score: of those the leftmost pair goes first.
        ...merged.map((_, index) => -Math.floor(index / 40) / 7),
      ],
    },
    'tokenizer.ggml.bos_token_id': { u32: 1 },
    'tokenizer.ggml.eos_token_id': { u32: 2 },
    'tokenizer.ggml.unknown_token_id': { u32: 0 },
    ...entries,
  };
}

/** Each way of cutting and merging that has a trained vocabulary, by a name for tests and golden files. */
export const TRAINED: Readonly<Record<string, () => Record<string, Entry>>> = {
  ...Object.fromEntries(
    [
      'gpt-2',
      'smollm',
      'llama-bpe',
      'smaug-bpe',
      'qwen2',
      'gpt-4o',
      'tekken',
      'deepseek-llm',
      'deepseek-coder',
      'deepseek-v3',
      'falcon',
      'default',
    ].map((pre) => [pre, () => trainedBytePairs(pre)]),
  ),
  'sentence pieces': () => trainedSentencePieces(),
  'sentence pieces, no space first': () =>
    trainedSentencePieces({ 'tokenizer.ggml.add_space_prefix': { bool: false } }),
  'sentence pieces, special tokens swallow space': () =>
    trainedSentencePieces({ 'general.name': { string: 'Phi-3 tiny' } }),
};

/** A whole file with such a vocabulary, of the tiny model's tensors. */
export function trainedGguf(entries: Readonly<Record<string, Entry>>): Uint8Array {
  const { metadata, tensors } = tinyParts();
  const others = Object.entries(metadata).filter(([key]) => !key.startsWith('tokenizer.'));
  return writeGguf({ ...Object.fromEntries(others), ...entries }, tensors);
}
