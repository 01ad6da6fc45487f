import { afterEach, expect, test } from 'vitest';
import { openGpu } from '../../src/backend/webgpu/gpu.ts';
import type { Gpu } from '../../src/backend/webgpu/gpu.ts';
import { limitedGpu } from './limited-gpu.ts';
import type { GpuLimitations } from './limited-gpu.ts';

const open: Gpu[] = [];
afterEach(() => {
  for (const gpu of open.splice(0)) gpu.destroy();
});

async function limited(limitations: GpuLimitations): Promise<Gpu> {
  const gpu = await openGpu(limitedGpu(limitations));
  open.push(gpu);
  return gpu;
}

const SHADER =
  '@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n@compute @workgroup_size(1) fn main() { out[0] = 1.0; }';

async function run(gpu: Gpu): Promise<void> {
  const pipeline = await gpu.pipeline(SHADER, 'one');
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.end();
  gpu.submit(encoder);
  await gpu.device.queue.onSubmittedWorkDone();
}

test('without limitations it is the real one', async () => {
  const gpu = await limited({});
  expect(gpu.features).toMatchObject({ subgroups: true, packedDot: true });
  await run(gpu);
  gpu.check();
});

test('features of adapter and language go, and cannot be had', async () => {
  const without = ['subgroups', 'packed_4x8_integer_dot_product'];
  expect((await limited({ without })).features).toEqual({ subgroups: false, f16: false, packedDot: false });
  const adapter = await limitedGpu({ without }).requestAdapter();
  const asking = adapter!.requestDevice({ requiredFeatures: ['subgroups' as GPUFeatureName] });
  await expect(asking).rejects.toThrow(TypeError);
});

test('limits are what the device has, and no buffer is above them', async () => {
  const gpu = await limited({ limits: { maxBufferSize: 2 ** 16, maxStorageBuffersPerShaderStage: 8 } });
  expect(gpu.limits).toMatchObject({ maxBufferSize: 2 ** 16, maxStorageBuffersPerShaderStage: 8 });
  expect(() => gpu.device.createBuffer({ size: 2 ** 17, usage: 128 })).toThrow(RangeError);
  const adapter = await limitedGpu({ limits: { maxBufferSize: 2 ** 16 } }).requestAdapter();
  const asking = adapter!.requestDevice({ requiredLimits: { maxBufferSize: 2 ** 20 } });
  await expect(asking).rejects.toThrow('below 1048576');
});

test('the device is lost at the submit that was named', async () => {
  const gpu = await limited({ lostAt: (submit) => submit === 2 });
  await run(gpu);
  gpu.check();
  await run(gpu).catch(() => undefined);
  await gpu.device.lost;
  expect(() => gpu.check()).toThrow(expect.objectContaining({ code: 'device_lost', retryable: true }));
});

test('shaders are changed on their way to the compiler', async () => {
  const gpu = await limited({ changeShader: (code, label) => (label === 'one' ? 'not WGSL' : code) });
  await expect(gpu.pipeline(SHADER, 'one')).rejects.toThrow();
});
