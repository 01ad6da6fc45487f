/**
 * Models loaded as the engine loads them, on real kernels and the least of adapters: it works, or falls back with a reason. A
 * GPU in software takes seconds to compile the kernels, so there are few of these tests; what the ladder sees and drops is
 * tested beside it, without them.
 */
import { afterEach, expect, test } from 'vitest';
import { limitedGpu } from '../../test/fakes/limited-gpu.ts';
import type { GpuLimitations } from '../../test/fakes/limited-gpu.ts';
import { CONTENT } from '../../test/fakes/requests.ts';
import { pickRow } from '../../test/kernels/feeding.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../test/models/tiny-gguf.ts';
import * as module from '../backend/ladder/place.ts';
import type { Session } from '../backend/session.ts';
import type { DeviceChoice } from '../rpc/protocol.ts';
import { createModelLoader } from './load.ts';
import type { LoadedModel } from './loaded-model.ts';

/** What makes the software GPU look like one that is worth a try. */
const HARDWARE = { isFallbackAdapter: false, architecture: 'swift', description: 'A GPU' };

/** The kernels are compiled in each test. */
const SLOW = { timeout: 300_000 };

/** What every adapter has. */
const DEFAULTS_ONLY: GpuLimitations = {
  without: ['subgroups', 'subgroup-size-control', 'packed_4x8_integer_dot_product'],
  limits: {
    maxStorageBuffersPerShaderStage: 8,
    maxStorageBufferBindingSize: 2 ** 27,
    maxBufferSize: 2 ** 28,
    maxComputeWorkgroupStorageSize: 2 ** 14,
    maxComputeInvocationsPerWorkgroup: 256,
  },
};

const open: Session[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.dispose();
});

let count = 0;

async function load(
  device: DeviceChoice,
  limitations: GpuLimitations = {},
  model: Partial<TinyOptions> = { type: 'Q4_1' },
): Promise<LoadedModel> {
  const gpu = limitedGpu({ ...limitations, info: HARDWARE });
  const loader = createModelLoader(undefined, undefined, { gpu, loadWebGpu: async () => module });
  // Its own name: what was found for another one is remembered.
  const id = `tiny ${(count += 1)} ${performance.timeOrigin}`;
  const loaded = await loader.loadModel(
    {
      source: { kind: 'blob', blob: new Blob([tinyGguf(model) as BlobPart]), id },
      device,
      options: { threads: 1, simd: 'auto', kv: 'q8', contextLength: 128 },
      draft: null,
      content: CONTENT,
      speculation: null,
    },
    {},
  );
  open.push(loaded.session);
  return loaded;
}

async function greedy(session: Session, length: number): Promise<number[]> {
  const cache = session.createCache();
  let ids = [10, 20, 30];
  const picked: number[] = [];
  while (picked.length < length) {
    const [pick] = await session.step(ids, cache, [pickRow(ids.length - 1)]);
    picked.push(pick!.id);
    ids = [pick!.id];
  }
  cache.dispose();
  return picked;
}

test(
  'on an adapter with nothing above the defaults the GPU says what the CPU says, until it is lost',
  SLOW,
  async () => {
    let isLost = false;
    const { session, placement } = await load('webgpu', { ...DEFAULTS_ONLY, lostAt: () => isLost });
    expect(session.info().device).toBe('webgpu');
    expect(placement).toMatchObject({ adapter: { description: 'A GPU' }, why: 'The GPU was asked for.' });
    const cpu = await load('cpu');
    expect(await greedy(session, 12)).toEqual(await greedy(cpu.session, 12));
    isLost = true;
    const lost = expect.objectContaining({ code: 'device_lost', retryable: true });
    await expect(greedy(session, 2)).rejects.toEqual(lost);
    await expect(greedy(session, 1)).rejects.toEqual(lost);
  },
);

test('a kernel that is broken is seen, and the CPU runs the model', SLOW, async () => {
  const changeShader = (code: string): string => code.replaceAll('inverseSqrt(', '0.5 * inverseSqrt(');
  const { session, placement } = await load('auto', { ...DEFAULTS_ONLY, changeShader });
  expect(session.info().device).toBe('cpu');
  expect(placement.adapter).toBeNull();
  expect(placement.why).toMatch(/^The GPU is not used: its results are wrong by \d+ %/);
});
