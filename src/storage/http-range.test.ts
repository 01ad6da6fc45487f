/** Which headers are asked with, and what answers mean: the rules that keep two versions of a file apart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSameVersion, parseContentRange, rangeHeaders, totalBytes, versionOf } from './http-range.ts';

const version = { etag: '"a"', lastModified: 'Tue, 01 Jan 2030 00:00:00 GMT' };
const known = { version, byteLength: 100 };

describe('a request for a range', () => {
  it('names the last byte and not the one behind it', () => {
    expect(rangeHeaders({ start: 10, end: 20 }, undefined, true)).toEqual({ Range: 'bytes=10-19' });
    expect(rangeHeaders({ start: 0 }, known, true)).toEqual({ Range: 'bytes=0-' });
  });

  it('asks for the same version by a strong ETag, else by the date', () => {
    expect(rangeHeaders({ start: 10 }, known, true)['If-Range']).toBe('"a"');
    const weak = { ...known, version: { ...version, etag: 'W/"a"' } };
    expect(rangeHeaders({ start: 10 }, weak, true)['If-Range']).toBe(version.lastModified);
    const unknown = { ...known, version: { etag: 'W/"a"', lastModified: null } };
    expect(rangeHeaders({ start: 10 }, unknown, true)).not.toHaveProperty('If-Range');
  });

  it('causes no preflight at another origin', () => {
    expect(Object.keys(rangeHeaders({ start: 10 }, known, false))).toEqual(['Range']);
  });
});

describe('an answer', () => {
  it('is of the same version by ETag, or by date where neither has one', () => {
    const date = version.lastModified;
    expect(isSameVersion(version, { etag: '"a"', lastModified: 'another' })).toBe(true);
    expect(isSameVersion(version, { etag: '"b"', lastModified: date })).toBe(false);
    expect(isSameVersion(version, { etag: null, lastModified: date })).toBe(false);
    expect(isSameVersion({ etag: null, lastModified: date }, { etag: null, lastModified: date })).toBe(true);
    expect(isSameVersion({ etag: null, lastModified: null }, { etag: null, lastModified: null })).toBe(false);
  });

  it('tells its version, where empty headers tell nothing', () => {
    expect(versionOf(new Headers({ ETag: '"x"', 'Last-Modified': '' }))).toEqual({
      etag: '"x"',
      lastModified: null,
    });
  });

  it('tells the length of the whole file, also when its Content-Range cannot be seen', () => {
    const whole = new Headers({ 'Content-Length': '100' });
    const part = new Headers({ 'Content-Length': '60', 'Content-Range': 'bytes 40-99/100' });
    const hidden = new Headers({ 'Content-Length': '60' });
    expect(totalBytes(200, whole, 0)).toBe(100);
    expect(totalBytes(206, part, 40)).toBe(100);
    expect(totalBytes(206, hidden, 40)).toBe(100);
  });

  it('tells no length when it is compressed or sent in chunks', () => {
    expect(totalBytes(200, new Headers(), 0)).toBeUndefined();
    expect(
      totalBytes(200, new Headers({ 'Content-Length': '10', 'Content-Encoding': 'gzip' }), 0),
    ).toBeUndefined();
    expect(totalBytes(200, new Headers({ 'Content-Length': 'many' }), 0)).toBeUndefined();
  });
});

describe('Content-Range', () => {
  it('is read back whatever the numbers', () => {
    const numbers = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 1e9 }), fc.nat());
    fc.assert(
      fc.property(numbers, ([start, length, more]) => {
        const [end, total] = [start + length, start + length + more];
        expect(parseContentRange(`bytes ${start}-${end - 1}/${total}`)).toEqual({ start, end, total });
      }),
    );
  });

  it.each([null, '', 'bytes */100', 'bytes 0-9/*', 'bytes 9-0/100', 'bytes 0-100/100', 'items 0-1/2'])(
    'is nothing when it is %j',
    (value) => expect(parseContentRange(value)).toBeUndefined(),
  );
});
