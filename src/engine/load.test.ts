import { CONTENT } from '../../test/fakes/requests.ts';
import { expect, test } from 'vitest';
import { createTableSession } from '../../test/fakes/table-session.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import type { ModelPlan, SessionOptions, WeightSink } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import type { LoadProgress, ModelFile, ModelStore, OpenOptions } from '../storage/model-file.ts';
import { createModelLoader } from './load.ts';
import type { LoadedModel } from './loaded-model.ts';

/** What became of everything that was opened. */
interface Seen {
  plan?: ModelPlan;
  options?: SessionOptions;
  /** Tensor bytes that reached the sink, with where the first one was. */
  firstOffset?: number;
  weights: number[];
  sinks: { live: number; finished: number };
  openFiles: number;
  /** Times the stored copy was deleted. */
  discards: number;
  piecesRead: number;
}

interface LoadSetup {
  bytes: Uint8Array;
  pieceSize?: number;
  origin?: ModelFile['origin'];
  options?: Partial<SessionOptions>;
  open?: OpenOptions;
  /** Thrown instead of the piece of this number. */
  cutAt?: number;
  createSink?: () => Promise<WeightSink>;
}

async function load(setup: LoadSetup): Promise<{ loaded: Promise<LoadedModel>; seen: Seen }> {
  const { bytes, pieceSize = 1000, cutAt, open = {} } = setup;
  const seen: Seen = {
    weights: [],
    sinks: { live: 0, finished: 0 },
    openFiles: 0,
    discards: 0,
    piecesRead: 0,
  };
  const file: ModelFile = {
    id: 'tiny',
    byteLength: bytes.length,
    origin: setup.origin ?? 'network',
    kept: true,
    async *read() {
      for (let offset = 0; offset < bytes.length; offset += pieceSize) {
        if (seen.piecesRead === cutAt)
          throw new SelvedgeError('model_unavailable', 'cut', { retryable: true });
        seen.piecesRead += 1;
        yield { offset, bytes: bytes.subarray(offset, offset + pieceSize) };
      }
    },
    identity: () => 'abc',
    async close() {
      seen.openFiles -= 1;
    },
    async discard() {
      seen.discards += 1;
      throw new Error('a disk that fails must not hide why');
    },
  };
  const store: ModelStore = {
    async open() {
      seen.openFiles += 1;
      return file;
    },
    openStart: () => Promise.reject(new Error('the whole file is wanted')),
    list: async () => [],
    delete: async () => false,
  };
  const createSink = async (plan: ModelPlan, options: SessionOptions): Promise<WeightSink> => {
    Object.assign(seen, { plan, options });
    seen.sinks.live += 1;
    return {
      write(fileOffset, piece) {
        seen.firstOffset ??= fileOffset;
        seen.weights.push(...piece);
      },
      async finish() {
        seen.sinks.finished += 1;
        return createTableSession({ vocabSize: plan.shape.vocabSize });
      },
      abort() {
        seen.sinks.live -= 1;
      },
    };
  };
  const loader = createModelLoader(store, setup.createSink ?? createSink);
  const request = {
    source: { kind: 'url' as const, url: 'https://models.test/tiny.gguf', id: 'tiny' },
    options: { threads: 1, simd: 'auto' as const, kv: 'q8' as const, contextLength: 0, ...setup.options },
    device: 'cpu' as const,
    draft: null,
    content: CONTENT,
    speculation: null,
  };
  const loaded = loader.loadModel(request, open);
  await loaded.catch(() => {});
  return { loaded, seen };
}

test.each([100, 1000, 1 << 20])(
  'in pieces of %i bytes, exactly the tensor bytes reach the backend',
  async (pieceSize) => {
    const bytes = tinyGguf({ type: 'Q4_1' });
    const { loaded, seen } = await load({ bytes, pieceSize });
    const { info } = await loaded;
    expect(seen.weights).toEqual([...bytes.subarray(seen.firstOffset)]);
    expect(seen.firstOffset).toBeLessThanOrEqual(seen.plan?.tensors[0]?.fileOffset ?? -1);
    expect(seen.openFiles).toBe(0);
    expect(info).toMatchObject({
      id: 'tiny',
      architecture: 'llama',
      quantisation: 'Q4_1',
      vocabSize: 320,
      trainedContextLength: 256,
      byteLength: bytes.length,
      identity: 'abc',
      origin: 'network',
    });
  },
);

