/**
 * What the draft view of a cache reads: the upper four bits of every key and value, with the middle of what is left out.
 *
 * The reference is the whole view of a cache whose bytes were changed so. The row's own key and value are not in that cache
 * beforehand, so they are made zero: one layer, and a token whose embedding is zero, with a query that is all bias.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { KvCache, Session, SessionOptions } from '../../src/backend/session.ts';
import { blockLayout } from '../../src/backend/page-blocks.ts';
import { partings, pickRow, rowsOf, sameBits, someIds } from '../kernels/feeding.ts';
import { ROPE, madeModel } from '../kernels/made-model.ts';
import type { MadeModel, MadeOptions } from '../kernels/made-model.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';

const BLANK = 255;
const LENGTH = 330;
/** All pairs turn quickly, so that nothing is taken off the keys: the blank token's stays zero. */
const ropes = [{ ...ROPE, base: 50 }];
const made = (shape: MadeOptions['shape'] = {}): MadeModel =>
  madeModel({ shape: { ropes, layerCount: 1, ...shape }, with: ['query-bias'], biasSpread: 2 });

const MODELS: Record<string, MadeModel> = {
  'heads of 32': blankToken(made()),
  'heads of 128, two to a key': blankToken(
    made({ headSize: 128, headCount: 4, kvHeadCount: 2, ropes: [{ ...ropes[0]!, size: 128 }] }),
  ),
  'a window': blankToken(made({ layers: [{ window: 100, rope: 0 }] })),
};

/** The model with an embedding of zeros for the blank token. */
function blankToken({ plan, bytes }: MadeModel): MadeModel {
  const embedding = plan.tensors.find(({ role }) => role === 'embedding')!;
  const rowBytes = embedding.byteLength / embedding.rows;
  const changed = bytes.slice();
  const start = embedding.fileOffset + BLANK * rowBytes;
  changed.fill(0, start, start + rowBytes);
  return { plan, bytes: changed };
}

/** The same positions with the lower four bits of every key and value set to 8, in a new cache. */
async function coarsened(session: Session, { plan }: MadeModel, cache: KvCache): Promise<KvCache> {
  const { units, sections } = blockLayout(plan.shape, 'q8');
  const out = session.createCache();
  const { positions } = session.blocks;
  for (let start = 0; start < cache.length; start += positions) {
    const count = Math.min(positions, cache.length - start);
    const block = await cache.exportBlock(start / positions, count);
    const quads = Math.ceil(count / 4);
    let at = 0;
    for (let unit = 0; unit < units; unit++) {
      sections.forEach(({ quadBytes }, section) => {
        const end = at + quads * quadBytes;
        for (; at < end; at++) if (section < 2) block[at] = (block[at]! & 0xf0) | 8;
      });
    }
    out.appendBlock(block, count);
  }
  return out;
}

const room = kernelRoom();
afterAll(() => room.close());

const WAYS: [string, Partial<SessionOptions>, boolean][] = [
  ['one thread', { threads: 1 }, true],
  ['two threads, a dot of seven bits', { threads: 2 }, false],
  ['plain SIMD', { threads: 1, simd: 'plain' }, true],
];

describe.each(Object.entries(MODELS))('the draft view (%s)', (_, model) => {
  test.each(WAYS)('reads the upper four bits of keys and values (%s)', async (__, options, wideDot) => {
    const session = await room.open(model, options, wideDot ? {} : { wideDot: false });
    const ids = someIds(LENGTH).filter((id) => id !== BLANK);
    for (const length of [1, 63, 64, 255, 256, ids.length]) {
      const cache = session.createCache();
      await rowsOf(session, ids.slice(0, length), 128, cache);
      const reference = await coarsened(session, model, cache);
      await session.step([BLANK], reference, [pickRow(0)]);
      const expected = session.logits(0);
      const whole = cache.fork(length);
      await session.step([BLANK], whole, [pickRow(0)]);
      const seenWhole = session.logits(0);
      await session.step([BLANK], cache, [pickRow(0)], { view: 'draft' });
      expect(sameBits(session.logits(0), expected), `at ${length}`).toBe(true);
      expect(sameBits(seenWhole, expected), `at ${length}`).toBe(false);
    }
    session.dispose();
  });
});

test('the draft view has the same bits in every twin that rounds alike, with any number of threads', async () => {
  const bytes = tinyGguf({ type: 'Q4_1', hidden: 192, heads: 3, kvHeads: 1, ffn: 256, contextLength: 1024 });
  const rowsWith = async (threads: number, width: number, wideDot = true): Promise<Float32Array[]> => {
    const session = await room.open(bytes, { threads }, wideDot ? {} : { wideDot });
    const rows: Float32Array[] = [];
    const cache = session.createCache();
    const ids = someIds(LENGTH);
    for (let start = 0; start < ids.length; start += width) {
      const part = ids.slice(start, start + width);
      const requests = part.map((__, row) => pickRow(row));
      await session.step(part, cache, requests, { view: 'draft' });
      rows.push(...part.map((__, row) => session.logits(row)));
    }
    session.dispose();
    return rows;
  };
  const alone = await rowsWith(1, 1);
  expect(partings(alone, await rowsWith(1, 128))).toEqual([]);
  expect(partings(alone, await rowsWith(2, 1))).toEqual([]);
  expect(partings(alone, await rowsWith(3, 5, false))).toEqual([]);
});

test('where keys and values are f32, the draft view reads all of them', async () => {
  const session = await room.open(made(), { kv: 'f32' });
  const cache = session.createCache();
  const expected = await rowsOf(session, someIds(70), 128, cache);
  cache.rewind(69);
  await session.step([someIds(70)[69]!], cache, [pickRow(0)], { view: 'draft' });
  expect(sameBits(session.logits(0), expected[69]!)).toBe(true);
  session.dispose();
});
