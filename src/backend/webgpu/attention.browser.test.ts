/**
 * Attention on the GPU against its definition in doubles, over what the cache holds: any heads, rotations, windows, steps of
 * every width begun at the bounds of pages and splits; and the caches, which no other touches.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seeded } from '../../../test/models/random.ts';
import { undoneHadamard } from '../../../test/models/hadamard.ts';
import { rotate } from '../../../test/models/reference-rotation.ts';
import { unpackSnapshot, snapshotFormat } from '../kv-snapshot.ts';
import { rotationOf } from '../rotation.ts';
import type { LayerShape, ModelShape, RopeShape } from '../session.ts';
import { createAttention } from './attention.ts';
import type { Attention } from './attention.ts';
import { encode } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import { openGpu } from './gpu.ts';
import type { Gpu } from './gpu.ts';
import type { GpuCache } from './kv-cache.ts';
import { MAX_ROWS, STEP_BYTES, stepWords } from './step.ts';

/** Software GPUs compile slowly. */
const PATIENCE_MS = 60_000;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu(navigator.gpu);
}, PATIENCE_MS);
afterAll(() => {
  gpu.check();
  gpu.destroy();
});

const NO_FACTORS = { plain: undefined, long: undefined, short: undefined };
const YARN: RopeShape['scaling'] = {
  kind: 'yarn',
  factor: 4,
  originalContext: 64,
  extrapolation: 1,
  attention: 1.1,
  betaFast: 32,
  betaSlow: 1,
};

interface Case {
  heads: number;
  kvHeads: number;
  headSize: number;
  kv: 'q8' | 'f32';
  rope?: Partial<RopeShape>;
  layers?: LayerShape[];
  contextLength?: number;
  norms?: boolean;
  softCap?: number;
  length?: number;
}

const CASES: Record<string, Case> = {
  'q8, three heads share a key of 64': { heads: 6, kvHeads: 2, headSize: 64, kv: 'q8' },
  'f32, a key for each head of 32': { heads: 2, kvHeads: 2, headSize: 32, kv: 'f32' },
  'q8, seven heads share a key, halves, norms, a window': {
    heads: 7,
    kvHeads: 1,
    headSize: 64,
    kv: 'q8',
    norms: true,
    rope: { pairs: 'halves' },
    layers: [{ window: 70, rope: 0 }],
  },
  'f32, heads of 96 of which 64 dims turn, a window of a page, a soft cap, yarn': {
    heads: 4,
    kvHeads: 1,
    headSize: 96,
    kv: 'f32',
    rope: { size: 64, pairs: 'halves', scaling: YARN },
    layers: [{ window: 64, rope: 0 }],
    softCap: 3,
  },
  'q8, heads of 256, no rotation': {
    heads: 2,
    kvHeads: 1,
    headSize: 256,
    kv: 'q8',
    layers: [{ window: 0, rope: -1 }],
    length: 140,
  },
  'f32, five heads share a key of 32, splits of two pages': {
    heads: 5,
    kvHeads: 1,
    headSize: 32,
    kv: 'f32',
    contextLength: 16_384,
    layers: [{ window: 200, rope: 0 }],
  },
};

function modelOf({ heads, kvHeads, headSize, rope, layers, contextLength = 512 }: Case): ModelShape {
  const all = layers ?? [{ window: 0, rope: 0 }];
  return {
    architecture: 'made',
    layerCount: all.length,
    hiddenSize: 64,
    headCount: heads,
    kvHeadCount: kvHeads,
    headSize,
    ffnSize: 64,
    vocabSize: 64,
    contextLength,
    normEpsilon: 1e-5,
    ropes: [{ base: 10_000, size: headSize, pairs: 'neighbours', scaling: { kind: 'none' }, ...rope }],
    layers: all,
    activation: 'silu',
    scales: { embedding: 1, attention: 1 / Math.sqrt(headSize), residual: 1, logits: 1 },
    tiedHead: true,
  };
}

/** Attention of one model with nothing around it: rows of queries, keys and values go in, attended rows come out. */
interface Stage {
  attention: Attention;
  /** A step of rows `start` to `end` of `rows` in `layer`. */
  step(cache: GpuCache, rows: Float32Array<ArrayBuffer>[], layer?: number): Promise<Float32Array[]>;
  close(): void;
}

