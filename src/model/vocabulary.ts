/**
 * The tokens of a model: texts, kinds, the special ones and those that end an answer, read from the metadata by
 * the rules of llama.cpp. Some files mark ends wrongly or not at all, so well-known texts count as ends too.
 */
import { SelvedgeError } from '../errors.ts';
import { needed, type Metadata } from './metadata.ts';
import { SpecialTokens, type SpecialToken } from './special-tokens.ts';

/** `tokenizer.ggml.token_type`. */
const UNDEFINED = 0;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;
const BYTE = 6;

const END_TEXTS: readonly string[] = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '<｜end▁of▁sentence｜>',
  '[e~[',
];
/** Padding, repository name and file separator of fill-in-the-middle models: one of each counts as an end. */
const FILL_TEXTS: readonly (readonly [key: string, texts: readonly string[]])[] = [
  ['fim_pad', ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]']],
  ['fim_rep', ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>']],
  ['fim_sep', ['<|file_sep|>']],
];

/** Around the pieces of a text with a gap: known marks, whatever the file says. */
const MARK_TEXTS: readonly string[] = ['prefix', 'suffix', 'middle'].flatMap((part) => [
  `<|fim_${part}|>`,
  `<fim-${part}>`,
  `<fim_${part}>`,
]);

const KNOWN_TEXTS: ReadonlySet<string> = new Set([...END_TEXTS, ...FILL_TEXTS.flatMap(([, texts]) => texts)]);

/** How a token's text is to be read; undefined is a file that says nothing of its types. */
export function kindOfToken(type: number | undefined): 'spelt' | 'byte' | 'literal' | 'unused' {
  switch (type) {
    case CONTROL:
    case UNKNOWN:
    case USER_DEFINED:
      return 'literal';
    case BYTE:
      return 'byte';
    case UNUSED:
    case UNDEFINED:
      return 'unused';
    default:
      return 'spelt';
  }
}

export interface Vocabulary {
  size: number;
  /** Token by text; of equal texts the last. */
  ids: ReadonlyMap<string, number>;
  bosId: number | undefined;
  eosId: number | undefined;
  unknownId: number | undefined;
  endTokens: ReadonlySet<number>;
  /** Control, unknown and user-defined tokens. */
  specials: SpecialTokens;
  /** The text of a token as it stands in the file. */
  text(id: number): string;
  /** Control and unknown tokens: no part of the text. */
  isControl(id: number): boolean;
  /** The UTF-8 of a token. */
  bytes(id: number): Uint8Array;
}

/** How the kinds of tokenizers write bytes and name what the file leaves out. */
export interface Writing {
  /** The bytes of a token that is text. */
  bytesOfText(text: string): Uint8Array;
  /** The byte that the name of a byte token stands for. */
  byteOfName(name: string): number;
  defaults: Readonly<Partial<Record<'bos' | 'eos' | 'unknown', number>>>;
}

const encoder = new TextEncoder();

export function readVocabulary(metadata: Metadata, writing: Writing): Vocabulary {
  const texts = needed(metadata.strings('tokenizer.ggml.tokens'), 'tokenizer.ggml.tokens');
  const ids = new Map(texts.map((text, id) => [text, id]));
  const types = readTypes(metadata, texts.length);
  const specialId = (name: string): number | undefined =>
    readSpecialId(metadata, name, texts.length) ?? defaultId(writing, name, texts.length);
  const endTokens = findEnds(ids, specialId);
  // A known end is never text, whatever the file says.
  for (const id of endTokens) if (KNOWN_TEXTS.has(texts[id]!)) types[id] = CONTROL;
  for (const text of MARK_TEXTS) {
    const id = ids.get(text);
    if (id !== undefined) types[id] = CONTROL;
  }
  const isControl = (id: number): boolean => types[id] === CONTROL || types[id] === UNKNOWN;
  const text = (id: number): string => {
    const found = texts[id];
    if (found !== undefined) return found;
    throw new SelvedgeError(
      'invalid_request',
      `There is no token ${id}; ids go from 0 to ${texts.length - 1}.`,
    );
  };
  return {
    size: texts.length,
    ids,
    bosId: specialId('bos'),
    eosId: specialId('eos'),
    unknownId: specialId('unknown'),
    endTokens,
    specials: new SpecialTokens(findSpecials(texts, types, stripsSpace(metadata, texts))),
    text,
    isControl,
    bytes: (id) => {
      switch (kindOfToken(types[id])) {
        case 'literal':
          return encoder.encode(text(id));
        case 'byte':
          return Uint8Array.of(writing.byteOfName(text(id)));
        case 'unused':
          return new Uint8Array();
        case 'spelt':
          return writing.bytesOfText(text(id));
      }
    },
  };
}

/**
 * Phi-3's special tokens, but for three, swallow white space after them. Files do not say so; llama.cpp knows it by
 * the model's name.
 */
function stripsSpace(metadata: Metadata, texts: readonly string[]): (id: number) => boolean {
  const isPhi3 = /phi-?3/i.test(metadata.string('general.name') ?? '');
  const without: readonly string[] = ['<unk>', '<s>', '<|endoftext|>'];
  return (id) => isPhi3 && !without.includes(texts[id]!);
}

function readTypes(metadata: Metadata, size: number): Int32Array {
  const key = 'tokenizer.ggml.token_type';
  const types = metadata.integers(key);
  if (types && types.length !== size) {
    throw new SelvedgeError(
      'invalid_model',
      `${key} has ${types.length} entries for ${size} tokens. The file was converted wrongly.`,
    );
  }
  return Int32Array.from(types ?? new Int32Array(size).fill(1));
}

function readSpecialId(metadata: Metadata, name: string, size: number): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const id = metadata.count(key, 0);
  if (id === undefined || id < size) return id;
  throw new SelvedgeError(
    'invalid_model',
    `${key} is ${id}, but there are ${size} tokens. The file was converted wrongly.`,
  );
}

function defaultId({ defaults }: Writing, name: string, size: number): number | undefined {
  const id = (defaults as Readonly<Record<string, number | undefined>>)[name];
  return id !== undefined && id < size ? id : undefined;
}

function findEnds(
  ids: ReadonlyMap<string, number>,
  specialId: (name: string) => number | undefined,
): Set<number> {
  const fills = FILL_TEXTS.map(
    ([key, texts]) => specialId(key) ?? texts.map((text) => ids.get(text)).find((id) => id !== undefined),
  );
  const stated = ['eos', 'eot', 'eom'].map(specialId);
  const known = END_TEXTS.map((text) => ids.get(text));
  const ends = new Set([...stated, ...known, ...fills].filter((id) => id !== undefined));
  // Where there are finer ends, these two stand inside an answer.
  const has = (...texts: string[]): boolean => texts.every((text) => ends.has(ids.get(text) ?? -1));
  const calls = has('<|call|>') || has('<|calls|>');
  if (calls && (has('<|return|>') || has('<|flush|>'))) ends.delete(ids.get('<|end|>') ?? -1);
  if (has('<|tool_response>')) ends.delete(ids.get('</s>') ?? -1);
  return ends;
}

function findSpecials(
  texts: readonly string[],
  types: Int32Array,
  strips: (id: number) => boolean,
): SpecialToken[] {
  const specials: SpecialToken[] = [];
  types.forEach((type, id) => {
    const text = texts[id]!;
    if (text === '' || kindOfToken(type) !== 'literal') return;
    specials.push({ id, text, always: type === USER_DEFINED, strips: strips(id) });
  });
  return specials;
}
