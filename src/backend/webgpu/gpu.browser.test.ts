/** The device: its limits, what it counts, and what it says when something goes wrong. */
import { afterEach, expect, test } from 'vitest';
import { USE } from './gpu-flags.ts';
import { openGpu } from './gpu.ts';
import type { Gpu } from './gpu.ts';

const opened: Gpu[] = [];
afterEach(() => opened.splice(0).forEach((gpu) => gpu.destroy()));

async function open(): Promise<Gpu> {
  const gpu = await openGpu(navigator.gpu);
  opened.push(gpu);
  return gpu;
}

const DOUBLE = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = 2u * x[id.x]; }
`;

test('computes, and counts what it took', async () => {
  const gpu = await open();
  const { STORAGE, COPY_DST, COPY_SRC, MAP_READ } = USE;
  const x = gpu.createBuffer(16, STORAGE | COPY_DST, 'x');
  const y = gpu.createBuffer(16, STORAGE | COPY_SRC, 'y');
  const staging = gpu.createBuffer(16, COPY_DST | MAP_READ, 'staging');
  expect(gpu.counters).toMatchObject({ buffers: 3, bytes: 48 });
  const pipeline = await gpu.pipeline(DOUBLE, 'double');
  expect(await gpu.pipeline(DOUBLE, 'double')).toBe(pipeline);
  gpu.device.queue.writeBuffer(x, 0, Uint32Array.of(1, 2, 3, 4));
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, gpu.bindGroup(pipeline, [x, y], 'double'));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(y, 0, staging, 0, 16);
  gpu.submit(encoder);
  expect([...new Uint32Array(await gpu.read(staging, 16))]).toEqual([2, 4, 6, 8]);
  for (const buffer of [x, y, staging]) gpu.freeBuffer(buffer);
  expect(gpu.counters).toMatchObject({ buffers: 0, bytes: 0, pipelines: 1, submits: 1, maps: 1 });
  gpu.check();
});

test('has the limits of its adapter', async () => {
  const gpu = await open();
  const adapter = await navigator.gpu.requestAdapter();
  expect(gpu.limits.maxStorageBufferBindingSize).toBe(adapter?.limits.maxStorageBufferBindingSize);
});

test('leaves features alone that it is told to', async () => {
  const gpu = await openGpu(navigator.gpu, { without: ['subgroups', 'f16', 'packedDot'] });
  opened.push(gpu);
  expect(gpu.features).toEqual({ subgroups: false, f16: false, packedDot: false });
  expect(gpu.device.features.has('subgroups')).toBe(false);
});

test('without an adapter the device is not supported', async () => {
  const source = { requestAdapter: () => Promise.resolve(null) };
  await expect(openGpu(source)).rejects.toMatchObject({ code: 'unsupported_device' });
});

test('a buffer above the limits is out of memory, with both numbers', async () => {
  const gpu = await open();
  const limitBytes = gpu.limits.maxBufferSize;
  expect(() => gpu.createBuffer(limitBytes + 4, USE.STORAGE, 'too large')).toThrow(
    expect.objectContaining({
      code: 'out_of_memory',
      details: { neededBytes: limitBytes + 4, limitBytes },
    }),
  );
  expect(gpu.counters.buffers).toBe(0);
});

test('a command that is refused is an error of whoever waits for it', async () => {
  const gpu = await open();
  const wrong = () => gpu.device.createBuffer({ size: 4, usage: USE.MAP_READ | USE.STORAGE });
  await expect(gpu.scoped(wrong)).rejects.toThrow('refused a command');
  gpu.check();
});

test('an error that nobody waited for is thrown by the next check', async () => {
  const gpu = await open();
  const heard = new Promise((resolve) => gpu.device.addEventListener('uncapturederror', resolve));
  gpu.device.createBuffer({ size: 4, usage: USE.MAP_READ | USE.STORAGE });
  await gpu.device.queue.onSubmittedWorkDone();
  await heard;
  expect(() => gpu.check()).toThrow('refused a command');
});

test('a device that is lost says so in every call', async () => {
  const gpu = await open();
  gpu.device.destroy();
  await gpu.device.lost;
  const lost = expect.objectContaining({ code: 'device_lost', retryable: true });
  await Promise.resolve();
  expect(() => gpu.check()).toThrow(lost);
  expect(() => gpu.createBuffer(4, USE.STORAGE, 'late')).toThrow(lost);
});

test('who waits for a buffer of a device that is lost is told so', async () => {
  const gpu = await open();
  const staging = gpu.createBuffer(16, USE.COPY_DST | USE.MAP_READ, 'staging');
  const source = gpu.createBuffer(16, USE.COPY_SRC, 'source');
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, 16);
  gpu.submit(encoder);
  const pending = gpu.read(staging, 16);
  gpu.device.destroy();
  const lost = expect.objectContaining({ code: 'device_lost' });
  await expect(pending).rejects.toEqual(lost);
  await expect(gpu.read(staging, 16)).rejects.toEqual(lost);
  await expect(gpu.finished()).rejects.toEqual(lost);
});

test('who waits for a buffer that is freed is not told of a lost device', async () => {
  const gpu = await open();
  const staging = gpu.createBuffer(16, USE.COPY_DST | USE.MAP_READ, 'staging');
  const pending = gpu.read(staging, 16);
  gpu.freeBuffer(staging);
  await expect(pending).rejects.toThrow(DOMException);
});
