import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventReader, MalformedStream } from './event-stream.ts';

const encoder = new TextEncoder();

/** What is read of the text, when its bytes come in pieces of these lengths. */
function read(text: string, lengths: readonly number[] = [1 << 20]): string[] {
  const readEvents = createEventReader();
  const bytes = encoder.encode(text);
  const data: string[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const to = at + lengths[i % lengths.length]!;
    data.push(...readEvents(bytes.subarray(at, to)).map((event) => event.data));
    at = to;
  }
  return data;
}

describe('server-sent events', () => {
  it('are the same however their bytes are cut', () => {
    const events = fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n]/g, ' ')));
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(events, lengths, fc.constantFrom('\n', '\r\n'), (texts, sizes, newline) => {
        const wire = texts.map((text) => `:ping${newline}data: x${text}${newline}${newline}`).join('');
        expect(read(wire, sizes)).toEqual(texts.map((text) => `x${text}`));
      }),
    );
  });

  it('that are repeated with their id are dropped, and equal ones without are kept', () => {
    expect(read('id: 1\ndata: ha\n\nid: 1\ndata: ha\n\nid: 2\ndata: ha\n\n')).toEqual(['ha', 'ha']);
    expect(read('id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 1\ndata: a\n\nid: 2\ndata: b\n\n')).toEqual([
      'a',
      'b',
    ]);
    expect(read('data: ha\n\ndata: ha\n\n')).toEqual(['ha', 'ha']);
  });

  it('that all have one id are all kept', () => {
    expect(read('id: r\ndata: role\n\nid: r\ndata: ha\n\nid: r\ndata: ha\n\n')).toEqual(['role', 'ha', 'ha']);
  });

  it.each([
    ['a line that is no field', 'dat: x\n\n'],
    ['a page instead of events', '<html>\n\n'],
  ])('%s is malformed', (_, text) => {
    expect(() => read(text)).toThrow(MalformedStream);
  });

  it('bytes that are not UTF-8 are malformed, and so is an event without end', () => {
    expect(() => createEventReader()(Uint8Array.of(0x64, 0xff, 0xfe))).toThrow(MalformedStream);
    const readEvents = createEventReader();
    const piece = encoder.encode(`data: ${'x'.repeat(1 << 19)}`);
    expect(() => [piece, piece, piece].map((one) => readEvents(one))).toThrow(MalformedStream);
  });
});
