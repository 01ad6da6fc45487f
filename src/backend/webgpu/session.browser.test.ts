/**
 * What a model on the GPU costs and what it leaves behind: dispatches, submits, maps and buffers are counted, and devices with
 * less to give, or with kernels that do not agree, are done justice.
 */
import { afterAll, describe, expect, test, vi } from 'vitest';
import { gpuRoom } from '../../../test/gpu/open.ts';
import { limitedGpu } from '../../../test/fakes/limited-gpu.ts';
import type { GpuLimitations } from '../../../test/fakes/limited-gpu.ts';
import { partings, pickRow, rowsOf, someIds } from '../../../test/kernels/feeding.ts';
import { tinyGguf } from '../../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../../test/models/tiny-gguf.ts';
import { planModel } from '../../model/architectures.ts';
import { readGgufHeader } from '../../model/gguf.ts';
import type { ModelPlan } from '../session.ts';
import type { GpuCounters } from './gpu.ts';
import { createWebGpuSink } from './sink.ts';

/** Most of a test goes into compiling kernels for a device of its own. */
vi.setConfig({ testTimeout: 240_000 });

const room = gpuRoom();
afterAll(() => room.close());

const OPTIONS = { threads: 1, simd: 'auto', kv: 'f32', contextLength: 512, keepLogits: true } as const;
const PLAIN = tinyGguf({ type: 'Q8_0' });
const planOf = (bytes: Uint8Array): ModelPlan => planModel(readGgufHeader(bytes));

const DISPATCHES: [string, Partial<TinyOptions>, number][] = [
  ['a plain one', {}, 6],
  ['one with tensors of three types', { types: { key: 'F16', value: 'Q4_1', up: 'Q4_0' } }, 6],
  ['Gemma 3, which norms what blocks add', { architecture: 'gemma3', layers: 2, headSize: 32 }, 8],
];

test.each(DISPATCHES)(
  '%s takes one submit and one map a step, and few dispatches a layer',
  async (_, model, most) => {
    const bytes = tinyGguf({ type: 'Q8_0', ...model });
    const session = await room.open(bytes, { kv: 'f32', keepLogits: false });
    const gpu = await room.gpu();
    const cache = session.createCache();
    await session.step(someIds(20), cache, [pickRow(19)]);
    const readBytes: number[] = [];
    const read = gpu.read.bind(gpu);
    gpu.read = (buffer, count) => {
      readBytes.push(count);
      return read(buffer, count);
    };
    for (const width of [1, 4, 20]) {
      const before = { ...gpu.counters };
      await session.step(someIds(width), cache, [pickRow(width - 1)]);
      const expected: Partial<GpuCounters> = {
        // The embedding, two layers, the head, and two that find the largest logit.
        dispatches: before.dispatches + 1 + 2 * most + 1 + 2,
        submits: before.submits + 1,
        maps: before.maps + 1,
      };
      expect(gpu.counters).toEqual({ ...before, ...expected });
    }
    // Of a wide step the page is let in between: four layers of 128 rows at a time, embedding, head and picks being like one.
    const { submits } = gpu.counters;
    await session.step(someIds(128), cache, [pickRow(127)]);
    expect(gpu.counters.submits).toBe(submits + 2);
    gpu.read = read;
    expect(readBytes).toEqual([64, 64, 64, 64]);
    session.dispose();
  },
);

test('all buffers are freed: of sessions, of caches, of a load that is given up or fails', async () => {
  const gpu = await room.gpu();
  const { buffers, bytes } = gpu.counters;
  const session = await room.open(PLAIN);
  const caches = [session.createCache(), session.createCache()];
  for (const cache of caches) await session.step(someIds(100), cache, [pickRow(3)]);
  caches[0]?.dispose();
  session.dispose();
  const plan = planOf(PLAIN);
  const start = plan.tensors[0]!.fileOffset;
  const sink = await createWebGpuSink(gpu, plan, OPTIONS);
  sink.write(start, PLAIN.subarray(start, start + 5000));
  await expect(sink.finish()).rejects.toMatchObject({ code: 'invalid_model' });
  sink.abort();
  expect(gpu.counters).toMatchObject({ buffers, bytes });
});

