import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createStopFilter } from './stop-strings.ts';

/** What is shown of `text`, given in `pieces`. */
function run(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: boolean } {
  const filter = createStopFilter(stops);
  let text = '';
  for (const piece of pieces) {
    const passed = filter.push(piece);
    text += passed.text;
    if (passed.stopped) return { text, stopped: true };
  }
  return { text: text + filter.flush(), stopped: false };
}

/** Few letters, so that beginnings of stop strings are everywhere. */
const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 });
const stopStrings = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 }), {
  maxLength: 3,
});

function cut(text: string, at: readonly number[]): string[] {
  const places = [...new Set(at.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, i) => text.slice(start, places[i] ?? text.length));
}

test('a stop string is found however the text was cut, and only text before it is shown', () => {
  fc.assert(
    fc.property(letters, stopStrings, fc.array(fc.nat(60), { maxLength: 12 }), (text, stops, at) => {
      // A cut decides which of two overlapping stop strings is complete first; with one it decides nothing.
      const [stop] = stops;
      const end = stop === undefined ? -1 : text.indexOf(stop);
      const expected = end < 0 ? { text, stopped: false } : { text: text.slice(0, end), stopped: true };
      expect(run(cut(text, at), stop === undefined ? [] : [stop])).toEqual(expected);
    }),
  );
});

test('with several stop strings none is ever shown, and nothing is lost before one', () => {
  fc.assert(
    fc.property(letters, stopStrings, fc.array(fc.nat(60), { maxLength: 12 }), (text, stops, at) => {
      const shown = run(cut(text, at), stops);
      expect(text.startsWith(shown.text)).toBe(true);
      for (const stop of stops) expect(shown.text).not.toContain(stop);
      expect(shown.stopped).toBe(stops.some((stop) => text.includes(stop)));
      if (!shown.stopped) expect(shown.text).toBe(text);
    }),
  );
});

test('only what can still become a stop string is held back', () => {
  const filter = createStopFilter(['</s>', '##']);
  expect(filter.push('one <')).toEqual({ text: 'one ', stopped: false });
  expect(filter.push('b>')).toEqual({ text: '<b>', stopped: false });
  expect(filter.push('#')).toEqual({ text: '', stopped: false });
  expect(filter.push('1</')).toEqual({ text: '#1', stopped: false });
  expect(filter.flush()).toBe('</');
});

test('after a stop string nothing more is shown', () => {
  const filter = createStopFilter(['x']);
  expect(filter.push('axb')).toEqual({ text: 'a', stopped: true });
  expect(filter.push('c')).toEqual({ text: '', stopped: true });
  expect(filter.flush()).toBe('');
});
