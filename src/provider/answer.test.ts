import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatCompletionChunk } from '../client/types.ts';
import { createAnswer, Diverged } from './answer.ts';
import type { Answer } from './answer.ts';
import { readChunk } from './cloud-chunk.ts';
import type { WireChunk } from './cloud-chunk.ts';

function begin(choiceCount = 1): Answer {
  const fallback = { id: 'own', created: 1, model: 'm', fingerprint: 'f' };
  return createAnswer({ choiceCount, fallback });
}

function wire(delta: object, finish: string | null = null, index = 0): WireChunk {
  return readChunk(JSON.stringify({ choices: [{ index, delta, finish_reason: finish }] })) as WireChunk;
}

function textOf(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? '')).join('');
}

describe('an answer', () => {
  it('never hands out half a character, however the endpoint cuts its text', () => {
    const texts = fc.string({ unit: 'binary', minLength: 1 });
    const cuts = fc.array(fc.nat({ max: 3 }), { minLength: 1 });
    fc.assert(
      fc.property(texts, cuts, (text, lengths) => {
        const answer = begin();
        const chunks: ChatCompletionChunk[] = [];
        for (let at = 0, i = 0; at < text.length; i++) {
          const to = at + 1 + lengths[i % lengths.length]!;
          chunks.push(...answer.feed(wire({ content: text.slice(at, to) })));
          at = to;
        }
        chunks.push(...answer.feed(wire({}, 'stop')));
        const pieces = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? ''));
        expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
        expect(pieces.join('')).toBe(text);
        expect(answer.text).toBe(text);
      }),
    );
  });

  it('that ends with half a character says so by a replacement', () => {
    const answer = begin();
    const chunks = [...answer.feed(wire({ content: 'a\ud83d' })), ...answer.feed(wire({}, 'length'))];
    expect(textOf(chunks)).toBe('a\ufffd');
  });

  it('shows what was thought once: what the next answerer thinks behind a seam is dropped', () => {
    const answer = begin();
    const thought = answer.feed(wire({ reasoning_content: 'Let me' }));
    answer.beginPart({ prefix: '', tail: '', isTailOptional: false });
    const more = [
      ...answer.feed(wire({ reasoning: 'Hm.' })),
      ...answer.feed(wire({ content: 'Yes.' }, 'stop')),
    ];
    const deltas = [...thought, ...more].flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas).toEqual([
      { role: 'assistant', content: '' },
      { reasoning_content: 'Let me' },
      { content: 'Yes.' },
      {},
    ]);
  });

  it('drops what it held when another attempt begins', () => {
    const answer = begin();
    expect(answer.feed(wire({ content: '\ud83d' }))).toEqual([]);
    expect(
      answer.feed(wire({ tool_calls: [{ index: 0, function: { name: 'f', arguments: '{' } }] })),
    ).toEqual([]);
    answer.beginPart({ prefix: '', tail: '', isTailOptional: false });
    const chunks = answer.feed(wire({ content: 'Yes.' }, 'stop'));
    expect(textOf(chunks)).toBe('Yes.');
    expect(chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []))).toEqual(
      [],
    );
  });

  it('that ends before it said again what was shown diverges', () => {
    const answer = begin();
    answer.feed(wire({ content: 'the lamp' }));
    answer.beginPart({ prefix: 'the', tail: ' lamp', isTailOptional: false });
    expect(answer.feed(wire({ content: ' la' }))).toEqual([]);
    expect(() => answer.feed(wire({}, 'stop'))).toThrow(Diverged);
  });

  it('has tool calls whole, with ids, before a finish that says so', () => {
    const answer = begin();
    const call = (index: number, id: string | undefined, text: string): WireChunk =>
      wire({ tool_calls: [{ index, id, function: { name: id && 'f', arguments: text } }] });
    for (const chunk of [call(0, 'a', '{"x"'), call(2, '', '{}'), call(0, undefined, ':1}')])
      expect(answer.feed(chunk)).toEqual([]);
    const chunks = answer.feed(wire({}, 'stop'));
    expect(chunks.map(({ choices: [choice] }) => [choice?.delta, choice?.finish_reason])).toEqual([
      [{ role: 'assistant', content: '' }, null],
      [
        {
          tool_calls: [
            { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
            { index: 1, id: 'call_0_1', type: 'function', function: { name: '', arguments: '{}' } },
          ],
        },
        null,
      ],
      [{}, 'tool_calls'],
    ]);
  });

  it('keeps its choices apart, each opened and finished once, and ignores what nobody asked for', () => {
    const answer = begin(2);
    const chunks = [
      wire({ content: 'a' }, null, 1),
      wire({ content: 'b' }, null, 0),
      wire({ content: 'c' }, null, 5),
      wire({ content: '!' }, 'stop', 1),
      wire({ content: '?' }, 'stop', 1),
    ].flatMap((chunk) => answer.feed(chunk));
    const of = (index: number): ChatCompletionChunk[] =>
      chunks.filter(({ choices }) => choices.some((choice) => choice.index === index));
    expect([textOf(of(0)), textOf(of(1)), of(5)]).toEqual(['b', 'a!', []]);
    expect(of(1).map(({ choices: [choice] }) => choice?.finish_reason)).toEqual([null, null, null, 'stop']);
    expect([answer.isFinished, answer.text]).toEqual([false, 'b']);
  });
});
