import { expect, test } from 'vitest';
import { CONTENT } from '../../test/fakes/requests.ts';
import { createTableSession } from '../../test/fakes/table-session.ts';
import { splitGguf } from '../../test/models/split-gguf.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import type { ModelPlan } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import { planModel } from '../model/architectures.ts';
import { readGgufHeader } from '../model/gguf.ts';
import type { FileSource, LoadProgress, ModelFile, ModelSource, ModelStore } from '../storage/model-file.ts';
import { inspectModel } from './inspect.ts';
import { createModelLoader } from './load.ts';
import type { LoadedModel } from './loaded-model.ts';

const COUNT = 3;
const PIECE = 500;
const FIRST = urlOf(0);
const parts = splitGguf(tinyParts({ type: 'Q4_1' }), COUNT);
const options = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 0 } as const;

function urlOf(index: number): string {
  return `https://models.test/tiny-0000${index + 1}-of-0000${COUNT}.gguf`;
}

/** A file of the user's disk, which the store below knows by its URL. */
function blobOf(index: number): FileSource {
  return { kind: 'blob', blob: new Blob([urlOf(index)]), id: 'tiny' };
}

/** Files by URL, those of the user's disk by what they hold; how far each was read, and what became of it. */
class FakeStore implements ModelStore {
  readonly files: Map<string, Uint8Array>;
  readonly bytesRead = new Map<string, number>();
  readonly hashes = new Set<string | undefined>();
  openFiles = 0;
  discarded: string[] = [];
  /** What a file is once it was opened for the first time. */
  later = new Map<string, Uint8Array>();

  constructor(files: readonly Uint8Array[]) {
    this.files = new Map(files.map((bytes, index) => [urlOf(index), bytes]));
  }

  async open(source: FileSource, { onProgress }: Parameters<ModelStore['open']>[1]): Promise<ModelFile> {
    const url = source.kind === 'url' ? source.url : source.kind === 'blob' ? await source.blob.text() : '';
    this.hashes.add(source.sha256);
    const bytes = this.#find(url);
    const later = this.later.get(url);
    if (later) this.files.set(url, later);
    this.openFiles += 1;
    const read = (end: number): void => {
      this.bytesRead.set(url, Math.max(end, this.bytesRead.get(url) ?? 0));
      onProgress?.({ phase: 'download', loadedBytes: end, totalBytes: bytes.length, bytesPerSecond: 0 });
    };
    return {
      id: source.id,
      byteLength: bytes.length,
      origin: 'network',
      kept: true,
      async *read() {
        for (let offset = 0; offset < bytes.length; offset += PIECE) {
          read(Math.min(bytes.length, offset + PIECE));
          yield { offset, bytes: bytes.subarray(offset, offset + PIECE) };
        }
      },
      identity: () => url,
      close: async () => void (this.openFiles -= 1),
      discard: async () => void this.discarded.push(url),
    };
  }

  async openStart(source: FileSource): ReturnType<ModelStore['openStart']> {
    const { byteLength, read } = await this.open(source, {});
    return {
      byteLength,
      async *read() {
        for await (const { bytes } of read()) yield bytes;
      },
    };
  }

  list = async (): Promise<[]> => [];
  delete = async (): Promise<boolean> => false;

  #find(url: string): Uint8Array {
    const bytes = this.files.get(url);
    if (!bytes) throw new SelvedgeError('model_unavailable', `${url} answers with 404.`);
    return bytes;
  }
}

interface Loading {
  loaded: LoadedModel;
  plan: ModelPlan;
  /** As it reached the sink, each byte at its offset. */
  bytes: Uint8Array;
  progress: LoadProgress[];
  /** What had been read when memory was taken. */
  readBefore: number[];
}

async function load(store: FakeStore, source: Partial<ModelSource> = {}): Promise<Loading> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let plan: ModelPlan | undefined;
  let readBefore: number[] = [];
  const loader = createModelLoader(store, async (planned) => {
    plan = planned;
    readBefore = parts.map((_, index) => store.bytesRead.get(urlOf(index)) ?? 0);
    return {
      write: (offset, piece) => bytes.set(piece, offset),
      finish: async () => createTableSession({ vocabSize: planned.shape.vocabSize }),
      abort: () => {},
    };
  });
  const progress: LoadProgress[] = [];
  const whole = { kind: 'url', url: FIRST, id: 'tiny', ...source } as ModelSource;
  const device = 'cpu' as const;
  const request = { source: whole, device, draft: null, options, content: CONTENT, speculation: null };
  const loaded = await loader.loadModel(request, { onProgress: (event) => progress.push(event) });
  return { loaded, plan: plan!, bytes, progress, readBefore };
}

/** In hex, by name. */
const tensorBytes = ({ tensors }: ModelPlan, bytes: Uint8Array): string[] =>
  tensors.map(({ name, fileOffset, byteLength }) => `${name} ${toHex(bytes, fileOffset, byteLength)}`);

