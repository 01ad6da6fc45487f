import { afterEach, expect, test } from 'vitest';
import { openClient } from '../../test/fakes/client.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import type { InProcess } from '../../test/fakes/in-process.ts';
import { SelvedgeError } from '../errors.ts';
import type { ModelRequest, ModelInspection } from '../rpc/protocol.ts';
import { inspectModel } from './inspect.ts';
import { readClientOptions } from './options.ts';
import { modelPresets } from './presets.ts';

const started: InProcess[] = [];
afterEach(() => {
  for (const { worker } of started.splice(0)) worker.terminate();
});

const inspection = { id: 'tiny', isSupported: true } as ModelInspection;

/** A worker that has `answer` for every question, and the questions. */
function start(answer: () => Promise<ModelInspection>): { process: InProcess; asked: ModelRequest[] } {
  const asked: ModelRequest[] = [];
  const process = startInProcess({
    inspectModel(request) {
      asked.push(request);
      return answer();
    },
  });
  started.push(process);
  return { process, asked };
}

test('a model is inspected without a client, and the worker is gone afterwards', async () => {
  const { process, asked } = start(async () => inspection);
  const options = { worker: process.worker, contextLength: 'fit', kv: 'f32' } as const;
  expect(await inspectModel('https://models.test/tiny.gguf', options)).toEqual(inspection);
  expect(asked).toEqual([
    {
      source: { kind: 'url', url: 'https://models.test/tiny.gguf', id: 'tiny' },
      options: { threads: 'auto', simd: 'auto', kv: 'f32', contextLength: 'fit' },
    },
  ]);
  expect(process.terminated).toBe(true);
});

test('errors keep their code, and end the worker too', async () => {
  const { process } = start(() => Promise.reject(new SelvedgeError('model_unavailable', 'gone')));
  const asking = inspectModel('https://models.test/tiny.gguf', { worker: process.worker });
  await expect(asking).rejects.toMatchObject({ code: 'model_unavailable', message: 'gone' });
  expect(process.terminated).toBe(true);
});

test('an abort rejects with its reason and ends the worker', async () => {
  const controller = new AbortController();
  const { process } = start(() => {
    controller.abort('enough');
    return new Promise(() => {});
  });
  const options = { worker: process.worker, signal: controller.signal };
  await expect(inspectModel('https://models.test/tiny.gguf', options)).rejects.toBe('enough');
  expect(process.terminated).toBe(true);
});

test('a client inspects through its own worker', async () => {
  const { client, process } = await openClient({}, { inspectModel: async () => inspection });
  expect(await client.models.inspect('smollm2-135m')).toEqual(inspection);
  expect(process.terminated).toBe(false);
  await expect(
    client.models.inspect('https://models.test/x.gguf', { kv: 'q4' as 'q8' }),
  ).rejects.toMatchObject({
    code: 'invalid_request',
    details: { param: 'kv' },
  });
  client.close();
});

test('presets have names of their own, and public addresses of GGUF files', () => {
  expect(new Set(modelPresets.map(({ id }) => id)).size).toBe(modelPresets.length);
  for (const { id, url, licence, sha256 } of modelPresets) {
    expect(id).toMatch(/^[a-z0-9.-]+$/);
    expect(url).toMatch(/^https:\/\/huggingface\.co\/[\w.-]+\/[\w.-]+\/resolve\/[\w.]+\/[\w.-]+\.gguf$/);
    expect(licence).not.toBe('');
    expect(sha256 ?? '0'.repeat(64)).toMatch(/^[0-9a-f]{64}$/);
  }
});

test('a preset is opened by its name, with its hash where that is known', () => {
  const preset = modelPresets[0]!;
  expect(readClientOptions({ model: preset.id }).load.source).toEqual({
    kind: 'url',
    id: preset.id,
    url: preset.url,
    sha256: preset.sha256,
  });
  const unhashed = modelPresets.find(({ sha256 }) => sha256 === undefined)!;
  expect(readClientOptions({ model: unhashed.id }).load.source).not.toHaveProperty('sha256');
});

test('a name that is no preset is not taken for an address', () => {
  for (const model of ['smollm-135m', 'qwen2.5-0.6b', 'Llama']) {
    expect(() => readClientOptions({ model })).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('smollm2-135m') }),
    );
  }
});