async function openStage(model: ModelShape, one: Case, norms: Norms): Promise<Stage> {
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC, MAP_READ } = USE;
  const { headCount, kvHeadCount, headSize } = model;
  const width = headCount * headSize;
  const rowFloats = width + 2 * kvHeadCount * headSize;
  const step = gpu.createBuffer(STEP_BYTES, UNIFORM | COPY_DST, 'step');
  const qkv = gpu.createBuffer(MAX_ROWS * rowFloats * 4, STORAGE | COPY_DST, 'qkv');
  const attended = gpu.createBuffer(MAX_ROWS * width * 4, STORAGE | COPY_SRC, 'attended');
  const staging = gpu.createBuffer(MAX_ROWS * width * 4, COPY_DST | MAP_READ, 'staging');
  const { contextLength } = model;
  const attention = await createAttention(gpu, {
    model,
    kv: one.kv,
    contextLength,
    softCap: one.softCap ?? 0,
    rotations: model.ropes.map((rope) => rotationOf(rope, NO_FACTORS, contextLength)),
    vector: (role) => norms[role],
    buffers: { step, qkv, attended },
  });
  return {
    attention,
    async step(cache, rows, layer = 0) {
      const numbers = { rows: rows.length, position: cache.length, wanted: 0, candidates: 0 };
      attention.begin(cache, rows.length);
      gpu.device.queue.writeBuffer(step, 0, stepWords(numbers));
      rows.forEach((row, i) => gpu.device.queue.writeBuffer(qkv, i * rowFloats * 4, row));
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(gpu, pass, attention.layer(layer), numbers);
      pass.end();
      encoder.copyBufferToBuffer(attended, 0, staging, 0, rows.length * width * 4);
      gpu.submit(encoder);
      cache.advance(rows.length);
      const all = new Float32Array(await gpu.read(staging, rows.length * width * 4));
      return rows.map((_, i) => all.slice(i * width, (i + 1) * width));
    },
    close() {
      attention.dispose();
      for (const buffer of [step, qkv, attended, staging]) gpu.freeBuffer(buffer);
    },
  };
}

type Norms = Partial<Record<'query-norm' | 'key-norm' | 'key-bias', Float32Array>>;

const random = seeded(11);
const normals = (count: number, spread = 1, mean = 0): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, () => mean + random.normal() * spread);

function normsOf({ norms, headSize }: Case): Norms {
  return norms ? { 'query-norm': normals(headSize, 0.3, 1), 'key-norm': normals(headSize, 0.3, 1) } : {};
}

/** Heads of one row, normed and rotated, in doubles where it matters. */
function prepared(
  heads: Float32Array,
  model: ModelShape,
  position: number,
  norm: Float32Array | undefined,
): Float32Array {
  const { headSize, layers, ropes, normEpsilon } = model;
  const out = heads.slice();
  for (let at = 0; norm && at < out.length; at += headSize) {
    const squares = out.slice(at, at + headSize).reduce((sum, x) => sum + x * x, 0);
    const scale = 1 / Math.sqrt(squares / headSize + normEpsilon);
    for (let d = 0; d < headSize; d++) out[at + d] = out[at + d]! * scale * norm[d]!;
  }
  return rotate(out, model, ropes[layers[0]!.rope], position, NO_FACTORS);
}

interface Held {
  /** [position][kvHeads x headSize], as the cache holds them. */
  keys: Float32Array[];
  values: Float32Array[];
  /** Largest error that rounding may make, of the same shape: [position][kvHead]. */
  keyUnits: number[][];
  valueUnits: number[][];
}

/** What a cache of one layer holds, read out of a snapshot. */
async function heldBy(cache: GpuCache, model: ModelShape, kv: 'q8' | 'f32', checksum: number): Promise<Held> {
  const { headSize, kvHeadCount } = model;
  const { pages, length } = unpackSnapshot(
    snapshotFormat(model, kv, checksum),
    await cache.snapshot(),
    model.contextLength,
  );
  const held: Held = { keys: [], values: [], keyUnits: [], valueUnits: [] };
  for (let position = 0; position < length; position++) {
    const page = pages[position >> 6]!;
    const slot = position & 63;
    const key = new Float32Array(kvHeadCount * headSize);
    const value = new Float32Array(kvHeadCount * headSize);
    const units: number[][] = [[], []];
    for (let head = 0; head < kvHeadCount; head++) {
      const size = page.length / kvHeadCount;
      const unit = page.slice(head * size, (head + 1) * size);
      const floats = new Float32Array(unit.buffer);
      const scales = (at: number): number => (kv === 'q8' ? floats[32 * headSize + at + slot]! : 0);
      units[0]!.push(scales(0));
      units[1]!.push(scales(64));
      for (let d = 0; d < headSize; d++) {
        if (kv === 'f32') {
          key[head * headSize + d] = floats[(slot >> 2) * headSize * 4 + d * 4 + (slot & 3)]!;
          value[head * headSize + d] = floats[64 * headSize + slot * headSize + d]!;
        } else {
          const quad = (slot >> 2) * headSize * 4;
          const k = unit[quad + (d >> 2) * 16 + (slot & 3) * 4 + (d & 3)]! - 128;
          const v = (unit[64 * headSize + quad + d * 4 + (slot & 3)]! << 24) >> 24;
          key[head * headSize + d] = k * scales(0);
          value[head * headSize + d] = v * scales(64);
        }
      }
      if (kv === 'q8') {
        const own = key.subarray(head * headSize, (head + 1) * headSize);
        own.set(undoneHadamard(own));
      }
    }
    held.keys.push(key);
    held.values.push(value);
    held.keyUnits.push(units[0]!);
    held.valueUnits.push(units[1]!);
  }
  return held;
}

