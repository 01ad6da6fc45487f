import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createReasoningFilter, type Parted } from './reasoning.ts';

const tags = { open: '<think>', close: '</think>' };

interface Outcome extends Parted {
  reasons: boolean;
  answerStart: number | undefined;
}

function run(pieces: readonly string[], isOpen = false): Outcome {
  const filter = createReasoningFilter({ tags, isOpen });
  const all = [...pieces.map((piece) => filter.push(piece)), filter.flush()];
  return {
    reasoning: all.map(({ reasoning }) => reasoning).join(''),
    text: all.map(({ text }) => text).join(''),
    reasons: filter.reasons,
    answerStart: filter.answerStart,
  };
}

describe('the parts of an answer', () => {
  test.each<[string, string, boolean, Partial<Outcome>]>([
    [
      'thought and answer',
      '<think>\nwhy\n\nso\n</think>\n\nYes. ',
      false,
      { reasoning: 'why\n\nso', text: 'Yes. ' },
    ],
    ['a prompt that opened the thought', 'why\n</think>\n\nYes.', true, { reasoning: 'why', text: 'Yes.' }],
    ['no thought', '\n Yes <think> no', false, { reasoning: '', text: '\n Yes <think> no', reasons: false }],
    [
      'an empty thought',
      '<think>\n\n</think>\n\nYes.',
      false,
      { reasoning: '', text: 'Yes.', reasons: true },
    ],
    ['an end within the thought', '<think>why \n', false, { reasoning: 'why', text: '' }],
    ['an end within the closing tag', 'why</thi', true, { reasoning: 'why</thi', text: '' }],
    ['an end within the opening tag', '<thi', false, { reasoning: '', text: '<thi', answerStart: 0 }],
    ['a tag that was none', ' <thing>', false, { reasoning: '', text: ' <thing>' }],
    ['tags further on', '<think>a</think>b<think>c</think>', false, { text: 'b<think>c</think>' }],
    ['space before the tag', ' \n<think>a</think>b', false, { reasoning: 'a', text: 'b', answerStart: 18 }],
    ['nothing', '', false, { reasoning: '', text: '' }],
  ])('%s', (_, text, isOpen, expected) => {
    expect(run([text], isOpen)).toMatchObject(expected);
    expect(run([...text], isOpen)).toMatchObject(expected);
  });

  test('are the same however the text was cut', () => {
    const bits = fc.constantFrom('<think>', '</think>', '<', '/', 'think>', 'a', ' ', '\n', 'b c');
    fc.assert(
      fc.property(
        fc.array(bits, { maxLength: 12 }),
        fc.boolean(),
        fc.array(fc.nat(40)),
        (parts, isOpen, at) => {
          const text = parts.join('');
          const places = [...new Set([0, ...at.map((place) => place % (text.length + 1))])].sort(
            (a, b) => a - b,
          );
          const pieces = places.map((place, i) => text.slice(place, places[i + 1]));
          expect(run(pieces, isOpen)).toEqual(run([text], isOpen));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('are shown as soon as they cannot be anything else', () => {
    const filter = createReasoningFilter({ tags, isOpen: false });
    const shown = ['<th', 'ink>', 'a', ' b', '\n', '</', 'x', '</think', '>', '\n', ' c', ' \n'].map(
      (piece) => {
        const { reasoning, text } = filter.push(piece);
        return reasoning || text;
      },
    );
    expect(shown).toEqual(['', '', 'a', ' b', '', '', '\n</x', '', '', '', 'c', ' \n']);
  });
});

test('a model that does not think answers with every tag as text', () => {
  const filter = createReasoningFilter({ tags: undefined, isOpen: false });
  expect(filter.push('<think>a</think>')).toEqual({ reasoning: '', text: '<think>a</think>' });
  expect(filter.answerStart).toBe(0);
});
