/**
 * The fault matrix: each fault, at each place, under each plan of what may go on with a broken answer. Whatever happens, no
 * character is lost or doubled: the answer is whole, or it fails and says how far it came. Every fifth byte here; the
 * scorecard takes each.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scriptedReply, tokensOf } from '../../e2e/fixtures/cloud/scripted-model.mjs';
import type { Fault } from '../../e2e/fixtures/cloud/wire.mjs';
import {
  lossOf,
  MATRIX_TEXT,
  matrixRequest,
  PLANS,
  runMatrix,
  sentFor,
} from '../../test/fakes/cloud-matrix.ts';
import { saying } from '../../test/fakes/cloud-requests.ts';

const { byteCount, eventCount, firstTokenEnd, finishEnd } = sentFor(matrixRequest);

describe.each(PLANS)('no character is lost or doubled when %s goes on', (plan) => {
  it('wherever the connection is cut', async () => {
    for (let cut = 0; cut <= byteCount; cut += 5) {
      const run = await runMatrix(plan, [{ cut }]);
      expect(lossOf(plan, run)).toBeUndefined();
      const isInside = cut >= firstTokenEnd && cut < finishEnd;
      const hasSeam = run.events.some(({ type }) => type === 'seam');
      // Behind the first word: before that an answer may begin anew and say it again.
      const isBehindWord = isInside && cut > firstTokenEnd + 200;
      if (isBehindWord && plan === 'forbidden') expect(run.error).toBeDefined();
      else if (isBehindWord) expect(hasSeam).toBe(true);
      else if (!isInside) expect([run.error, hasSeam]).toEqual([undefined, false]);
      expect(new Set(run.chunks.map(({ id }) => id)).size).toBe(1);
      expect(run.chunks.filter(({ choices: [choice] }) => choice?.delta.role)).toHaveLength(1);
    }
  });

  it('wherever it stalls', async () => {
    for (let stall = 0; stall <= byteCount; stall += 17)
      expect(lossOf(plan, await runMatrix(plan, [{ stall }]))).toBeUndefined();
  });

  it('whichever event is malformed, an error, or comes twice', async () => {
    for (let event = 0; event < eventCount; event++) {
      for (const fault of [{ malformed: event }, { error: event }, { duplicate: event }])
        expect(lossOf(plan, await runMatrix(plan, [fault]))).toBeUndefined();
    }
  });
});

it('nor by any faults one after the other, in any text', async () => {
  const words = fc.constantFrom(
    'a',
    'Ünal',
    '🔦',
    ' ',
    '  ',
    '\n\n',
    '漢字',
    '{"a": 1}',
    'extraordinarily',
    '\u200d',
  );
  // What is longer than a seam goes back has no words to be joined at.
  const texts = fc
    .array(words, { minLength: 1, maxLength: 12 })
    .map((parts) => `x${parts.join('')}.`)
    .filter((text) => !/\S{32}/.test(text));
  const at = fc.nat({ max: 1500 });
  const fault: fc.Arbitrary<Fault> = fc.oneof(
    fc.record({ cut: at }),
    fc.record({ stall: at }),
    fc.record({ malformed: fc.nat({ max: 12 }) }),
    fc.record({ duplicate: fc.nat({ max: 12 }) }),
    fc.record({ error: fc.nat({ max: 12 }) }),
    fc.constantFrom(
      { hangUp: true as const },
      { status: 503 },
      { status: 429, headers: { 'retry-after': '2' } },
    ),
  );
  const runs = fc.asyncProperty(
    texts,
    fc.array(fault, { maxLength: 2 }),
    fc.constantFrom(...PLANS),
    async (text, faults, plan) => {
      expect(lossOf(plan, await runMatrix(plan, faults, saying(text)), text)).toBeUndefined();
    },
  );
  await fc.assert(runs, { numRuns: 120 });
});

it('a seam that is made badly would be seen: giving back just what was shown leads astray or doubles spaces', () => {
  const tokens = tokensOf(MATRIX_TEXT);
  const wrong = tokens.filter((_: string, i: number) => {
    const shown = tokens.slice(0, i).join('');
    const begun = { role: 'assistant' as const, content: shown };
    const reply = scriptedReply({
      messages: [...matrixRequest.messages, begun],
      continue_final_message: true,
    });
    return shown + reply.tokens.join('') !== MATRIX_TEXT;
  });
  expect(wrong.length).toBeGreaterThanOrEqual(2);
});

it('an answer that is cut again is whole after as many seams', async () => {
  const { text, events } = await runMatrix('prefix', [{ cut: 440 }, { cut: 600 }]);
  expect(text).toBe(MATRIX_TEXT);
  expect(events.filter(({ type }) => type === 'seam')).toHaveLength(2);
});

it('going on is tried again like beginning, until the breaker opens', async () => {
  const once = await runMatrix('prefix', [{ cut: 440 }, { hangUp: true }]);
  expect(once.text).toBe(MATRIX_TEXT);
  const twice = await runMatrix('prefix', [{ cut: 440 }, { hangUp: true }, { status: 500 }]);
  expect(twice.error).toMatchObject({ code: 'cloud_failed', details: { partial: twice.text } });
  expect(twice.requests).toBe(3);
  expect(twice.events).toContainEqual({ type: 'breaker-change', provider: 'near', state: 'open' });
});

it('bytes without a token are no sign of life: who sends too slowly is left', async () => {
  const { text, error, events } = await runMatrix('prefix', [{ drip: 2000 }]);
  expect(error).toBeUndefined();
  expect(text).toBe(MATRIX_TEXT);
  expect(events).toContainEqual(expect.objectContaining({ type: 'attempt-failed', cause: 'timeout' }));
});

it('the seam is marked where it is, with who went on', async () => {
  const { events } = await runMatrix('local', [{ cut: 400 }]);
  const { text: shown } = await runMatrix('forbidden', [{ cut: 400 }]);
  expect(shown.length).toBeGreaterThan(5);
  expect(events.filter(({ type }) => type === 'seam')).toEqual([
    { type: 'seam', from: 'near', provider: 'local', at: shown.length },
  ]);
});

it('a seam is never inside a tool call, wherever the connection is cut', async () => {
  const tools = ['weather', 'tides'].map((name) => ({ type: 'function' as const, function: { name } }));
  const asked = saying('Let me see.', { tools });
  const expected = scriptedReply(asked).toolCalls;
  const whole = sentFor(asked);
  for (let cut = 0; cut <= whole.byteCount; cut += 11) {
    const { error, text, toolCalls, finishes, chunks } = await runMatrix('prefix', [{ cut }], asked);
    expect(error).toBeUndefined();
    expect(text).toBe('Let me see.');
    expect(toolCalls.map(({ function: called }) => called)).toEqual(expected);
    expect(finishes).toEqual(['tool_calls']);
    expect(chunks.filter(({ choices: [choice] }) => choice?.delta.tool_calls)).toHaveLength(1);
  }
});

it('JSON is said again from its start and must repeat itself, so that no value is put together', async () => {
  const asked = saying('{"city": "Ankara", "people": 5864000}', { response_format: { type: 'json_object' } });
  const { text, error, events } = await runMatrix('forbidden', [{ cut: 400 }], asked);
  expect(error).toBeUndefined();
  expect(text).toBe('{"city": "Ankara", "people": 5864000}');
  expect(events.filter(({ type }) => type === 'seam')).toHaveLength(1);
});
