import { expect, test } from 'vitest';
import { readClientOptions } from './options.ts';
import { modelPresets } from './presets.ts';

const url = 'https://models.test/some/SmolLM2%20135M.Q4_1.gguf?download=true';

test('a URL is enough, and its file gives the id', () => {
  expect(readClientOptions({ model: url })).toEqual({
    load: {
      device: 'auto',
      draft: null,
      content: { prefixBytes: 2 ** 28, tenant: '', passphrase: null },
      source: { kind: 'url', url, id: 'SmolLM2 135M.Q4_1' },
      options: { threads: 'auto', simd: 'auto', kv: 'q8', contextLength: 0 },
      speculation: { drafters: ['suffix', 'past', 'draft'], maxLookahead: 15 },
    },
    worker: undefined,
    workerUrl: undefined,
    onProgress: undefined,
    signal: undefined,
  });
});

test('an address may state id, hash and headers', () => {
  const sha256 = 'AB'.repeat(32);
  const model = { url, id: 'mine', sha256, headers: { authorization: 'Bearer x' } };
  expect(readClientOptions({ model }).load.source).toEqual({
    kind: 'url',
    url,
    id: 'mine',
    sha256: sha256.toLowerCase(),
    headers: { authorization: 'Bearer x' },
  });
});

test('a draft is given as a model is', () => {
  const draftOf = (draft: unknown): unknown => readClientOptions({ model: url, draft }).load.draft;
  expect([draftOf(undefined), draftOf(null)]).toEqual([null, null]);
  expect(draftOf('https://a.test/small.gguf')).toEqual({
    kind: 'url',
    url: 'https://a.test/small.gguf',
    id: 'small',
  });
  const file = new File(['x'], 'small.gguf');
  expect(draftOf(file)).toEqual({ kind: 'blob', blob: file, id: 'small' });
  expect(draftOf(modelPresets[0]!.id)).toMatchObject({ url: modelPresets[0]!.url });
});

test('the parts of a model have one name', () => {
  const model = 'https://a.test/big-Q8_0-00001-of-00003.gguf';
  expect(readClientOptions({ model }).load.source).toEqual({ kind: 'url', url: model, id: 'big-Q8_0' });
});

test('a file is a source as it is', () => {
  const file = new File(['x'], 'tiny.gguf');
  expect(readClientOptions({ model: file }).load.source).toEqual({ kind: 'blob', blob: file, id: 'tiny' });
  const blob = new Blob(['x']);
  expect(readClientOptions({ model: blob }).load.source).toEqual({ kind: 'blob', blob, id: 'model' });
});

test('files of one model are in the order of their names', () => {
  const [second, first] = [2, 1].map((part) => new File(['x'], `big-0000${part}-of-00002.gguf`));
  expect(readClientOptions({ model: [second, first] }).load.source).toEqual({
    kind: 'files',
    id: 'big',
    files: [
      { kind: 'blob', blob: first, id: 'big' },
      { kind: 'blob', blob: second, id: 'big' },
    ],
  });
});

test('each part of a model may have its hash', () => {
  const model = {
    url: 'https://a.test/big-00001-of-00002.gguf?download=true',
    sha256: ['AB'.repeat(32), 'cd'.repeat(32)],
  };
  expect(readClientOptions({ model }).load.source).toEqual({
    kind: 'files',
    id: 'big',
    files: [
      { kind: 'url', url: model.url, id: 'big', sha256: 'ab'.repeat(32) },
      { kind: 'url', url: model.url.replace('00001', '00002'), id: 'big', sha256: 'cd'.repeat(32) },
    ],
  });
});

test.each([
  ['https://a.test/big-00001-of-00003.gguf', /has 2 hashes, but by its name the file is of 3/],
  ['https://a.test/big.gguf', /has 2 hashes, but by its name the file is not the first of several/],
])('as many hashes as there are parts: %s', (partUrl, message) => {
  const model = { url: partUrl, sha256: ['ab'.repeat(32), 'cd'.repeat(32)] };
  expect(() => readClientOptions({ model })).toThrow(message);
});