/** One row's heads over what the cache holds, by definition. `smoothing` is the queries'. */
function attend(
  query: Float32Array,
  { keys, values }: Held,
  model: ModelShape,
  position: number,
  softCap: number,
): Float32Array {
  const { headCount, kvHeadCount, headSize, scales, layers } = model;
  const { window } = layers[0]!;
  const first = window === 0 ? 0 : Math.max(0, position + 1 - window);
  const out = new Float32Array(query.length);
  for (let head = 0; head < headCount; head++) {
    const own = head * headSize;
    const kv = Math.floor(head / (headCount / kvHeadCount)) * headSize;
    const scores: number[] = [];
    for (let at = first; at <= position; at++) {
      let sum = 0;
      for (let d = 0; d < headSize; d++) sum += query[own + d]! * keys[at]![kv + d]!;
      const score = sum * scales.attention;
      scores.push(softCap > 0 ? softCap * Math.tanh(score / softCap) : score);
    }
    const largest = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - largest));
    const total = powers.reduce((sum, power) => sum + power, 0);
    for (let d = 0; d < headSize; d++) {
      out[own + d] = powers.reduce((sum, power, i) => sum + power * values[first + i]![kv + d]!, 0) / total;
    }
  }
  return out;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const bits = (rows: readonly Float32Array[]): number[][] =>
  rows.map((row) => [...new Uint32Array(row.buffer, row.byteOffset, row.length)]);

describe.each(Object.entries(CASES))('attention (%s)', (_, one) => {
  const model = modelOf(one);
  const length = one.length ?? 200;
  const width = (one.heads + 2 * one.kvHeads) * one.headSize;
  const rows = Array.from({ length }, () => normals(width));
  const norms = normsOf(one);
  let stage: Stage;
  let whole: GpuCache;
  let expected: Float32Array[];

  beforeAll(async () => {
    stage = await openStage(model, one, norms);
    whole = stage.attention.createCache();
    expected = [];
    for (let start = 0; start < length; start += 128) {
      expected.push(...(await stage.step(whole, rows.slice(start, start + 128))));
    }
  }, PATIENCE_MS);
  afterAll(() => stage.close());

  test('keys and values are held as well as their bits allow, and attended as is defined', async () => {
    const { kvHeadCount, headSize, headCount } = model;
    const held = await heldBy(whole, model, one.kv, stage.attention.checksum);
    const smooth = one.norms && one.kv === 'q8' ? smoothingByHand(model, norms) : undefined;
    let most = 0;
    for (let position = 0; position < length; position++) {
      const row = rows[position]!;
      const queries = headCount * headSize;
      const keys = kvHeadCount * headSize;
      const key = prepared(row.slice(queries, queries + keys), model, position, norms['key-norm']);
      const query = prepared(row.slice(0, queries), model, position, norms['query-norm']);
      if (smooth) {
        key.forEach((value, d) => (key[d] = value / smooth[d % headSize]!));
        query.forEach((value, d) => (query[d] = value * smooth[d % headSize]!));
      }
      const value = row.slice(queries + keys);
      for (let d = 0; d < keys; d++) {
        const head = Math.floor(d / headSize);
        const slack = (unit: number): number => unit * 0.501 + 3e-6;
        expect(Math.abs(held.keys[position]![d]! - key[d]!)).toBeLessThan(
          slack(held.keyUnits[position]![head]!),
        );
        expect(Math.abs(held.values[position]![d]! - value[d]!)).toBeLessThan(
          slack(held.valueUnits[position]![head]!),
        );
      }
      const exact = attend(query, held, model, position, one.softCap ?? 0);
      most = Math.max(most, largestDifference(expected[position]!, exact));
    }
    expect(most).toBeLessThan(2e-5);
  });

  test('a row has the same bits in steps of every width, begun at the bounds of pages', async () => {
    for (const [start, wide] of [
      [0, 1],
      [1, 3],
      [60, 16],
      [63, 2],
      [64, 5],
      [100, 17],
      [120, 9],
      [127, 13],
      [61, 79],
    ] as const) {
      const cache = whole.fork(start);
      const got = await stage.step(cache, rows.slice(start, start + wide));
      expect(bits(got), `${wide} rows from ${start}`).toEqual(bits(expected.slice(start, start + wide)));
      cache.dispose();
    }
  });
});

