/**
 * Greedy picks through the sketch of a head are those of all logits, whatever the head: rows that only their lowest bits tell
 * apart, equal ones, outliers, more room than tokens. Logits that are asked for afterwards have the same bits as ever.
 */
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { GREEDY } from '../../src/backend/greedy.ts';
import type { SketchType } from '../../src/backend/wasm/head-sketch.ts';
import type { SessionOptions, StepOptions } from '../../src/backend/session.ts';
import type { Changes } from '../kernels/calls.ts';
import { pickRow, sameBits, someIds } from '../kernels/feeding.ts';
import { madeModel } from '../kernels/made-model.ts';
import type { MadeModel } from '../kernels/made-model.ts';
import { kernelRoom } from '../kernels/remote-session.ts';
import type { RemoteSession } from '../kernels/remote-session.ts';
import { argmax } from '../models/compare-logits.ts';
import { seeded } from '../models/random.ts';
import type { Random } from '../models/random.ts';

const room = kernelRoom();
let session: RemoteSession | undefined;
afterEach(() => {
  session?.dispose();
  session = undefined;
});
afterAll(() => room.close());

/** Not a multiple of 16: the last group has rows that are no tokens. */
const TOKENS = 1003;
const COLUMNS = 96;
const ROW_BYTES = (COLUMNS / 32) * 34;

/** Changes the head's rows, each given as its blocks of f16 scale and 32 quants. */
function withHead(change: (rows: DataView[], random: Random) => void): MadeModel {
  const shape = { hiddenSize: COLUMNS, headCount: 3, tiedHead: false, vocabSize: TOKENS };
  const { plan, bytes } = madeModel({ shape, type: 'Q8_0' });
  const { fileOffset } = plan.tensors.find(({ role }) => role === 'head')!;
  const rows = Array.from(
    { length: TOKENS },
    (_, row) => new DataView(bytes.buffer, fileOffset + row * ROW_BYTES, ROW_BYTES),
  );
  change(rows, seeded(7));
  return { plan, bytes };
}

function copyRow(from: DataView, to: DataView): void {
  for (let at = 0; at < ROW_BYTES; at++) to.setInt8(at, from.getInt8(at));
}

/** Adds up to `most` to every quant, up or down; `sign` turns the row around first. */
function shake(row: DataView, random: Random, most: number, sign = 1): void {
  for (let at = 0; at < ROW_BYTES; at++) {
    if (at % 34 < 2) continue;
    const quant = sign * row.getInt8(at) + random.below(2 * most + 1) - most;
    row.setInt8(at, Math.max(-128, Math.min(127, quant)));
  }
}

/** All rows are nearly the first: their logits have one sign, and rows that are no tokens would win or lose against them all. */
const alike = (sign: number): MadeModel =>
  withHead((rows, random) => {
    const [first] = rows;
    for (const row of rows) {
      copyRow(first!, row);
      shake(row, random, 3, sign);
    }
  });

const HEADS: Record<string, MadeModel> = {
  'any rows': withHead(() => {}),
  'rows that nearly are one': alike(1),
  'rows that nearly are its opposite': alike(-1),
  // Nothing is left out: only the rounding of activations parts the sketch from the head.
  'rows that the sketch holds whole': withHead((rows, random) => {
    const [first] = rows;
    for (let at = 0; at < ROW_BYTES; at++) {
      if (at % 34 >= 2) first!.setInt8(at, 16 * (random.below(9) - 4));
    }
    for (const row of rows.slice(1)) {
      copyRow(first!, row);
      for (let i = 0; i < 3; i++) {
        const at = 34 * random.below(COLUMNS / 32) + 2 + random.below(32);
        row.setInt8(at, row.getInt8(at) + 16 * (random.below(3) - 1));
      }
    }
  }),
  'equal rows': withHead((rows) => rows.forEach((row, i) => copyRow(rows[i % 50]!, row))),
  outliers: withHead((rows, random) => {
    for (const row of rows) {
      const block = 34 * random.below(COLUMNS / 32);
      // An f16 of 2^10 times as much.
      if (random.below(20) === 0) row.setUint16(block, row.getUint16(block, true) + (10 << 10), true);
    }
  }),
};

const WAYS: [SketchType, Partial<SessionOptions>][] = [
  ['Q4_0', { threads: 2 }],
  ['Q5_0', { threads: 1 }],
  ['Q4_0', { threads: 1, simd: 'plain' }],
  ['Q5_0', { threads: 2, simd: 'plain' }],
];

async function open(
  model: MadeModel,
  options: Partial<SessionOptions>,
  changes?: Changes,
): Promise<RemoteSession> {
  session = await room.open(model, options, changes);
  return session;
}

/** Steps of 5 and of one token. How many picks were not the first of the largest logits, and those logits. */
async function picksOf(
  live: RemoteSession,
  options: StepOptions = {},
): Promise<{ wrong: number; logits: Float32Array[] }> {
  const cache = live.createCache();
  const ids = someIds(45);
  const logits: Float32Array[] = [];
  let wrong = 0;
  for (let start = 0; start < ids.length; start += start < 15 ? 5 : 1) {
    const part = ids.slice(start, start < 15 ? start + 5 : start + 1);
    const [pick] = await live.step(part, cache, [pickRow(part.length - 1)], options);
    const row = live.logits(0);
    logits.push(row);
    wrong += pick!.id === argmax(row) ? 0 : 1;
  }
  cache.dispose();
  return { wrong, logits };
}