test('who guesses ahead is chosen by name, and nobody where it is off', () => {
  const read = (speculation: unknown) => readClientOptions({ model: url, speculation }).load.speculation;
  expect(read('off')).toBeNull();
  expect(read('auto')).toEqual(read(undefined));
  expect(read({ drafters: ['past', 'past', 'self'], maxLookahead: 3 })).toEqual({
    drafters: ['past', 'self'],
    maxLookahead: 3,
  });
  expect(read({ drafters: [] })).toEqual({ drafters: [], maxLookahead: 15 });
});

test('settings of the engine cross as they are', () => {
  const options = { model: url, device: 'cpu', threads: 2, contextLength: 2048, kv: 'f32', simd: 'plain' };
  expect(readClientOptions(options).load.options).toEqual({
    threads: 2,
    simd: 'plain',
    kv: 'f32',
    contextLength: 2048,
  });
});

test.each([
  [{}, 'model'],
  [{ model: 5 }, 'model'],
  [{ model: 'relative.gguf' }, 'model'],
  [{ model: { url: 5 } }, 'model.url'],
  [{ model: { url: null } }, 'model.url'],
  [{ model: { url, sha256: 'short' } }, 'model.sha256'],
  [{ model: { url, sha256: ['short'] } }, 'model.sha256'],
  [{ model: [] }, 'model'],
  [{ model: [url, url] }, 'model'],
  [{ model: { url, id: '' } }, 'model.id'],
  [{ model: { url, headers: { a: 1 } } }, 'model.headers.a'],
  [{ model: { url, hash: 'x' } }, 'model.hash'],
  [{ model: url, speculation: 'on' }, 'speculation'],
  [{ model: url, speculation: { drafters: 'suffix' } }, 'speculation.drafters'],
  [{ model: url, speculation: { drafters: ['suffix', 'oracle'] } }, 'speculation.drafters'],
  [{ model: url, speculation: { maxLookahead: 16 } }, 'speculation.maxLookahead'],
  [{ model: url, speculation: { maxLookahead: 1.5 } }, 'speculation.maxLookahead'],
  [{ model: url, speculation: { lookahead: 3 } }, 'speculation.lookahead'],
  [{ model: url, draft: 5 }, 'draft'],
  [{ model: url, draft: 'no-such-name' }, 'draft'],
  [{ model: url, draft: { url: 5 } }, 'draft.url'],
  [{ model: url, draft: { url, sha256: 'short' } }, 'draft.sha256'],
  [{ model: url, draft: { url, headers: { a: 1 } } }, 'draft.headers.a'],
  [{ model: url, draft: { url, hash: 'x' } }, 'draft.hash'],
  [{ model: url, device: 'gpu' }, 'device'],
  [{ model: url, threads: 0 }, 'threads'],
  [{ model: url, threads: 'many' }, 'threads'],
  [{ model: url, contextLength: 3.5 }, 'contextLength'],
  [{ model: url, kv: 'q4' }, 'kv'],
  [{ model: url, simd: 'relaxed' }, 'simd'],
  [{ model: url, workerUrl: 5 }, 'workerUrl'],
  [{ model: url, worker: {} }, 'worker'],
  [{ model: url, onProgress: true }, 'onProgress'],
  [{ model: url, signal: {} }, 'signal'],
  [{ model: url, contextlength: 5 }, 'contextlength'],
])('%j names %s', (options, param) => {
  expect(() => readClientOptions(options)).toThrow(
    expect.objectContaining({ code: 'invalid_request', details: { param } }),
  );
});

test('an unknown option lists the known ones', () => {
  expect(() => readClientOptions({ model: url, nThreads: 2 })).toThrow(/nThreads is not an option.*threads/s);
});

test('a device is named, or is whichever is faster', () => {
  const deviceOf = (device: unknown): string => readClientOptions({ model: url, device }).load.device;
  expect([undefined, null, 'auto', 'cpu', 'webgpu'].map(deviceOf)).toEqual([
    'auto',
    'auto',
    'auto',
    'cpu',
    'webgpu',
  ]);
  expect(() => deviceOf('gpu')).toThrow(
    expect.objectContaining({ code: 'invalid_request', details: { param: 'device' } }),
  );
});
