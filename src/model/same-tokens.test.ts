import { expect, test } from 'vitest';
import { tinyParts } from '../../test/models/tiny-gguf.ts';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import type { Entry } from '../../test/models/gguf-writer.ts';
import { GgufHeaderReader } from './gguf.ts';
import type { GgufHeader } from './gguf.ts';
import { requireSameTokens } from './same-tokens.ts';

type Metadata = Record<string, Entry>;

/** The header of a tiny model, its metadata changed. */
function header(
  change: (metadata: Metadata, tokens: string[], types: number[]) => void = () => {},
): GgufHeader {
  const { metadata, tensors } = tinyParts();
  const tokens = [...(metadata['tokenizer.ggml.tokens'] as { strings: string[] }).strings];
  const types = [...(metadata['tokenizer.ggml.token_type'] as { i32s: number[] }).i32s];
  metadata['tokenizer.ggml.tokens'] = { strings: tokens };
  metadata['tokenizer.ggml.token_type'] = { i32s: types };
  change(metadata, tokens, types);
  const bytes = writeGguf(metadata, tensors);
  return new GgufHeaderReader(bytes.length).push(bytes)!;
}

const SIZE = 320;
const NAMES = { target: 'big', draft: 'small' };
const check = (target: GgufHeader, draft: GgufHeader): number => requireSameTokens(target, draft, NAMES);

const pad =
  (count: number, name = 'PAD') =>
  (_: Metadata, tokens: string[], types: number[]) => {
    for (let i = 0; i < count; i++) {
      tokens.push(`[${name}${tokens.length}]`);
      types.push(5);
    }
  };

const refusal = (details: Record<string, unknown>): object =>
  expect.objectContaining({ code: 'invalid_request', details: { param: 'draft', ...details } });

test('models of one vocabulary share all of it', () => {
  expect(check(header(), header())).toBe(SIZE);
});

test('padding at the end makes no difference, whatever it is called', () => {
  expect(check(header(), header(pad(7)))).toBe(SIZE);
  expect(check(header(pad(7)), header())).toBe(SIZE);
  expect(check(header(pad(7)), header(pad(3, 'dummy')))).toBe(SIZE + 3);
});

test('the first token that differs is named with both texts', () => {
  const other = header((_, tokens) => {
    tokens[97] = 'first';
    tokens[200] = 'second';
  });
  expect(() => check(header(), other)).toThrow(refusal({ token: 97, target: 'a', draft: 'first' }));
  expect(() => check(other, header())).toThrow(refusal({ token: 97, target: 'first', draft: 'a' }));
  expect(() => check(header(), other)).toThrow(
    `Token 97 is "a" (spelt) in the model 'big' and "first" (spelt) in its draft 'small'`,
  );
});

test('a token that only one of them has is a difference, unless it is unused', () => {
  const longer = header((_, tokens, types) => {
    pad(2)(_, tokens, types);
    tokens.push('<|tool|>');
    types.push(4);
  });
  expect(() => check(header(), longer)).toThrow(
    refusal({ token: SIZE + 2, target: null, draft: '<|tool|>' }),
  );
  expect(() => check(longer, header())).toThrow(
    refusal({ token: SIZE + 2, target: '<|tool|>', draft: null }),
  );
  expect(() => check(longer, header(pad(5)))).toThrow(
    refusal({ token: SIZE + 2, target: '<|tool|>', draft: `[PAD${SIZE + 2}]` }),
  );
});

test('special tokens may be of another kind, but not text', () => {
  const kind = (type: number): GgufHeader => header((_, _tokens, types) => (types[SIZE - 1] = type));
  expect(check(kind(3), kind(4))).toBe(SIZE);
  expect(() => check(kind(3), kind(1))).toThrow(
    refusal({ token: SIZE - 1, target: expect.any(String), draft: expect.any(String) }),
  );
  expect(() => check(kind(3), kind(1))).toThrow(/\(literal\).*\(spelt\)/);
});

test('which token ends an answer may differ', () => {
  expect(
    check(
      header(),
      header((metadata) => (metadata['tokenizer.ggml.eos_token_id'] = { u32: 3 })),
    ),
  ).toBe(SIZE);
});

test('a file without types has text only', () => {
  const texts = header((_, _tokens, types) => types.fill(1));
  const untyped = header((metadata) => delete metadata['tokenizer.ggml.token_type']);
  expect(check(texts, untyped)).toBe(SIZE);
});

test('texts cut or merged otherwise are a difference', () => {
  const cut = header((metadata) => (metadata['tokenizer.ggml.pre'] = { string: 'qwen2' }));
  expect(() => check(header(), cut)).toThrow(
    refusal({ entry: 'tokenizer.ggml.pre', index: 0, target: 'smollm', draft: 'qwen2' }),
  );
  const merged = header((metadata) => {
    const { strings } = metadata['tokenizer.ggml.merges'] as { strings: string[] };
    metadata['tokenizer.ggml.merges'] = { strings: [strings[1]!, strings[0]!, ...strings.slice(2)] };
  });
  expect(() => check(header(), merged)).toThrow(
    refusal({ entry: 'tokenizer.ggml.merges', index: 0, target: 'Ġ e', draft: 'Ġ t' }),
  );
});

test('scores of sentence pieces have to be the same, those of padding aside', () => {
  const scored = (last: number, padding: number): GgufHeader =>
    header((metadata, tokens, types) => {
      pad(padding)(metadata, tokens, types);
      metadata['tokenizer.ggml.scores'] = { f32s: tokens.map((_, id) => (id === SIZE - 1 ? last : -id)) };
    });
  expect(check(scored(-1, 0), scored(-1, 4))).toBe(SIZE);
  expect(() => check(scored(-1, 0), scored(-2, 0))).toThrow(
    refusal({ entry: 'tokenizer.ggml.scores', index: SIZE - 1, target: -1, draft: -2 }),
  );
});
