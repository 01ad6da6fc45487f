/**
 * Text to tokens and back, token for token as llama.cpp does it for the same file: byte-level BPE
 * (`tokenizer.ggml.model` "gpt2"). Special tokens are found in text only when asked for (`parseSpecial`), so
 * what a user types never becomes one by accident.
 *
 * Vocabulary, cutting into words and merging are files of their own; this one joins them and caches words.
 */
import { SelvedgeError } from '../errors.ts';
import { BytePairs } from './byte-pairs.ts';
import type { GgufHeader } from './gguf.ts';
import { Metadata, needed } from './metadata.ts';
import { createPreTokenizer } from './pre-tokenizer.ts';
import { readVocabulary, type SpecialToken } from './vocabulary.ts';

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** The model wants `bosId` before every prompt; `encode` does not add it. */
  readonly addBos: boolean;
  /** Any of them ends an answer. */
  readonly endTokens: ReadonlySet<number>;
  /** The texts that `parseSpecial` finds, longest first. */
  readonly specialTexts: readonly string[];
  /** Throws `invalid_request` for a lone surrogate, naming its index. */
  encode(text: string, options: { parseSpecial: boolean }): number[];
  /** Special tokens by id, and the texts between them, in order. */
  splitSpecial(text: string): (number | string)[];
  /** Bytes that are not UTF-8 become U+FFFD. Control tokens are left out unless `special`. */
  decode(ids: Iterable<number>, options?: { special?: boolean }): string;
  /** May be part of a character. Of a control token: its name. */
  tokenBytes(id: number): Uint8Array;
  isControl(id: number): boolean;
  /** `tokenBytes` as text. */
  pieceText(id: number): string;
}

/** Words up to this length are remembered, this many of them. */
const CACHED_LENGTH = 48;
const CACHED_WORDS = 8192;

export function createTokenizer(header: GgufHeader): Tokenizer {
  const metadata = new Metadata(header.metadata);
  const model = metadata.string('tokenizer.ggml.model');
  if (model !== 'gpt2') {
    throw new SelvedgeError(
      'unsupported_model',
      `The file's tokenizer (tokenizer.ggml.model) is ${model ?? 'not stated'}; supported: gpt2.`,
    );
  }
  const vocabulary = readVocabulary(metadata);
  const { ids, size, specials, bytes, isControl } = vocabulary;
  const cutIntoWords = createPreTokenizer(metadata.string('tokenizer.ggml.pre'));
  const merges = needed(metadata.strings('tokenizer.ggml.merges'), 'tokenizer.ggml.merges');
  const encodeWord = remembering(new BytePairs(ids, size, merges));
  const alwaysFound = specials.filter((special) => special.always);

  const decode: Tokenizer['decode'] = (tokens, { special = false } = {}) => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = '';
    for (const id of tokens) {
      if (special || !isControl(id)) text += decoder.decode(bytes(id), { stream: true });
    }
    return text + decoder.decode();
  };
  return {
    vocabSize: size,
    bosId: vocabulary.bosId,
    eosId: vocabulary.eosId,
    addBos: (metadata.boolean('tokenizer.ggml.add_bos_token') ?? false) && vocabulary.bosId !== undefined,
    endTokens: vocabulary.endTokens,
    specialTexts: specials.map((special) => special.text),
    encode: (text, { parseSpecial }) => {
      refuseLoneSurrogate(text, 'The text');
      const tokens: number[] = [];
      for (const part of split(text, parseSpecial ? specials : alwaysFound)) {
        if (typeof part === 'number') tokens.push(part);
        else for (const word of cutIntoWords(part)) for (const id of encodeWord(word)) tokens.push(id);
      }
      return tokens;
    },
    splitSpecial: (text) => split(text, specials),
    decode,
    tokenBytes: bytes,
    isControl,
    pieceText: (id) => decode([id], { special: true }),
  };
}

/** Such a string has no UTF-8. `what` names it in the error. */
export function refuseLoneSurrogate(text: string, what: string): void {
  const index = text.search(/\p{Surrogate}/u);
  if (index < 0) return;
  throw new SelvedgeError(
    'invalid_request',
    `${what} has half a surrogate pair at index ${index}. Cut strings between characters, or use toWellFormed().`,
    { details: { index } },
  );
}

/** One special token after the other cuts what the longer ones have left, as llama.cpp does. */
function split(text: string, specials: readonly SpecialToken[]): (number | string)[] {
  let parts: (number | string)[] = text === '' ? [] : [text];
  for (const special of specials) {
    if (!text.includes(special.text)) continue;
    parts = parts.flatMap((part) => (typeof part === 'number' ? part : splitAt(part, special)));
  }
  return parts;
}

function splitAt(text: string, { id, text: separator }: SpecialToken): (number | string)[] {
  return text
    .split(separator)
    .flatMap((piece, index) => [...(index > 0 ? [id] : []), ...(piece === '' ? [] : [piece])]);
}

/** When the memory is full it starts afresh: texts repeat words so much that no order of use is worth its cost. */
function remembering(pairs: BytePairs): (word: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  return (word) => {
    const remembered = known.get(word);
    if (remembered) return remembered;
    const tokens = pairs.encode(word);
    if (word.length > CACHED_LENGTH) return tokens;
    if (known.size >= CACHED_WORDS) known.clear();
    known.set(word, tokens);
    return tokens;
  };
}
