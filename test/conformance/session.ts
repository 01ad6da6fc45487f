/**
 * What every `Session` must do, whatever it runs on. Exactness is by bits: replay, prefix reuse and speculation
 * rest on it. `make` gives a fresh session; its context must hold at least 160 tokens, its vocabulary 64.
 */
import { GREEDY } from '../../src/backend/greedy.ts';
import { afterEach, describe, expect, test } from 'vitest';
import { pickToken } from '../../src/backend/sampler.ts';
import type { KvCache, PickRequest, Sampling, Session } from '../../src/backend/session.ts';

const WIDTHS = [...Array.from({ length: 16 }, (_, i) => i + 1), 31, 64, 128];

/** Ids below 64, the same in every run. */
const ids = (count: number, salt = 0): number[] =>
  Array.from({ length: count }, (_, i) => (Math.imul(i + 1 + salt * 977, 2654435761) >>> 8) % 64);

const pickRow = (row: number): PickRequest => ({ row, sampling: GREEDY });

export function describeSession(name: string, make: () => Promise<Session> | Session): void {
  describe(`the session ${name}`, () => {
    let open: Session | undefined;
    const session = async (): Promise<Session> => (open = await make());
    afterEach(() => {
      open?.dispose();
      open = undefined;
    });

    /** Feeds ids in steps of at most `width`; the bits of the last row's logits. */
    async function feed(
      s: Session,
      cache: ReturnType<Session['createCache']>,
      all: number[],
      width = 128,
    ): Promise<string> {
      const block = Math.min(width, s.info().maxBatch);
      for (let start = 0; start < all.length; start += block) {
        const part = all.slice(start, start + block);
        const isLast = start + part.length === all.length;
        await s.step(part, cache, isLast ? [pickRow(part.length - 1)] : []);
      }
      return bits(s.logits(0));
    }

    /** Logits of every row of one step. */
    async function feedRows(s: Session, cache: KvCache, all: number[]): Promise<Float32Array[]> {
      await s.step(
        all,
        cache,
        all.map((_, row) => pickRow(row)),
      );
      return all.map((_, row) => s.logits(row));
    }

    test.each(WIDTHS)('gives a row the same bits in a step of %i ids as in steps of one', async (width) => {
      const s = await session();
      if (width > s.info().maxBatch) return;
      const all = ids(width, 3);
      const single = s.createCache();
      const alone: string[] = [];
      for (const id of all) {
        await s.step([id], single, [pickRow(0)]);
        alone.push(bits(s.logits(0)));
      }
      const together = s.createCache();
      await s.step(
        all,
        together,
        all.map((_, row) => pickRow(row)),
      );
      expect(all.map((_, row) => bits(s.logits(row)))).toEqual(alone);
    });

    test('continues the same after wide steps as after narrow ones', async () => {
      const s = await session();
      const all = ids(140, 5);
      const widths = [1, 7, 31, 64, 128];
      const results: string[] = [];
      for (const width of widths) results.push(await feed(s, s.createCache(), all, width));
      expect(new Set(results).size).toBe(1);
    });

    test('after a rewind gives what it would have given without having gone ahead', async () => {
      const s = await session();
      const beginning = ids(70);
      const direct = s.createCache();
      await feed(s, direct, beginning);
      const expected = await feed(s, direct, ids(20, 1));
      for (const ahead of [1, 5, 64]) {
        const cache = s.createCache();
        await feed(s, cache, [...beginning, ...ids(ahead, 2)]);
        cache.rewind(beginning.length);
        expect(cache.length).toBe(beginning.length);
        expect(await feed(s, cache, ids(20, 1))).toBe(expected);
        cache.dispose();
      }
    });

    test('after steps of the draft view and a rewind, nothing is left of them', async () => {
      const s = await session();
      const beginning = ids(70);
      const plain = s.createCache();
      await feed(s, plain, beginning);
      const expected = await feed(s, plain, ids(20, 1));
      for (const widths of [[1], [1, 1, 1], [3, 1, 64]]) {
        const cache = s.createCache();
        await feed(s, cache, beginning);
        for (const width of widths) {
          const picks = await s.step(ids(width, 2), cache, [pickRow(width - 1)], { view: 'draft' });
          expect(picks.map(({ id }) => id)).toEqual([argmax(s.logits(0))]);
        }
        expect(cache.length).toBe(beginning.length + widths.reduce((sum, width) => sum + width, 0));
        cache.rewind(beginning.length);
        expect(await feed(s, cache, ids(20, 1))).toBe(expected);
        expect(await blocksOf(s, cache)).toEqual(await blocksOf(s, plain));
        cache.dispose();
      }
    });

    test('the draft view gives a row the same bits in a step of many as in steps of one', async () => {
      const s = await session();
      const all = ids(9, 3);
      const begun = s.createCache();
      await feed(s, begun, ids(70));
      const single = begun.fork(70);
      const alone: string[] = [];
      for (const id of all) {
        await s.step([id], single, [pickRow(0)], { view: 'draft' });
        alone.push(bits(s.logits(0)));
      }
      for (const width of [2, 4, 9]) {
        const together = begun.fork(70);
        const rows: string[] = [];
        for (let start = 0; start < all.length; start += width) {
          const part = all.slice(start, start + width);
          const requests = part.map((_, row) => pickRow(row));
          await s.step(part, together, requests, { view: 'draft' });
          rows.push(...part.map((_, row) => bits(s.logits(row))));
        }
        expect(rows).toEqual(alone);
      }
    });

    test('fewer candidates leave the bits of their logits, and keys and values, as they are', async () => {
      const s = await session();
      const all = ids(70);
      const cache = s.createCache();
      const expected = (await feedRows(s, cache, all)).map((row) => bits(row.slice(0, 37)));
      const limited = s.createCache();
      await s.step(all, limited, [0, 33, 69].map(pickRow), { candidates: 37 });
      const rows = [0, 1, 2].map((index) => s.logits(index));
      expect(rows.map(({ length }) => length)).toEqual([37, 37, 37]);
      expect(rows.map(bits)).toEqual([expected[0], expected[33], expected[69]]);
      expect(await feed(s, limited, ids(5, 4))).toBe(await feed(s, cache, ids(5, 4)));
    });

    test('picks are among the candidates, and the same ones where the best is among them', async () => {
      const s = await session();
      const cache = s.createCache();
      const all = ids(40);
      const free = await s.step(
        all,
        cache,
        all.map((_, row) => pickRow(row)),
      );
      for (const sampling of [GREEDY, { ...GREEDY, temperature: 1, topK: 5, statistics: true }]) {
        cache.rewind(0);
        const requests = all.map((_, row) => ({ row, sampling }));
        const picks = await s.step(all, cache, requests, { candidates: 20 });
        expect(Math.max(...picks.map(({ id }) => id))).toBeLessThan(20);
        if (sampling !== GREEDY) continue;
        picks.forEach(({ id }, row) => {
          if (free[row]!.id < 20) expect(id).toBe(free[row]!.id);
        });
      }
    });

    test('a fork and its source go on without touching each other', async () => {
      const s = await session();
      const source = s.createCache();
      await feed(s, source, ids(90));
      const fork = source.fork(70);
      expect([source.length, fork.length]).toEqual([90, 70]);
      const forked = await feed(s, fork, ids(30, 1));
      const went = await feed(s, source, ids(30, 2));

      const fresh = s.createCache();
      await feed(s, fresh, ids(90));
      expect(await feed(s, fresh, ids(30, 2))).toBe(went);
      const other = s.createCache();
      await feed(s, other, ids(90).slice(0, 70));
      expect(await feed(s, other, ids(30, 1))).toBe(forked);
    });

    test('a fork lives on when its source is disposed of', async () => {
      const s = await session();
      const source = s.createCache();
      await feed(s, source, ids(70));
      const fork = source.fork(70);
      source.dispose();
      const other = s.createCache();
      await feed(s, other, ids(80, 4));
      const forked = await feed(s, fork, ids(5, 1));
      const fresh = s.createCache();
      await feed(s, fresh, ids(70));
      expect(await feed(s, fresh, ids(5, 1))).toBe(forked);
    });

    test('a restored snapshot continues as the cache it was taken of', async () => {
      const s = await session();
      const cache = s.createCache();
      await feed(s, cache, ids(75));
      const snapshot = await cache.snapshot();
      const expected = await feed(s, cache, ids(9, 1));
      const restored = s.createCache();
      await feed(s, restored, ids(11, 6));
      restored.restore(snapshot);
      expect(restored.length).toBe(75);
      expect(await feed(s, restored, ids(9, 1))).toBe(expected);
    });

    test('refuses a snapshot that is not its own', async () => {
      const s = await session();
      const cache = s.createCache();
      await feed(s, cache, ids(20));
      const snapshot = await cache.snapshot();
      const code = 'invalid_request';
      expect(() => cache.restore(snapshot.slice(0, snapshot.length - 3))).toThrow(
        expect.objectContaining({ code }),
      );
      expect(() => cache.restore(snapshot.map((byte) => byte ^ 0x55))).toThrow(
        expect.objectContaining({ code }),
      );
    });

    /** Of 150 tokens, of which another cache takes over `count`. */
    const COUNTS = [1, 3, 4, 5, 63, 64, 65, 128, 150];

    test.each(COUNTS)('goes on from blocks of the first %i positions with the same bits', async (count) => {
      const s = await session();
      const { positions } = s.blocks;
      const all = ids(150, 9);
      const source = s.createCache();
      await feed(s, source, all);
      const target = s.createCache();
      for (let start = 0; start < count; start += positions) {
        const part = Math.min(positions, count - start);
        target.appendBlock(await source.exportBlock(start / positions, part), part);
      }
      expect(target.length).toBe(count);
      source.rewind(count);
      expect(await feed(s, target, ids(10, 1))).toBe(await feed(s, source, ids(10, 1)));
      expect(await blocksOf(s, target)).toEqual(await blocksOf(s, source));
    });

    test('a block has the same bytes whatever the cache has held before and holds behind it', async () => {
      const s = await session();
      const all = ids(90, 9);
      const cache = s.createCache();
      await feed(s, cache, [...all.slice(0, 69), ...ids(50, 2)]);
      const ahead = await cache.exportBlock(1, 5);
      cache.rewind(69);
      expect(await cache.exportBlock(1, 5)).toEqual(ahead);
      const other = s.createCache();
      await feed(s, other, [...all.slice(0, 69), ...ids(7, 4)], 31);
      other.rewind(69);
      expect(await other.exportBlock(1, 5)).toEqual(ahead);
    });

    test('a fork that goes on in an appended block leaves its source alone', async () => {
      const s = await session();
      const source = s.createCache();
      await feed(s, source, ids(20));
      const block = await source.exportBlock(0, 20);
      const target = s.createCache();
      target.appendBlock(block, 20);
      await feed(s, target.fork(20), ids(9, 1));
      expect(await target.exportBlock(0, 20)).toEqual(block);
    });

    test('refuses bytes that are no block, and a block beyond the context', async () => {
      const s = await session();
      const { positions } = s.blocks;
      const source = s.createCache();
      await feed(s, source, ids(positions, 9));
      const block = await source.exportBlock(0, positions);
      const cache = s.createCache();
      const invalid = expect.objectContaining({ code: 'invalid_request' });
      expect(() => cache.appendBlock(block.subarray(0, block.length - 1), positions)).toThrow(invalid);
      expect(() => cache.appendBlock(block, positions - 4)).toThrow(invalid);
      expect(() => cache.appendBlock(block, positions + 1)).toThrow(invalid);
      expect(() => cache.appendBlock(new Uint8Array(0), 0)).toThrow(invalid);
      expect(cache.length).toBe(0);
      const fitting = Math.floor(s.info().contextLength / positions);
      for (let i = 0; i < fitting; i++) cache.appendBlock(block, positions);
      expect(() => cache.appendBlock(block, positions)).toThrow(
        expect.objectContaining({ code: 'context_length_exceeded' }),
      );
      expect(cache.length).toBe(fitting * positions);
    });

    test('a full context is an error that leaves the cache as it was', async () => {
      const s = await session();
      const { contextLength } = s.info();
      const all = ids(contextLength - 3, 7);
      const cache = s.createCache();
      await feed(s, cache, all);
      await expect(s.step(ids(4, 1), cache, [pickRow(3)])).rejects.toMatchObject({
        code: 'context_length_exceeded',
      });
      expect(cache.length).toBe(all.length);
      const after = await feed(s, cache, ids(3, 2));
      expect(cache.length).toBe(contextLength);
      const fresh = s.createCache();
      await feed(s, fresh, all);
      expect(await feed(s, fresh, ids(3, 2))).toBe(after);
    });

    test('returns one pick for each request, in the order of the requests', async () => {
      const s = await session();
      const all = ids(12);
      const rows = [11, 0, 5, 5];
      const picks = await s.step(all, s.createCache(), rows.map(pickRow));
      expect(picks.map(({ id }) => id)).toEqual(rows.map((_, i) => argmax(s.logits(i))));
      expect(bits(s.logits(2))).toBe(bits(s.logits(3)));
    });

    test('picks what the sampler picks from its logits, whatever the parameters', async () => {
      const s = await session();
      const all = ids(24);
      const cache = s.createCache();
      await s.step(all, cache, []);
      const sampled = { ...GREEDY, temperature: 1, seed: 77 };
      const seen = { prompt: new Set(all), output: new Map([[all[0]!, 2]]) };
      const samplings: Sampling[] = [
        sampled,
        { ...sampled, choice: 3, temperature: 2.5 },
        { ...sampled, minP: 0.2 },
        { ...sampled, topK: 7, temperature: 5 },
        { ...sampled, topP: 0.6, statistics: true },
        { ...sampled, topK: 30, topP: 0.8, minP: 0.01, temperature: 0.7 },
        { ...sampled, bias: new Map([[5, 4.3]]), seen, repetitionPenalty: 1.3, frequencyPenalty: 0.4 },
        { ...GREEDY, bias: new Map([[9, -3]]), seen, repetitionPenalty: 0.7, presencePenalty: -1 },
      ];
      const requests = [...samplings, ...samplings].map((sampling, row) => ({ row, sampling }));
      const picks = await s.step(ids(requests.length, 3), cache, requests);
      const expected = requests.map(
        ({ row, sampling }, i) => pickToken(s.logits(i), sampling, all.length + row + 1).id,
      );
      expect(picks.map(({ id }) => id)).toEqual(expected);
    });

    test('picks nothing when nothing is asked for', async () => {
      const s = await session();
      const cache = s.createCache();
      expect(await s.step(ids(5), cache, [])).toEqual([]);
      expect(cache.length).toBe(5);
    });

    test('seeded picks depend on position and choice, not on how the tokens were fed', async () => {
      const s = await session();
      const all = ids(24, 8);
      const sampling = { ...GREEDY, temperature: 1.5, seed: 77 };
      const whole = await s.step(
        all,
        s.createCache(),
        all.map((_, row) => ({ row, sampling })),
      );
      const cache = s.createCache();
      const single: number[] = [];
      for (const id of all) single.push((await s.step([id], cache, [{ row: 0, sampling }]))[0]!.id);
      expect(whole.map(({ id }) => id)).toEqual(single);
      const choices = [0, 1, 2, 3, 4, 5, 6, 7].map((choice) => ({
        row: 23,
        sampling: { ...sampling, choice },
      }));
      const picks = await s.step(all, s.createCache(), choices);
      expect(new Set(picks.map(({ id }) => id)).size).toBeGreaterThan(1);
    });

    test('statistics are of the raw logits', async () => {
      const s = await session();
      const sampling = { ...GREEDY, statistics: true, topCount: 3, bias: new Map([[7, 100]]) };
      const [pick] = await s.step(ids(9), s.createCache(), [{ row: 8, sampling }]);
      const logits = s.logits(0);
      expect(pick?.id).toBe(7);
      const largest = Math.max(...logits);
      const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
      expect(pick?.logprob).toBeCloseTo(logits[7]! - largest - Math.log(sum), 4);
      expect(pick?.top?.[0]?.id).toBe(argmax(logits));
      expect(pick?.top).toHaveLength(3);
    });

    test('counts the memory of its caches', async () => {
      const s = await session();
      const cache = s.createCache();
      await feed(s, cache, ids(100));
      expect(cache.byteLength).toBeGreaterThan(0);
      const { kvBytes, totalBytes } = s.info().memory;
      expect(kvBytes).toBeGreaterThanOrEqual(cache.byteLength);
      expect(totalBytes).toBeGreaterThanOrEqual(kvBytes);
    });
  });
}

/** Of all blocks, the open one included: equal strings are equal bytes. */
function blocksOf(session: Session, cache: KvCache): Promise<string[]> {
  const { positions } = session.blocks;
  const blocks = Array.from({ length: Math.ceil(cache.length / positions) }, async (_, i) => {
    const block = await cache.exportBlock(i, Math.min(positions, cache.length - i * positions));
    return bits(new Float32Array(block.buffer));
  });
  return Promise.all(blocks);
}

/** Equal strings are equal bits, -0 and NaN included. */
function bits(logits: Float32Array): string {
  const words = new Uint32Array(logits.buffer, logits.byteOffset, logits.length);
  let hash = 0x811c9dc5;
  let other = 0;
  for (const word of words) {
    hash = Math.imul(hash ^ word, 0x01000193);
    other = (Math.imul(other, 31) + (word ^ (word >>> 15))) | 0;
  }
  return `${hash >>> 0} ${other >>> 0} ${words.length}`;
}

function argmax(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits));
}
