import { expect, test } from 'vitest';
import type { StoredModel } from './model-file.ts';
import { joinStored, partUrl } from './parts.ts';

test.each([
  ['https://a.test/m/x-00001-of-00003.gguf', 'https://a.test/m/x-00003-of-00003.gguf'],
  ['/x-00001-of-00003.gguf?download=true', '/x-00003-of-00003.gguf?download=true'],
  ['x-Q4-00001-of-00003.GGUF#part', 'x-Q4-00003-of-00003.GGUF#part'],
])('the third part of %s is found', (first, third) => {
  expect(partUrl(first, 2, 3)).toBe(third);
  expect(partUrl(third, 0, 3)).toBe(first);
});

test.each([
  '/x.gguf',
  '/x-1-of-3.gguf',
  '/x-00001-of-00004.gguf',
  '/x-00001-of-00003.bin',
  '/x-00001-of-00003/y.gguf',
])('%s names no part of three', (url) => {
  expect(partUrl(url, 1, 3)).toBeUndefined();
});

const stored = (id: string, url: string, more: Partial<StoredModel> = {}): StoredModel => ({
  id,
  url,
  byteLength: 100,
  storedBytes: 100,
  complete: true,
  lastUsed: 1,
  backend: 'opfs',
  ...more,
});

test('the parts of a model are listed as one, complete when all are there', () => {
  const other = stored('other', '/other.gguf', { lastUsed: 5 });
  const parts = [2, 1].map((part) => stored('x', `/x-0000${part}-of-00003.gguf`, { lastUsed: part }));
  const two = { ...parts[0]!, url: '/x-00001-of-00003.gguf', byteLength: 200, storedBytes: 200, lastUsed: 2 };
  expect(joinStored([parts[0]!, other, parts[1]!])).toEqual([{ ...two, complete: false }, other]);
  const third = stored('x', '/x-00003-of-00003.gguf', { storedBytes: 40, complete: false });
  const three = { ...two, byteLength: 300, storedBytes: 240, complete: false };
  expect(joinStored([...parts, third])).toEqual([three]);
  const whole = { ...three, storedBytes: 300, complete: true };
  expect(joinStored([...parts, { ...third, storedBytes: 100, complete: true }])).toEqual([whole]);
});

test('models of one name from two places stay two', () => {
  const both = [stored('x', '/a/x-00001-of-00002.gguf'), stored('x', '/b/x-00001-of-00002.gguf')];
  expect(joinStored(both)).toHaveLength(2);
});
