import { describe, expect, it } from 'vitest';
import { MalformedChunk, readChunk } from './cloud-chunk.ts';
import type { WireChunk } from './cloud-chunk.ts';

function choiceOf(choice: object): unknown {
  return (readChunk(JSON.stringify({ choices: [choice] })) as WireChunk).choices[0];
}

describe('a chunk', () => {
  it('of any dialect is read: absent and null fields, thoughts by either name, refusals', () => {
    const nothing = {
      index: 0,
      content: '',
      reasoning: '',
      toolCalls: [],
      logprobs: undefined,
      finish: undefined,
    };
    expect(choiceOf({})).toEqual(nothing);
    expect(choiceOf({ index: 0, delta: { content: null, tool_calls: null }, finish_reason: '' })).toEqual(
      nothing,
    );
    expect(choiceOf({ delta: { reasoning: 'Hm' } })).toMatchObject({ reasoning: 'Hm' });
    expect(choiceOf({ delta: { reasoning_content: 'Hm', reasoning: 'Hm' } })).toMatchObject({
      reasoning: 'Hm',
    });
    expect(choiceOf({ delta: { refusal: 'No.' } })).toMatchObject({ content: 'No.' });
    expect(readChunk('{"choices":[],"usage":null}')).toMatchObject({ choices: [], usage: undefined });
    expect(readChunk('{}')).toMatchObject({ choices: [] });
  });

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['tool_calls', 'tool_calls'],
    ['eos', 'stop'],
  ])('finishes with %s as %s', (theirs, ours) => {
    expect(choiceOf({ finish_reason: theirs })).toMatchObject({ finish: ours });
  });

  it.each([
    ['{"error":{"message":"x","code":503}}', 503],
    ['{"error":{"message":"x","code":"429"}}', 429],
    ['{"error":{"message":"x","status":400,"code":"bad"}}', 400],
    ['{"error":{"message":"x","code":"internal"}}', undefined],
    ['{"error":"x"}', undefined],
    ['{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}', undefined],
  ])('%s is an error', (data, status) => {
    expect(readChunk(data)).toEqual({ status });
  });

  it.each([
    'nonsense',
    '"text"',
    '[1]',
    '{"choices":{}}',
    '{"choices":["x"]}',
    '{"choices":[{"delta":{"content":5}}]}',
    '{"choices":[{"delta":"x"}]}',
    '{"choices":[{"index":-1}]}',
    '{"choices":[{"index":1e9}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":{}}}]}}]}',
    '{"choices":[],"usage":{"prompt_tokens":"many"}}',
  ])('%s is malformed', (data) => {
    expect(() => readChunk(data)).toThrow(MalformedChunk);
  });

  it('has logprobs with bytes, which are made from the token where they are missing', () => {
    const logprobs = {
      content: [{ token: 'é', logprob: -1, top_logprobs: [{ token: 'e', logprob: -2, bytes: [101] }] }],
    };
    expect(choiceOf({ delta: { content: 'é' }, logprobs })).toMatchObject({
      logprobs: {
        content: [
          {
            token: 'é',
            logprob: -1,
            bytes: [0xc3, 0xa9],
            top_logprobs: [{ token: 'e', logprob: -2, bytes: [101] }],
          },
        ],
        refusal: null,
      },
    });
  });
});
