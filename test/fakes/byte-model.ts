/**
 * A `LoadedModel` over the table session: one token for each byte, two control tokens, a few tokens of several
 * bytes, ChatML. What it answers is a function of the prompt's text, so tests say what they expect in words.
 */
import type { LoadedModel } from '../../src/engine/loaded-model.ts';
import { TextStream } from '../../src/model/text-stream.ts';
import { SpecialTokens } from '../../src/model/special-tokens.ts';
import type { Tokenizer } from '../../src/model/tokenizer.ts';
import { certain, createTableSession, noise } from './table-session.ts';
import type { TableOptions, TableSession } from './table-session.ts';

export const START = 256;
export const END = 257;
/** Tokens of several bytes; their ids follow the control tokens'. */
const WORDS = ['hello', ' world', 'ab', '\u{1F600}', '<<', '>>'];
const FIRST_WORD = 258;
export const VOCAB_SIZE = FIRST_WORD + WORDS.length;

const utf8 = new TextEncoder();

export interface ByteModelOptions extends Omit<TableOptions, 'vocabSize' | 'logits'> {
  /** The answer's tokens for a rendered prompt. Default: noise that never ends by itself. */
  answer?: (prompt: string) => number[];
  id?: string;
  /** It thinks, and its prompts end with the opening tag or not. */
  thinks?: { promptOpens: boolean };
}

export interface ByteModel extends LoadedModel {
  session: TableSession;
}

export function createByteModel({
  answer,
  id = 'byte-model',
  thinks,
  ...table
}: ByteModelOptions = {}): ByteModel {
  const tokenizer = createByteTokenizer();
  const session = createTableSession({
    ...table,
    vocabSize: VOCAB_SIZE,
    logits: answer ? (ids) => certain(nextOf(ids, answer, tokenizer), VOCAB_SIZE) : endlessNoise,
  });
  return {
    info: {
      id,
      architecture: 'table',
      quantisation: 'F32',
      parameterCount: 0,
      vocabSize: VOCAB_SIZE,
      trainedContextLength: 1024,
      byteLength: 0,
      origin: 'local-file',
      isKept: true,
      identity: '00',
      chatTemplate: 'file',
    },
    session,
    placement: { adapter: null, why: 'A table runs anywhere.' },
    kvIdentity: id,
    endTokens: tokenizer.endTokens,
    encode: (text, options) => tokenizer.encode(text, options),
    encodePrompt: (text) => tokenizer.encode(text, { parseSpecial: true }),
    decode: (ids) => tokenizer.decode(ids, { special: true }),
    tokenBytes: (token) => tokenizer.tokenBytes(token),
    reasoning: thinks && { open: '<think>', close: '</think>', ids: new Set() },
    renderChat: (messages, _variables, beginning = '') => [
      ...messages.flatMap(({ role, content }) => [START, ...textIds(`${role}\n${content}`), END, 10]),
      START,
      ...textIds(`assistant\n${thinks?.promptOpens ? '<think>\n' : ''}${beginning}`),
    ],
    openTextStream: (named) => new TextStream(tokenizer, { named }),
  };
}

function endlessNoise(ids: readonly number[]): Float32Array {
  return noise(ids, VOCAB_SIZE).fill(-Infinity, START, FIRST_WORD);
}

/** The tokens of an answer that is plain text: a token for each byte, then the end. */
export function textIds(text: string): number[] {
  return [...utf8.encode(text)];
}

export function wordId(word: string): number {
  const at = WORDS.indexOf(word);
  if (at < 0) throw new Error(`'${word}' is no token of the byte model`);
  return FIRST_WORD + at;
}

/** An answer never holds the start token, so the prompt ends behind the last one's line (or is all, for raw text). */
function nextOf(ids: readonly number[], answer: (prompt: string) => number[], tokenizer: Tokenizer): number {
  const start = ids.lastIndexOf(START);
  const promptEnd = start < 0 ? ids.indexOf(0x7c) + 1 : ids.indexOf(10, start) + 1;
  const prompt = tokenizer.decode(ids.slice(0, promptEnd), { special: true });
  const tokens = answer(prompt);
  return tokens[ids.length - promptEnd] ?? END;
}

function createByteTokenizer(): Tokenizer {
  const names = new Map([
    [START, '<|im_start|>'],
    [END, '<|im_end|>'],
  ]);
  const bytesOf = (id: number): Uint8Array =>
    id < START ? Uint8Array.of(id) : utf8.encode(names.get(id) ?? WORDS[id - FIRST_WORD] ?? '');
  const isControl = (id: number): boolean => names.has(id);
  const decode: Tokenizer['decode'] = (ids, { special = false } = {}) => {
    const shown = [...ids].filter((id) => special || !isControl(id));
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(
      Uint8Array.from(shown.flatMap((id) => [...bytesOf(id)])),
    );
  };
  const specials = new SpecialTokens(
    [...names].map(([id, text]) => ({ id, text, always: false, strips: false })),
  );
  const encodeParts: Tokenizer['encodeParts'] = (parts) =>
    parts.flatMap((part) => (typeof part === 'number' ? [part] : textIds(part)));
  return {
    vocabSize: VOCAB_SIZE,
    bosId: undefined,
    eosId: END,
    addBos: false,
    endTokens: new Set([END]),
    specials,
    encode: (text, { parseSpecial }) => encodeParts(parseSpecial ? specials.split(text) : [text]),
    encodeParts,
    decode,
    detokenize: (ids) => decode(ids, { special: true }),
    tokenBytes: bytesOf,
    isControl,
    pieceText: (id) => decode([id], { special: true }),
  };
}
