/** Sessions of the WebGPU kernels for tests, all on one device: pipelines of equal models are compiled once. */
import type { ModelPlan, Session, SessionOptions } from '../../src/backend/session.ts';
import { createWebGpuSink, openGpu } from '../../src/backend/webgpu/index.ts';
import type { AdapterSource, Gpu, GpuSessionOptions } from '../../src/backend/webgpu/index.ts';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import type { MadeModel } from '../kernels/made-model.ts';

export interface GpuRoom {
  gpu(): Promise<Gpu>;
  open(
    model: Uint8Array | MadeModel,
    options?: Partial<SessionOptions & GpuSessionOptions>,
  ): Promise<Session>;
  /** Throws what the device has refused. */
  close(): Promise<void>;
}

export function gpuRoom(source: AdapterSource = navigator.gpu): GpuRoom {
  const opened = openGpu(source);
  return {
    gpu: () => opened,
    async open(model, options = {}) {
      const { plan, bytes } = model instanceof Uint8Array ? { plan: planOf(model), bytes: model } : model;
      const whole = {
        threads: 1,
        simd: 'auto',
        kv: 'q8',
        contextLength: 4096,
        keepLogits: true,
        ...options,
      } as const;
      const sink = await createWebGpuSink(await opened, plan, whole);
      const start = plan.tensors[0]!.fileOffset;
      sink.write(start, bytes.subarray(start));
      return sink.finish();
    },
    async close() {
      const gpu = await opened;
      gpu.check();
      gpu.destroy();
    },
  };
}

function planOf(bytes: Uint8Array): ModelPlan {
  return planModel(readGgufHeader(bytes));
}
