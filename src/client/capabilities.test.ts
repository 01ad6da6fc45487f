import { expect, test } from 'vitest';
import { startInProcess } from '../../test/fakes/in-process.ts';
import type { Capabilities } from '../rpc/protocol.ts';
import { capabilities } from './capabilities.ts';

const found: Capabilities = {
  adapter: null,
  simd: 'plain',
  isIsolated: false,
  threads: 1,
  memoryBytes: null,
  storage: { medium: 'none', quotaBytes: null, usedBytes: null },
  limitations: ['No GPU.'],
};

test('a worker is asked what the device can do, and is gone afterwards', async () => {
  const process = startInProcess({ readCapabilities: async () => found });
  expect(await capabilities({ worker: process.worker })).toEqual(found);
  expect(process.terminated).toBe(true);
});

test('an option that there is not is named', async () => {
  const wrong = capabilities({ model: 'x' } as object);
  await expect(wrong).rejects.toMatchObject({ code: 'invalid_request', details: { param: 'model' } });
  await expect(wrong).rejects.toThrow('not an option of capabilities');
});

test('an abort rejects with its reason', async () => {
  const controller = new AbortController();
  const { worker } = startInProcess({
    readCapabilities() {
      controller.abort('enough');
      return new Promise(() => {});
    },
  });
  await expect(capabilities({ worker, signal: controller.signal })).rejects.toBe('enough');
});