/** The root of the norms' ratio, a pair at a time, for halves. */
function smoothingByHand({ headSize }: ModelShape, norms: Norms): Float64Array {
  const half = headSize / 2;
  const lengths = (norm: Float32Array): number[] =>
    Array.from({ length: half }, (__, i) => Math.hypot(norm[i]!, norm[i + half]!));
  const keys = lengths(norms['key-norm']!);
  const queries = lengths(norms['query-norm']!);
  const clamped = (all: number[]): number[] => all.map((x) => Math.max(x, Math.max(...all) / 64));
  return Float64Array.from({ length: headSize }, (__, d) =>
    Math.sqrt(clamped(keys)[d % half]! / clamped(queries)[d % half]!),
  );
}

describe('caches', () => {
  const one: Case = { heads: 1, kvHeads: 1, headSize: 32, kv: 'f32', contextLength: 2048 };
  const model = modelOf({ ...one, layers: [0, 0].map(() => ({ window: 0, rope: 0 })) });
  const rows = Array.from({ length: 128 }, () => normals(96));
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage(model, one, {});
  }, PATIENCE_MS);
  afterAll(() => stage.close());
  const attendedBy = async (cache: GpuCache, count: number): Promise<number[][]> =>
    bits(await stage.step(cache, rows.slice(0, count)));

  test('beyond the first pages grow, and nothing of what they hold is lost', async () => {
    const { pool } = stage.attention;
    const first = stage.attention.createCache();
    const before = await attendedBy(first, 100);
    const { generation, allocatedBytes } = pool;
    const others = Array.from({ length: 3 }, () => stage.attention.createCache());
    const block = await first.exportBlock(0, 64);
    for (const cache of others) for (let i = 0; i < 8; i++) cache.appendBlock(block, 64);
    expect(pool.generation).toBeGreaterThan(generation);
    expect(pool.allocatedBytes).toBeGreaterThan(allocatedBytes);
    const fresh = stage.attention.createCache();
    expect(await attendedBy(fresh, 100)).toEqual(before);
    expect(await attendedBy(first, 20)).toEqual(await attendedBy(fresh, 20));
    const grown = pool.allocatedBytes;
    for (const cache of [...others, first, fresh]) cache.dispose();
    const again = stage.attention.createCache();
    for (let i = 0; i < 25; i++) again.appendBlock(block, 64);
    expect(pool.allocatedBytes).toBe(grown);
    again.dispose();
  });

  test('forks, snapshots and blocks go on alike, and a full context leaves a cache as it was', async () => {
    const source = stage.attention.createCache();
    await stage.step(source, rows.slice(0, 100));
    const snapshot = await source.snapshot();
    const fork = source.fork(70);
    const ahead = await attendedBy(source, 5);
    const restored = stage.attention.createCache();
    restored.restore(snapshot);
    expect(await attendedBy(restored, 5)).toEqual(ahead);
    const built = stage.attention.createCache();
    built.appendBlock(await source.exportBlock(0, 64), 64);
    built.appendBlock(await source.exportBlock(1, 6), 6);
    expect(await attendedBy(built, 9)).toEqual(await attendedBy(fork, 9));
    expect(await built.exportBlock(1, 15)).toEqual(await fork.exportBlock(1, 15));
    const before = fork.length;
    const tooMany = model.contextLength - before + 1;
    expect(() => fork.reserve(tooMany)).toThrow(expect.objectContaining({ code: 'context_length_exceeded' }));
    expect(fork.length).toBe(before);
    for (const cache of [source, fork, restored, built]) cache.dispose();
  });
});
