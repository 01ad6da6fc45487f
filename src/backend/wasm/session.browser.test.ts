/**
 * What the session of the kernels does at its edges, beyond what every session must (test/conformance/session.ts): foreign
 * snapshots, ids that are none, more picks than rows, tokens without any content, steps after the end.
 */
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { partings, pickRow, rowsOf, sameBits, someIds } from '../../../test/kernels/feeding.ts';
import { kernelRoom } from '../../../test/kernels/remote-session.ts';
import type { RemoteSession } from '../../../test/kernels/remote-session.ts';
import { writeGguf } from '../../../test/models/gguf-writer.ts';
import { tinyGguf, tinyParts } from '../../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../../test/models/tiny-gguf.ts';
import type { SessionOptions } from '../session.ts';

const room = kernelRoom();
let session: RemoteSession | undefined;
afterEach(() => {
  session?.dispose();
  session = undefined;
});
afterAll(() => room.close());

async function open(
  model: Partial<TinyOptions> | Uint8Array,
  options: Partial<SessionOptions> = {},
): Promise<RemoteSession> {
  session?.dispose();
  const bytes = model instanceof Uint8Array ? model : tinyGguf(model);
  session = await room.open(bytes, options);
  return session;
}

const invalid = expect.objectContaining({ code: 'invalid_request' });

describe('a snapshot is refused', () => {
  async function snapshotOf(
    model: Partial<TinyOptions>,
    options: Partial<SessionOptions> = {},
  ): Promise<Uint8Array> {
    const s = await open(model, options);
    const cache = s.createCache();
    await s.step(someIds(70), cache, []);
    return await cache.snapshot();
  }

  test.each(['q8', 'f32'] as const)(
    'wherever it was cut, and when its header was changed (%s)',
    async (kv) => {
      const snapshot = await snapshotOf({ type: 'Q4_1' }, { kv });
      const cache = session!.createCache();
      await session!.step(someIds(3), cache, []);
      for (const length of [0, 3, 4, 31, 32, 33, snapshot.length >> 1, snapshot.length - 1]) {
        expect(() => cache.restore(snapshot.slice(0, length)), `${length} bytes`).toThrow(invalid);
      }
      const longer = new Uint8Array(snapshot.length + 1);
      longer.set(snapshot);
      expect(() => cache.restore(longer)).toThrow(invalid);
      for (let at = 0; at < 32; at++) {
        const changed = snapshot.map((byte, i) => (i === at ? byte ^ 0x80 : byte));
        // A length of 70 that becomes another of as many pages cannot be told from it.
        if (at !== 28) expect(() => cache.restore(changed), `byte ${at}`).toThrow(invalid);
      }
      expect(cache.length).toBe(3);
      cache.restore(snapshot);
      expect(cache.length).toBe(70);
    },
  );

  test.each([
    ['another seed', {}, { seed: 2 }, {}],
    ['another number of layers', {}, { layers: 3 }, {}],
    ['other heads', {}, { hidden: 128, heads: 4, kvHeads: 2 }, {}],
    ['f32 keys and values', {}, {}, { kv: 'f32' }],
    ['a shorter context', {}, {}, { contextLength: 69 }],
  ] as const)('by a session of %s', async (_, options, otherModel, otherOptions) => {
    const snapshot = await snapshotOf({ type: 'Q4_1' }, options);
    const other = await open({ type: 'Q4_1', ...otherModel }, otherOptions);
    const cache = other.createCache();
    expect(() => cache.restore(snapshot)).toThrow(invalid);
    expect(cache.length).toBe(0);
  });

  test('and taken by another session of the same model, which goes on with the same bits', async () => {
    for (const kv of ['q8', 'f32'] as const) {
      const snapshot = await snapshotOf({ type: 'Q4_1' }, { kv });
      const first = session!.createCache();
      first.restore(snapshot);
      const expected = await rowsOf(session!, someIds(9, 1), 9, first);
      const other = await open({ type: 'Q4_1' }, { kv, threads: 2 });
      const second = other.createCache();
      second.restore(snapshot);
      expect(partings(expected, await rowsOf(other, someIds(9, 1), 1, second))).toEqual([]);
    }
  });
});

test('the format of blocks is the same for any number of threads and tells apart whatever changes bits', async () => {
  const formatOf = async (
    model: Partial<TinyOptions> = {},
    options: Partial<SessionOptions> = {},
  ): Promise<string> => (await open({ type: 'Q4_1', ...model }, options)).blocks.format;
  const format = await formatOf();
  expect(await formatOf({}, { threads: 2, contextLength: 500 })).toBe(format);
  const others = [
    await formatOf({ seed: 2 }),
    await formatOf({ layers: 3 }),
    await formatOf({}, { kv: 'f32' }),
    await formatOf({ seed: 2 }, { kv: 'f32' }),
    await formatOf({}, { simd: 'plain' }),
  ];
  expect(new Set([format, ...others]).size).toBe(6);
});

test('an id that is not in the vocabulary is refused, and the cache stays as it was', async () => {
  const s = await open({ type: 'Q4_1', vocab: 333 });
  const cache = s.createCache();
  await s.step([1, 2, 3], cache, []);
  for (const id of [-1, 333, 2 ** 31]) {
    await expect(s.step([5, id], cache, [pickRow(1)]), `id ${id}`).rejects.toEqual(invalid);
  }
  expect(cache.length).toBe(3);
  const [after] = await rowsOf(s, [332], 1, cache);
  const rows = await rowsOf(s, [1, 2, 3, 332]);
  expect(sameBits(after!, rows[3]!)).toBe(true);
});

test('a step has 1 to maxBatch ids', async () => {
  const s = await open({ type: 'Q4_1' });
  const cache = s.createCache();
  const { maxBatch } = s.info();
  await expect(s.step([], cache, [])).rejects.toThrow('0');
  await expect(s.step(someIds(maxBatch + 1), cache, [])).rejects.toThrow(String(maxBatch + 1));
  expect(cache.length).toBe(0);
});

test('a row can be picked from as often as there are choices, 128', async () => {
  const s = await open({ type: 'Q4_1' }, { threads: 2 });
  const ids = someIds(6);
  const picks = await s.step(
    ids,
    s.createCache(),
    Array.from({ length: 128 }, () => pickRow(5)),
  );
  expect(new Set(picks.map(({ id }) => id)).size).toBe(1);
  const [alone] = [s.logits(0)];
  const rows = await rowsOf(s, ids);
  expect(sameBits(alone, rows[5]!)).toBe(true);
});

describe('a sequence that begins with a token whose embedding is all zeros', () => {
  async function partingsWith(kv: 'q8' | 'f32'): Promise<number[]> {
    const { metadata, tensors } = tinyParts({ type: 'Q8_0' });
    const blank = tensors.map((tensor) => {
      if (tensor.name !== 'token_embd.weight') return tensor;
      const bytes = tensor.bytes.slice();
      bytes.fill(0, 0, bytes.length / tensor.dims[1]!);
      return { ...tensor, bytes };
    });
    const s = await open(writeGguf(metadata, blank), { kv });
    const ids = [0, ...someIds(7)];
    return partings(await rowsOf(s, ids), await rowsOf(s, ids, 1));
  }

  test.each(['f32', 'q8'] as const)('has the same bits in any step (%s)', async (kv) => {
    expect(await partingsWith(kv)).toEqual([]);
  });
});
