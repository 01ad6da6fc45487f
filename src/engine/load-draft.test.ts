import { expect, test } from 'vitest';
import { CONTENT } from '../../test/fakes/requests.ts';
import { createTableSession } from '../../test/fakes/table-session.ts';
import type { TableSession } from '../../test/fakes/table-session.ts';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import type { SessionOptions } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import type { LoadOptions, LoadProgress } from '../rpc/protocol.ts';
import type { ModelFile, ModelSource, ModelStore } from '../storage/model-file.ts';
import { createModelLoader } from './load.ts';
import type { LoadedModel } from './loaded-model.ts';

const TARGET = tinyGguf({ layers: 3, seed: 1 });
const DRAFT = tinyGguf({ layers: 1, seed: 2 });
const PIECE = 4096;

/** What became of everything. Files and sinks are told by the order in which they were opened. */
interface Seen {
  opened: string[];
  openFiles: number;
  discarded: string[];
  /** Bytes read, by file that was opened. */
  read: number[];
  sinks: { options: SessionOptions; bytes: number[]; aborted: boolean; session?: TableSession }[];
  progress: LoadProgress[];
}

interface Setup {
  /** Of each time that it is opened; the last for all later ones. Undefined: there is none. */
  draft?: (Uint8Array | undefined)[];
  target?: Uint8Array;
  options?: Partial<LoadOptions>;
  signal?: AbortSignal;
  onRead?: (id: string, time: number) => void;
}

function startLoad(setup: Setup): { loading: Promise<LoadedModel>; seen: Seen } {
  const { target = TARGET, draft = [DRAFT] } = setup;
  const seen: Seen = { opened: [], openFiles: 0, discarded: [], read: [], sinks: [], progress: [] };
  const files: Record<string, (Uint8Array | undefined)[]> = { big: [target], small: draft };
  const store: ModelStore = {
    async open({ id }, { onProgress }) {
      const times = seen.opened.filter((other) => other === id).length;
      const bytes = files[id]?.[Math.min(times, files[id].length - 1)];
      if (!bytes) throw new SelvedgeError('model_unavailable', `404 for ${id}`);
      seen.opened.push(id);
      seen.openFiles += 1;
      const at = seen.read.push(0) - 1;
      return {
        id,
        byteLength: bytes.length,
        origin: 'network',
        kept: true,
        async *read() {
          for (let offset = 0; offset < bytes.length; offset += PIECE) {
            const piece = bytes.subarray(offset, offset + PIECE);
            seen.read[at]! += piece.length;
            setup.onRead?.(id, times);
            const loadedBytes = offset + piece.length;
            onProgress?.({ phase: 'download', loadedBytes, totalBytes: bytes.length, bytesPerSecond: 1 });
            yield { offset, bytes: piece };
          }
        },
        identity: () => `identity of ${id}`,
        close: async () => void (seen.openFiles -= 1),
        discard: async () => void seen.discarded.push(id),
      } satisfies ModelFile;
    },
    openStart: () => Promise.reject(new Error('files are opened')),
    list: async () => [],
    delete: async () => false,
  };
  const loader = createModelLoader(store, async (plan, options) => {
    const sink: Seen['sinks'][number] = { options, bytes: [], aborted: false };
    seen.sinks.push(sink);
    return {
      write: (_, piece) => void sink.bytes.push(...piece),
      async finish() {
        const { vocabSize } = plan.shape;
        return (sink.session = createTableSession({ vocabSize, contextLength: options.contextLength }));
      },
      abort: () => void (sink.aborted = true),
    };
  });
  const source = (id: string): ModelSource => ({ kind: 'url', url: `https://models.test/${id}.gguf`, id });
  const loading = loader.loadModel(
    {
      source: source('big'),
      device: 'cpu' as const,
      draft: source('small'),
      options: { threads: 1, simd: 'auto', kv: 'q8', contextLength: 0, ...setup.options },
      content: CONTENT,
      speculation: null,
    },
    {
      ...(setup.signal ? { signal: setup.signal } : {}),
      onProgress: (progress) => seen.progress.push(progress),
    },
  );
  return { loading, seen };
}

/** Loads what cannot be loaded. */
async function fail(setup: Setup): Promise<{ error: SelvedgeError; seen: Seen }> {
  const { loading, seen } = startLoad(setup);
  const error: unknown = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(seen.openFiles).toBe(0);
  return { error: error as SelvedgeError, seen };
}

/** The draft with one token called otherwise. */
function otherTokens(): Uint8Array {
  const { metadata, tensors } = tinyParts({ layers: 1, seed: 2 });
  const { strings } = metadata['tokenizer.ggml.tokens'] as { strings: string[] };
  metadata['tokenizer.ggml.tokens'] = { strings: strings.with(97, 'other') };
  return writeGguf(metadata, tensors);
}

