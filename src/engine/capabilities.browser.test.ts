import { expect, test } from 'vitest';
import { readCapabilities } from './capabilities.ts';

test('an isolated page in Chromium has all but a GPU that is one', async () => {
  const { limitations, adapter, storage, ...rest } = await readCapabilities();
  expect(rest).toMatchObject({ simd: 'relaxed', isIsolated: true });
  expect(rest.threads).toBe(Math.min(16, navigator.hardwareConcurrency));
  // Files of the origin are opened in workers only, which this test is not.
  expect(storage.medium).toBe('indexeddb');
  expect(storage.quotaBytes).toBeGreaterThan(0);
  expect(adapter).toMatchObject({ isSoftware: true, features: expect.arrayContaining(['subgroups']) });
  expect(adapter?.limits.maxBufferSize).toBeGreaterThanOrEqual(2 ** 28);
  expect(limitations).toEqual([expect.stringMatching(/software.*SwiftShader/i)]);
});

test.each([
  ['no WebGPU', undefined, 'has no WebGPU'],
  ['no adapter', async () => null, 'offers no adapter'],
  ['WebGPU that fails', () => Promise.reject(new Error('the driver is gone')), 'the driver is gone'],
])('with %s the sentence says so, and the rest is there', async (_, requestAdapter, sentence) => {
  // `undefined` would be the browser's own.
  const found = await readCapabilities(requestAdapter ? { requestAdapter } : null);
  expect(found.adapter).toBeNull();
  expect(found.simd).toBe('relaxed');
  expect(found.limitations).toEqual([expect.stringContaining(sentence)]);
});

test('what is told of an adapter can be posted', async () => {
  const found = await readCapabilities();
  expect(structuredClone(found)).toEqual(found);
});
