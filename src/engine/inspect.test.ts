import { expect, test } from 'vitest';
import { writeGguf } from '../../test/models/gguf-writer.ts';
import { tinyGguf, tinyParts } from '../../test/models/tiny-gguf.ts';
import type { LoadOptions, ModelInspection } from '../rpc/protocol.ts';
import type { ModelStore } from '../storage/model-file.ts';
import { inspectModel } from './inspect.ts';

const SPEED = 1e9;

interface Looked {
  inspection: Promise<ModelInspection>;
  /** Bytes that were handed out. */
  read: () => number;
  isReleased: () => boolean;
}

function look(bytes: Uint8Array, options: Partial<LoadOptions> = {}, speed: number | null = SPEED): Looked {
  let read = 0;
  let released = false;
  const store: ModelStore = {
    async openStart() {
      return {
        byteLength: bytes.length,
        async *read() {
          try {
            for (let at = 0; at < bytes.length; at += 1000) {
              const piece = bytes.subarray(at, at + 1000);
              read += piece.length;
              yield piece;
            }
          } finally {
            released = true;
          }
        },
      };
    },
    open: () => Promise.reject(new Error('the weights are not wanted')),
    list: async () => [],
    delete: async () => false,
  };
  const request = {
    source: { kind: 'url' as const, url: 'https://models.test/tiny.gguf', id: 'tiny' },
    options: { threads: 1, simd: 'auto' as const, kv: 'q8' as const, contextLength: 0, ...options },
  };
  const inspection = inspectModel(store, request, async () => speed ?? undefined);
  return { inspection, read: () => read, isReleased: () => released };
}

test('a model is described by its header, and nothing behind it is read', async () => {
  const bytes = tinyGguf({
    architecture: 'qwen2',
    type: 'Q4_1',
    types: { down: 'Q8_0' },
    vocab: 4000,
    contextLength: 512,
  });
  const { inspection, read, isReleased } = look(bytes);
  const found = await inspection;
  expect(found).toMatchObject({
    id: 'tiny',
    name: 'tiny 1',
    byteLength: bytes.length,
    architecture: 'qwen2',
    quantisation: 'Q4_1, Q8_0',
    vocabSize: 4000,
    trainedContextLength: 512,
    hasChatTemplate: true,
    isSupported: true,
    reason: null,
    memory: { fits: true, contextLength: 512, longestContext: 512 },
  });
  expect(Object.keys(found.tensorTypes)).toEqual(['Q4_1', 'Q8_0', 'F32']);
  expect(found.parameterCount).toBeGreaterThan(4000 * 64);
  expect(found.headerBytes).toBe(read());
  expect(read()).toBeLessThan(bytes.length / 2);
  expect(isReleased()).toBe(true);
});

test('memory is that of loading it so', async () => {
  const bytes = tinyGguf({ contextLength: 4096 });
  const bytesOf = async (options: Partial<LoadOptions>): Promise<number | undefined> =>
    (await look(bytes, options).inspection).memory?.kvBytes;
  const long = await bytesOf({ contextLength: 'fit' });
  expect(await bytesOf({ contextLength: 2048 })).toBe(long! / 2);
  expect(await bytesOf({ contextLength: 2048, kv: 'f32' })).toBeGreaterThan(long!);
});

test('speed is bytes read in a second by bytes of a token, or unknown', async () => {
  const { speed } = await look(tinyGguf({ type: 'Q8_0' })).inspection;
  expect(speed?.tokensPerSecond).toBeCloseTo(SPEED / speed!.bytesPerToken);
  // An embedding that is not the head is looked up, not read.
  const apart = await look(tinyGguf({ type: 'Q8_0', tied: false })).inspection;
  expect(apart.speed?.bytesPerToken).toBe(speed?.bytesPerToken);
  expect((await look(tinyGguf(), {}, null).inspection).speed).toBeNull();
});

test.each([
  ['of another architecture', 'general.architecture', { string: 'mamba' }, /mamba/],
  ['with another tokenizer', 'tokenizer.ggml.model', { string: 'rwkv' }, /rwkv/],
  ['with experts', 'llama.expert_count', { u32: 8 }, /expert/],
] as const)(
  'a model %s is described, with the reason why it cannot be run',
  async (_, key, entry, reason) => {
    const { metadata, tensors } = tinyParts();
    const bytes = writeGguf({ ...metadata, [key]: entry }, tensors);
    expect(await look(bytes).inspection).toMatchObject({
      isSupported: false,
      reason: expect.stringMatching(reason),
      quantisation: 'F32',
      vocabSize: 320,
      memory: null,
      speed: null,
    });
  },
);

test('a file of a format that cannot be read says why; what is no model at all is an error', async () => {
  const bytes = tinyGguf();
  bytes[4] = 1;
  expect(await look(bytes).inspection).toMatchObject({
    isSupported: false,
    reason: expect.stringContaining('version 1'),
    architecture: null,
  });
  const invalid = expect.objectContaining({ code: 'invalid_model' });
  await expect(look(new TextEncoder().encode('<!doctype html>')).inspection).rejects.toEqual(invalid);
  await expect(look(tinyGguf().subarray(0, 3000)).inspection).rejects.toEqual(invalid);
});