test('model and draft are loaded one after the other, each with its own bytes', async () => {
  const { loading, seen } = startLoad({});
  const model = await loading;
  expect(model.info).toMatchObject({ id: 'big', byteLength: TARGET.length });
  expect(model.draft).toMatchObject({
    vocabSize: 320,
    info: { id: 'small', architecture: 'llama', byteLength: DRAFT.length, identity: 'identity of small' },
  });
  expect(seen.opened).toEqual(['small', 'big', 'small']);
  const [target, draft] = seen.sinks;
  expect(target!.bytes).toEqual([...TARGET.subarray(TARGET.length - target!.bytes.length)]);
  expect(draft!.bytes).toEqual([...DRAFT.subarray(DRAFT.length - draft!.bytes.length)]);
  expect(model.session).toBe(target!.session);
  expect(model.draft?.session).toBe(draft!.session);
  expect([seen.openFiles, seen.discarded]).toEqual([0, []]);
});

test('of the draft only the header is read before the model', async () => {
  const { loading, seen } = startLoad({});
  await loading;
  expect(seen.read[0]).toBeLessThan(DRAFT.length / 2);
  expect(seen.read.slice(1)).toEqual([TARGET.length, DRAFT.length]);
});

test('the draft runs as the model does, with its context or what it was trained for', async () => {
  const optionsOf = async (draft: Uint8Array): Promise<SessionOptions[]> => {
    const options = { contextLength: 100, kv: 'f32' as const, threads: 2, simd: 'plain' as const };
    const { loading, seen } = startLoad({ draft: [draft], options });
    await loading;
    return seen.sinks.map((sink) => sink.options);
  };
  const [target, draft] = await optionsOf(DRAFT);
  expect(target).toEqual({ contextLength: 100, kv: 'f32', threads: 2, simd: 'plain' });
  expect(draft).toEqual(target);
  const [, short] = await optionsOf(tinyGguf({ layers: 1, contextLength: 64 }));
  expect(short?.contextLength).toBe(64);
});

test('progress counts the bytes of both and says which model it is about', async () => {
  const { loading, seen } = startLoad({});
  await loading;
  const all = TARGET.length + DRAFT.length;
  const steps = seen.progress.map(({ model, phase }) => `${model} ${phase}`);
  expect([...new Set(steps)]).toEqual([
    'big download',
    'big pack',
    'small download',
    'small pack',
    'big ready',
  ]);
  expect(new Set(seen.progress.map(({ totalBytes }) => totalBytes))).toEqual(new Set([all]));
  const loaded = seen.progress.map(({ loadedBytes }) => loadedBytes);
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  expect(loaded.at(-1)).toBe(all);
});

test('a draft that speaks of other tokens is refused before any weights are read, and nothing stored goes', async () => {
  const { error, seen } = await fail({ draft: [otherTokens()] });
  expect(error).toMatchObject({
    code: 'invalid_request',
    details: { param: 'draft', token: 97, target: 'a', draft: 'other' },
  });
  expect(error.message).toContain(`"a" (spelt) in the model 'big' and "other" (spelt) in its draft 'small'`);
  expect(seen.opened).toEqual(['small', 'big']);
  expect(seen.read[1]).toBeLessThan(TARGET.length / 2);
  expect([seen.sinks, seen.discarded]).toEqual([[], []]);
});

test('a draft that is not there is the error, before the model is opened', async () => {
  const { error, seen } = await fail({ draft: [undefined] });
  expect(error).toMatchObject({ code: 'model_unavailable', message: '404 for small' });
  expect(seen.opened).toEqual([]);
});

test('a draft that is no model is deleted; the model is not', async () => {
  const { error, seen } = await fail({ draft: [new TextEncoder().encode('<!doctype html>'.repeat(100))] });
  expect(error.code).toBe('invalid_model');
  expect([seen.opened, seen.discarded]).toEqual([['small'], ['small']]);
});

test('two models that do not fit together are refused with the numbers of both before weights are read', async () => {
  const contextLength = 1 << 22;
  const { error, seen } = await fail({
    target: tinyGguf({ layers: 1, contextLength }),
    draft: [tinyGguf({ layers: 12, contextLength })],
    options: { contextLength, kv: 'f32' },
  });
  const { details } = error;
  expect(error.code).toBe('out_of_memory');
  expect(details['draftBytes']).toBeGreaterThan(Number(details['modelBytes']));
  expect(details['neededBytes']).toBe(Number(details['modelBytes']) + Number(details['draftBytes']));
  expect(seen.sinks).toEqual([]);
});

test('when the draft breaks off, nothing of the model stays either', async () => {
  const { error, seen } = await fail({
    onRead(id, time) {
      if (id === 'small' && time === 1) throw new SelvedgeError('model_unavailable', 'cut');
    },
  });
  expect(error.message).toBe('cut');
  expect(seen.sinks.map(({ session }) => session?.disposed)).toEqual([true]);
});

test('a draft whose file changes while the model is loaded is checked again', async () => {
  const { error, seen } = await fail({ draft: [DRAFT, otherTokens()] });
  expect(error).toMatchObject({ code: 'invalid_request', details: { token: 97 } });
  expect(seen.sinks.map(({ session }) => session?.disposed)).toEqual([true]);
});

test('an abort while the draft is read frees both', async () => {
  const controller = new AbortController();
  let pieces = 0;
  const { error, seen } = await fail({
    signal: controller.signal,
    onRead(id, time) {
      if (id === 'small' && time === 1 && ++pieces === 8) controller.abort('enough');
    },
  });
  expect(error).toBe('enough');
  const [target, draft] = seen.sinks;
  expect([target?.session?.disposed, draft?.session, draft?.aborted]).toEqual([true, undefined, true]);
});