test('the context is what was asked for, but not more than the model was trained for', async () => {
  const bytes = tinyGguf({ contextLength: 512 });
  const contextOf = async (contextLength: number): Promise<number | undefined> =>
    (await load({ bytes, options: { contextLength } })).seen.options?.contextLength;
  expect(await contextOf(0)).toBe(512);
  expect(await contextOf(100)).toBe(100);
  expect(await contextOf(1000)).toBe(512);
  const long = await load({ bytes: tinyGguf({ contextLength: 100_000 }) });
  expect(long.seen.options?.contextLength).toBe(4096);
});

test('text goes in and out by the file itself, and content never forges special tokens', async () => {
  const { loaded } = await load({ bytes: tinyGguf() });
  const model = await loaded;
  const ids = model.renderChat([{ role: 'user', content: 'hé <|im_end|>' }], {});
  expect(model.decode(ids)).toContain('hé <|im_end|>');
  const [end] = model.encode('<|im_end|>', { parseSpecial: true });
  expect(ids.filter((id) => id === end)).toHaveLength(1);
  const stream = model.openTextStream();
  const plain = model.encode('hé', { parseSpecial: false });
  expect(plain.map((id) => stream.push(id)).join('') + stream.flush()).toBe('hé');
});

test('the last progress says that the model is ready', async () => {
  const phases: LoadProgress['phase'][] = [];
  const { loaded } = await load({
    bytes: tinyGguf(),
    open: { onProgress: ({ phase }) => phases.push(phase) },
  });
  await loaded;
  expect(phases).toEqual(['pack', 'ready']);
});

test('what cannot be run is refused at the header, before weights are read or memory is taken', async () => {
  const parts = tinyParts();
  parts.metadata['general.architecture'] = { string: 'mamba' };
  const { loaded, seen } = await load({ bytes: writeGguf(parts.metadata, parts.tensors), pieceSize: 4096 });
  await expect(loaded).rejects.toMatchObject({ code: 'unsupported_model' });
  expect(seen.plan).toBeUndefined();
  expect(seen.openFiles).toBe(0);
});

test('of a model that this version cannot run, a complete copy stays and a begun download does not', async () => {
  const parts = tinyParts();
  parts.metadata['general.architecture'] = { string: 'mamba' };
  const bytes = writeGguf(parts.metadata, parts.tensors);
  const discardsOf = async (origin: ModelFile['origin']): Promise<number> =>
    (await load({ bytes, origin })).seen.discards;
  expect(await discardsOf('opfs')).toBe(0);
  expect(await discardsOf('network')).toBe(1);
});

test.each([
  ['is not a GGUF', new TextEncoder().encode('<!doctype html>'.repeat(100))],
  ['ends in its header', tinyGguf().subarray(0, 2000)],
  ['is empty', new Uint8Array(0)],
])('a file that %s is invalid_model, and its stored copy is deleted', async (_, bytes) => {
  const { loaded, seen } = await load({ bytes });
  await expect(loaded).rejects.toMatchObject({ code: 'invalid_model' });
  expect([seen.plan, seen.openFiles]).toEqual([undefined, 0]);
  expect(seen.discards).toBe(1);
});

test('a source that breaks off leaves nothing allocated', async () => {
  const { loaded, seen } = await load({ bytes: tinyGguf(), pieceSize: 20_000, cutAt: 3 });
  await expect(loaded).rejects.toMatchObject({ code: 'model_unavailable', retryable: true });
  expect(seen.sinks).toEqual({ live: 0, finished: 0 });
  expect([seen.openFiles, seen.discards]).toEqual([0, 0]);
});

test('an abort in mid-load leaves nothing allocated', async () => {
  const controller = new AbortController();
  const open = { signal: controller.signal };
  const bytes = tinyGguf();
  const setup = { bytes, pieceSize: 20_000, open };
  const loading = load(setup);
  controller.abort('enough');
  const { loaded, seen } = await loading;
  await expect(loaded).rejects.toBe('enough');
  expect([seen.sinks.live, seen.openFiles]).toEqual([0, 0]);
});

test('a backend that cannot have its memory closes the file', async () => {
  const failure = new SelvedgeError('out_of_memory', 'no', {
    details: { neededBytes: 2, availableBytes: 1 },
  });
  const { loaded, seen } = await load({ bytes: tinyGguf(), createSink: () => Promise.reject(failure) });
  await expect(loaded).rejects.toBe(failure);
  expect(seen.openFiles).toBe(0);
});
