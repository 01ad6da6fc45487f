/**
 * Whether two models speak of the same tokens: what one calls token 17 the other does too, so that one can guess what
 * the other will say. Told from their headers alone, before weights are fetched.
 *
 * Which of the special tokens are control tokens, and which end an answer, is the target's to say and may differ. A
 * vocabulary may be padded with unused tokens.
 */
import { SelvedgeError } from '../errors.ts';
import type { GgufHeader } from './gguf.ts';
import { Metadata, needed } from './metadata.ts';
import { kindOfToken } from './vocabulary.ts';

/** The names of the two, for errors. */
export interface Pair {
  target: string;
  draft: string;
}

/** Throws `invalid_request` with the first difference. Returns how many tokens both have, from the first on. */
export function requireSameTokens(target: GgufHeader, draft: GgufHeader, names: Pair): number {
  const [a, b] = [readTokens(target), readTokens(draft)];
  const most = Math.max(a.texts.length, b.texts.length);
  for (let id = 0; id < most; id++) {
    const [ofTarget, ofDraft] = [tokenAt(a, id), tokenAt(b, id)];
    if (!isSame(ofTarget, ofDraft)) throw differentToken(id, ofTarget, ofDraft, names);
  }
  const shared = Math.min(a.texts.length, b.texts.length);
  const stringOf = (key: string) => (tokens: Tokens) => [tokens.metadata.string(key)];
  const merges = ({ metadata }: Tokens): string[] => metadata.strings('tokenizer.ggml.merges') ?? [];
  const scores = ({ metadata }: Tokens): ArrayLike<number> =>
    metadata.floats('tokenizer.ggml.scores')?.subarray(0, shared) ?? [];
  const requireEqual = (key: string, read: (tokens: Tokens) => ArrayLike<Item>): void =>
    requireEqualItems(key, read(a), read(b), names);
  requireEqual('tokenizer.ggml.model', stringOf('tokenizer.ggml.model'));
  requireEqual('tokenizer.ggml.pre', stringOf('tokenizer.ggml.pre'));
  requireEqual('tokenizer.ggml.merges', merges);
  requireEqual('tokenizer.ggml.scores', scores);
  return shared;
}

interface Tokens {
  metadata: Metadata;
  texts: readonly string[];
  /** Absent: all are text. */
  types: ArrayLike<number> | undefined;
}

function readTokens(header: GgufHeader): Tokens {
  const metadata = new Metadata(header.metadata);
  const texts = needed(metadata.strings('tokenizer.ggml.tokens'), 'tokenizer.ggml.tokens');
  return { metadata, texts, types: metadata.integers('tokenizer.ggml.token_type') };
}

/** Null: behind the end of the vocabulary. */
type Token = { text: string; kind: 'spelt' | 'byte' | 'literal' | 'unused' } | null;

function tokenAt({ texts, types }: Tokens, id: number): Token {
  const text = texts[id];
  return text === undefined ? null : { text, kind: kindOfToken(types?.[id]) };
}

/** What lies behind the end of a vocabulary is as good as unused. */
function isSame(a: Token, b: Token): boolean {
  if ((a?.kind ?? 'unused') === 'unused' && (b?.kind ?? 'unused') === 'unused') return true;
  return a?.text === b?.text && a?.kind === b?.kind;
}

type Item = string | number | undefined;

function requireEqualItems(key: string, target: ArrayLike<Item>, draft: ArrayLike<Item>, names: Pair): void {
  const most = Math.max(target.length, draft.length);
  for (let index = 0; index < most; index++) {
    const [a, b] = [target[index], draft[index]];
    if (a === b) continue;
    throw different(
      `${key}${most > 1 ? ` at ${index}` : ''} is ${show(a)} in the model '${names.target}' and ${show(b)} in its ` +
        `draft '${names.draft}'`,
      { entry: key, index, target: a ?? null, draft: b ?? null },
    );
  }
}

function differentToken(id: number, target: Token, draft: Token, names: Pair): SelvedgeError {
  const tell = (token: Token): string => (token ? `${show(token.text)} (${token.kind})` : 'missing');
  return different(
    `Token ${id} is ${tell(target)} in the model '${names.target}' and ${tell(draft)} in its draft '${names.draft}'`,
    { token: id, target: target?.text ?? null, draft: draft?.text ?? null },
  );
}

function different(what: string, details: Record<string, string | number | null>): SelvedgeError {
  return new SelvedgeError(
    'invalid_request',
    `${what}. A draft needs the tokenizer of its model: choose a smaller model of the same family, or leave it out.`,
    { details: { param: 'draft', ...details } },
  );
}

function show(value: Item): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80);
}