const toHex = (bytes: Uint8Array, start: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('hex');

test('a model in three files is loaded as if it were in one', async () => {
  const store = new FakeStore(parts);
  const { loaded, plan, bytes } = await load(store);
  const single = tinyGguf({ type: 'Q4_1' });
  const expected = planModel(readGgufHeader(single));
  expect(tensorBytes(plan, bytes)).toEqual(tensorBytes(expected, single));
  expect(plan.shape).toEqual(expected.shape);
  expect(loaded.info).toMatchObject({
    id: 'tiny',
    byteLength: bytes.length,
    origin: 'network',
    isKept: true,
  });
  expect(loaded.info.identity).toMatch(/^[0-9a-f]{64}$/);
  expect([store.openFiles, store.discarded]).toEqual([0, []]);
});

test('files of the user, and files with hashes, are loaded as those of a URL are', async () => {
  const { bytes } = await load(new FakeStore(parts));
  const files = parts.map((_, index) => blobOf(index));
  expect((await load(new FakeStore(parts), { kind: 'files', files })).bytes).toEqual(bytes);
  const hashed = parts.map((_, index): FileSource => ({
    kind: 'url',
    url: urlOf(index),
    id: 'tiny',
    sha256: 'ab'.repeat(32),
  }));
  const store = new FakeStore(parts);
  expect((await load(store, { kind: 'files', files: hashed })).bytes).toEqual(bytes);
  expect(store.hashes).toEqual(new Set(['ab'.repeat(32)]));
});

test('what the parts are is known before memory is taken, and little of them was read', async () => {
  const { readBefore } = await load(new FakeStore(parts));
  const headers = parts.map((part) => readGgufHeader(part).dataOffset);
  readBefore.forEach((bytes, index) => {
    expect(bytes).toBeGreaterThanOrEqual(headers[index]!);
    expect(bytes).toBeLessThan(headers[index]! + PIECE);
  });
});

test('progress goes on from part to part, up to the size of all', async () => {
  const { progress, bytes } = await load(new FakeStore(parts));
  const loadedBytes = progress.map((event) => event.loadedBytes);
  expect(loadedBytes).toEqual(loadedBytes.toSorted((a, b) => a - b));
  expect(loadedBytes.at(-1)).toBe(bytes.length);
  expect(progress.at(-1)?.totalBytes).toBe(bytes.length);
  expect(progress.filter(({ totalBytes }) => totalBytes === bytes.length).length).toBeGreaterThan(10);
});

test.each<[string, (store: FakeStore) => void, string, string[]]>([
  ['a part is missing', (store) => store.files.delete(urlOf(2)), 'model_unavailable', []],
  [
    'a part is damaged',
    (store) =>
      store.files.set(
        urlOf(1),
        parts[1]!.map(() => 7),
      ),
    'invalid_model',
    [urlOf(1)],
  ],
  ['a part is of another place', (store) => store.files.set(urlOf(1), parts[2]!), 'invalid_model', [FIRST]],
  [
    'a part changes between its header and its weights',
    (store) => store.later.set(urlOf(1), parts[1]!.slice(0, -32)),
    'integrity_failed',
    [],
  ],
])('when %s nothing stays open, and what is useless is not kept', async (_, spoil, code, discarded) => {
  const store = new FakeStore(parts);
  spoil(store);
  await expect(load(store)).rejects.toMatchObject({ code });
  expect([store.openFiles, store.discarded]).toEqual([0, discarded]);
});

test.each<[string, Partial<ModelSource>, string, RegExp]>([
  ['its second part', { url: urlOf(1) }, 'unsupported_model', /part 2 of a model in 3 files/],
  [
    'a URL of another form',
    { url: 'https://models.test/a.gguf' },
    'unsupported_model',
    /-00001-of-00003.gguf/,
  ],
  ['one file', blobOf(0), 'invalid_request', /in 3 files, and 1 of them was given. Give all of them/],
  [
    'two files',
    { kind: 'files', files: [blobOf(0), blobOf(1)] },
    'invalid_request',
    /in 3 files, and 2 of them were given/,
  ],
  [
    'files in another order',
    { kind: 'files', files: [blobOf(0), blobOf(2), blobOf(1)] },
    'invalid_model',
    /Part 2 of 3 says that it is part 3/,
  ],
  [
    'the hash of a file',
    { url: FIRST, sha256: 'ab'.repeat(32) },
    'invalid_request',
    /sha256 is the hash of one. Give an array of 3/,
  ],
])('a model in parts cannot be loaded by %s', async (_, source, code, message) => {
  const store = new FakeStore(parts);
  store.files.set('https://models.test/a.gguf', parts[0]!);
  await expect(load(store, source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(store.openFiles).toBe(0);
});

test('a model in parts is described by all their headers', async () => {
  const look = (files: readonly Uint8Array[], url = FIRST): ReturnType<typeof inspectModel> =>
    inspectModel(
      new FakeStore(files),
      { source: { kind: 'url', url, id: 'tiny' }, options },
      async () => 1e9,
    );
  const found = await look(parts);
  const byteLength = parts.reduce((sum, { length }) => sum + length, 0);
  expect(found).toMatchObject({ isSupported: true, quantisation: 'Q4_1', byteLength, vocabSize: 320 });
  expect(found.headerBytes).toBeLessThan(byteLength / 2);
  const second = await look(parts, urlOf(1));
  expect(second).toMatchObject({
    isSupported: false,
    reason: expect.stringMatching(/part 2 of a model in 3/),
  });
});
