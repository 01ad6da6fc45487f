/**
 * Text to tokens and back, token for token as llama.cpp does it for the same file: byte-level BPE
 * (`tokenizer.ggml.model` "gpt2") and SentencePiece ("llama"). Special tokens are found in text only when asked for
 * (`parseSpecial`), so what a user types never becomes one by accident.
 *
 * Vocabulary, special tokens, cutting into words and merging are files of their own; this one joins them.
 */
import { SelvedgeError } from '../errors.ts';
import { bytesOfLetters } from './byte-letters.ts';
import { BytePairs } from './byte-pairs.ts';
import type { GgufHeader } from './gguf.ts';
import { Metadata, needed } from './metadata.ts';
import { createPreTokenizer } from './pre-tokenizer.ts';
import { byteOfName, bytesOfPiece, SentencePieces } from './sentence-pieces.ts';
import { SpecialTokens } from './special-tokens.ts';
import { readVocabulary, type Vocabulary, type Writing } from './vocabulary.ts';

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /**
   * The model wants `bosId` before every prompt; `encode` does not add it. What the file says of an end token after
   * prompts is not followed: here prompts are there to be continued.
   */
  readonly addBos: boolean;
  /** Any of them ends an answer. */
  readonly endTokens: ReadonlySet<number>;
  /** What `parseSpecial` finds. */
  readonly specials: SpecialTokens;
  /** Throws `invalid_request` for a lone surrogate, naming its index. */
  encode(text: string, options: { parseSpecial: boolean }): number[];
  /** Texts between special tokens, which are given by id; none is looked for in the texts. */
  encodeParts(parts: readonly (number | string)[]): number[];
  /** Bytes that are not UTF-8 become U+FFFD. Control tokens are left out unless `special`. */
  decode(ids: Iterable<number>, options?: { special?: boolean }): string;
  /** The text that `encode` made the ids of: `decode`, special tokens by name, without the space that was put first. */
  detokenize(ids: readonly number[]): string;
  /** May be part of a character. Of a control token: its name. */
  tokenBytes(id: number): Uint8Array;
  isControl(id: number): boolean;
  /** `tokenBytes` as text. */
  pieceText(id: number): string;
}

/** What the kinds of tokenizers differ in. */
interface Kind {
  writing: Writing;
  create(metadata: Metadata, vocabulary: Vocabulary): TextEncoding;
}

interface TextEncoding {
  /** The tokens of a text without special tokens. */
  encode(text: string): readonly number[];
  /** A space goes before each text at the beginning or after a special token. */
  addsSpace: boolean;
  /** Where the file does not say. */
  addsBos: boolean;
}

/** Words up to this length are remembered, this many of them. */
const CACHED_LENGTH = 48;
const CACHED_WORDS = 8192;

const KINDS: Readonly<Record<string, Kind>> = {
  gpt2: {
    writing: { bytesOfText: bytesOfLetters, byteOfName, defaults: {} },
    create(metadata, { ids, size }) {
      const { cut, ignoresMerges, addsBos } = createPreTokenizer(metadata.string('tokenizer.ggml.pre'));
      const merges = needed(metadata.strings('tokenizer.ggml.merges'), 'tokenizer.ggml.merges');
      const encodeWord = remembering(new BytePairs({ ids, vocabSize: size, merges, ignoresMerges }));
      return { encode: (text) => cut(text).flatMap(encodeWord), addsSpace: false, addsBos };
    },
  },
  llama: {
    writing: { bytesOfText: bytesOfPiece, byteOfName, defaults: { bos: 1, eos: 2, unknown: 0 } },
    create(metadata, { ids, size, unknownId }) {
      const scores = metadata.floats('tokenizer.ggml.scores') ?? new Float32Array(size);
      if (scores.length !== size) {
        throw new SelvedgeError(
          'invalid_model',
          `tokenizer.ggml.scores has ${scores.length} entries for ${size} tokens. The file was converted wrongly.`,
        );
      }
      const pieces = new SentencePieces({ ids, scores, unknownId });
      const addsSpace = metadata.boolean('tokenizer.ggml.add_space_prefix') ?? true;
      return { encode: (text) => pieces.encode(text), addsSpace, addsBos: true };
    },
  },
};

export function createTokenizer(header: GgufHeader): Tokenizer {
  const metadata = new Metadata(header.metadata);
  const kind = kindOf(metadata.string('tokenizer.ggml.model'));
  const vocabulary = readVocabulary(metadata, kind.writing);
  const { size, bosId, specials, bytes, isControl } = vocabulary;
  const { encode, addsSpace, addsBos } = kind.create(metadata, vocabulary);
  const addBos = metadata.boolean('tokenizer.ggml.add_bos_token') ?? addsBos;
  const alwaysFound = new SpecialTokens(specials.tokens.filter(({ always }) => always));

  const encodeParts: Tokenizer['encodeParts'] = (parts) => {
    const tokens: number[] = [];
    let isFirst = true;
    for (const part of parts) {
      if (typeof part === 'number') tokens.push(part);
      else for (const id of encode(addsSpace && isFirst ? ` ${part}` : part)) tokens.push(id);
      isFirst = typeof part === 'number';
    }
    return tokens;
  };
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
    bosId,
    eosId: vocabulary.eosId,
    addBos: addBos && bosId !== undefined,
    endTokens: vocabulary.endTokens,
    specials,
    encode: (text, { parseSpecial }) => {
      refuseLoneSurrogate(text, 'The text');
      return encodeParts((parseSpecial ? specials : alwaysFound).split(text));
    },
    encodeParts,
    decode,
    detokenize: (ids) => {
      const text = decode(ids, { special: true });
      return addsSpace && text.startsWith(' ') ? text.slice(1) : text;
    },
    tokenBytes: bytes,
    isControl,
    pieceText: (id) => decode([id], { special: true }),
  };
}

function kindOf(model: string | undefined): Kind {
  const kind = model !== undefined && Object.hasOwn(KINDS, model) ? KINDS[model] : undefined;
  if (kind) return kind;
  throw new SelvedgeError(
    'unsupported_model',
    `The file's tokenizer (tokenizer.ggml.model) is ${model ?? 'not stated'}; ` +
      `supported: ${Object.keys(KINDS).join(', ')}.`,
  );
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