describe.each(Object.entries(HEADS))('%s', (_, model) => {
  test.each(WAYS)('the best token is found by a sketch in %s (%o)', async (type, options) => {
    const live = await open(model, options);
    const before = await picksOf(live);
    live.sketchHead(type);
    const after = await picksOf(live);
    expect(after.wrong).toBe(0);
    expect(after.logits.filter((row, i) => !sameBits(row, before.logits[i]!))).toEqual([]);
    expect((await picksOf(live, { candidates: 500 })).wrong).toBe(0);
  });
});

/**
 * A head for activations `x`: one token has all its weights in what the sketch leaves out, each as large as can be and with the sign
 * of its column; another is held whole and has five sixths of its logit; all others are zero.
 */
function hiding(x: Float32Array, type: SketchType): MadeModel {
  const unit = type === 'Q4_0' ? 16 : 8;
  return withHead((rows) => {
    for (const row of rows) for (let at = 0; at < ROW_BYTES; at++) if (at % 34 >= 2) row.setInt8(at, 0);
    let missing = 0;
    for (const row of rows) for (let at = 0; at < ROW_BYTES; at += 34) row.setUint16(at, 0x2400, true);
    x.forEach((value, c) => {
      rows[HIDDEN]!.setInt8(placeOf(c), Math.sign(value) * (unit / 2 - 1));
      missing += (5 / 6) * (unit / 2 - 1) * Math.abs(value);
    });
    x.forEach((value, c) => {
      if (missing < unit * Math.abs(value)) return;
      rows[SEEN]!.setInt8(placeOf(c), Math.sign(value) * unit);
      missing -= unit * Math.abs(value);
    });
  });
}

const [HIDDEN, SEEN] = [700, 100];
/** Where a row has the quant of a column. */
const placeOf = (column: number): number => Math.floor(column / 32) * 34 + 2 + (column % 32);

test.each(WAYS)(
  'a token that the sketch hides as well as it can is found (%s, %o)',
  async (type, options) => {
    const ids = someIds(9);
    const pickOf = async (
      model: MadeModel,
      isSketched: boolean,
    ): Promise<{ id: number; logits: Float32Array }> => {
      const live = await open(model, options);
      if (isSketched) live.sketchHead(type);
      const [pick] = await live.step(ids, live.createCache(), [pickRow(8)]);
      const logits = live.logits(0);
      live.dispose();
      session = undefined;
      return { id: pick!.id, logits };
    };
    const eachColumn = withHead((rows) => {
      rows.forEach((row, c) => {
        for (let at = 0; at < ROW_BYTES; at++) if (at % 34 >= 2) row.setInt8(at, 0);
        if (c < COLUMNS) row.setInt8(placeOf(c), 127);
        for (let at = 0; at < ROW_BYTES; at += 34) row.setUint16(at, 0x2400, true);
      });
    });
    const x = (await pickOf(eachColumn, false)).logits.slice(0, COLUMNS);
    const { id, logits } = await pickOf(hiding(x, type), true);
    expect(logits[SEEN]! / logits[HIDDEN]!).toBeGreaterThan(0.75);
    expect(id).toBe(HIDDEN);
  },
);

test('the same test fails where the sketch is trusted without its bounds', async () => {
  const live = await open(HEADS['rows that nearly are one']!, { threads: 2 }, { sketchBounds: false });
  live.sketchHead('Q4_0');
  expect((await picksOf(live)).wrong).toBeGreaterThan(0);
});

test('what is not greedy reads the head as ever, in the same session', async () => {
  const live = await open(HEADS['any rows']!, { threads: 2 });
  live.sketchHead('Q4_0');
  const cache = live.createCache();
  const sampling = { ...GREEDY, statistics: true, topCount: 2 };
  const [pick] = await live.step(someIds(3), cache, [{ row: 2, sampling }]);
  const logits = live.logits(0);
  expect(pick!.id).toBe(argmax(logits));
  expect(pick!.top!.map(({ id }) => id)[0]).toBe(pick!.id);
  const picks = await live.step(someIds(3), cache, [pickRow(0), pickRow(2)]);
  expect(picks.map(({ id }) => id)).toEqual([0, 1].map((i) => argmax(live.logits(i))));
});

describe('a session', () => {
  /** Greedy steps, and how much scratch has grown. */
  async function grownBy(model: MadeModel, changes?: Changes): Promise<{ wrong: number; grown: number }> {
    const live = await open(model, { threads: 2 }, changes);
    const before = live.info().memory.scratchBytes;
    // Keys and values that make memory grow.
    const cache = live.createCache();
    for (let block = 0; block < 8; block++) await live.step(someIds(128), cache, []);
    const { wrong } = await picksOf(live);
    return { wrong, grown: live.info().memory.scratchBytes - before };
  }

  /** Views of a memory that is not shared end where it grows. */
  const memories: [string, Changes][] = [
    ['shared', {}],
    ['not shared', { sharedMemory: false }],
  ];

  test.each(memories)(
    'draws a sketch by itself where few tokens come near the best (memory %s)',
    async (_, changes) => {
      const model = withHead((rows) => {
        // All but a few rows are a sixteenth of what they were.
        rows.forEach((row, i) => {
          for (let at = 0; at < ROW_BYTES && i >= 8; at += 34)
            row.setUint16(at, row.getUint16(at, true) - (4 << 10), true);
        });
      });
      const { wrong, grown } = await grownBy(model, changes);
      expect(wrong).toBe(0);
      expect(grown).toBeGreaterThan(0);
      expect(grown).toBeLessThan(TOKENS * ROW_BYTES);
    },
  );

  test.each(memories)(
    'does not where it would read most of it all the same (memory %s)',
    async (_, changes) => {
      expect(await grownBy(HEADS['rows that nearly are one']!, changes)).toEqual({ wrong: 0, grown: 0 });
    },
  );
});