test('a model arrives in any pieces, with gaps between its tensors', async () => {
  const gpu = await room.gpu();
  const ids = someIds(9);
  const whole = await room.open(PLAIN, { kv: 'f32' });
  const expected = await rowsOf(whole, ids);
  whole.dispose();
  const plan = planOf(PLAIN);
  const sink = await createWebGpuSink(gpu, plan, OPTIONS);
  for (const { fileOffset, byteLength } of plan.tensors) {
    for (let at = 0; at < byteLength; at += 1013) {
      const end = fileOffset + Math.min(byteLength, at + 1013);
      sink.write(fileOffset + at, PLAIN.subarray(fileOffset + at, end));
    }
  }
  const session = await sink.finish();
  expect(partings(await rowsOf(session, ids), expected)).toEqual([]);
  session.dispose();
});

test('a scale that is no number is refused', async () => {
  const bytes = PLAIN.slice();
  const tensor = planOf(PLAIN).tensors.find(({ role }) => role === 'down')!;
  bytes[tensor.fileOffset + 1] = 0x7c;
  const sink = await createWebGpuSink(await room.gpu(), planOf(PLAIN), OPTIONS);
  const start = tensor.fileOffset;
  const first = planOf(PLAIN).tensors[0]!.fileOffset;
  sink.write(first, bytes.subarray(first, start));
  expect(() => sink.write(start, bytes.subarray(start))).toThrow(
    expect.objectContaining({ code: 'invalid_model' }),
  );
  sink.abort();
});

test('on a device with less to give, matrices are parts and dispatches more, with the same bits', async () => {
  const types = { key: 'Q8_0', value: 'F16' } as const;
  const bytes = tinyGguf({ type: 'Q4_1', types, biases: true, ffn: 960, vocab: 1000 });
  const ids = someIds(20);
  const limits = { maxStorageBufferBindingSize: 1 << 15, maxStorageBuffersPerShaderStage: 6 };
  const limited = gpuRoom(limitedGpu({ limits }));
  const there = await limited.open(bytes, { kv: 'f32', contextLength: 64 });
  const { counters } = await limited.gpu();
  const before = counters.dispatches;
  const rows = await rowsOf(there, ids);
  expect(counters.dispatches - before).toBeGreaterThan(2 * 6 + 2);
  there.dispose();
  await limited.close();
  const here = await room.open(bytes, { kv: 'f32', contextLength: 64 });
  expect(partings(rows, await rowsOf(here, ids))).toEqual([]);
  here.dispose();
});

describe('where kernels do not agree', () => {
  const changed = (label: string): GpuLimitations => ({
    changeShader: (code, name) =>
      name === label ? code.replace('var a_0_0 = 0.0f;', 'var a_0_0 = 0.001f;') : code,
  });

  test('the widest does all widths', async () => {
    const limited = gpuRoom(limitedGpu(changed('down 1')));
    const session = await limited.open(PLAIN, { kv: 'f32' });
    const ids = someIds(9);
    expect(partings(await rowsOf(session, ids, 1), await rowsOf(session, ids, 9))).toEqual([]);
    session.dispose();
    await limited.close();
  });

  test('and where that does not help, the device is not supported and nothing is left on it', async () => {
    const limited = gpuRoom(
      limitedGpu({
        changeShader: (code, name) =>
          name === 'attention rows' ? code.replaceAll('fma(', '1.001f * fma(') : code,
      }),
    );
    const gpu = await limited.gpu();
    const sink = await createWebGpuSink(gpu, planOf(PLAIN), OPTIONS);
    const start = planOf(PLAIN).tensors[0]!.fileOffset;
    sink.write(start, PLAIN.subarray(start));
    await expect(sink.finish()).rejects.toMatchObject({ code: 'unsupported_device' });
    sink.abort();
    expect(gpu.counters).toMatchObject({ buffers: 0, bytes: 0 });
    await limited.close();
  });
});
