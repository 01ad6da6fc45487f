/**
 * Puts a model on the GPU straight from its stream: matrices by pieces of a few rows, vectors whole. The model never lies in
 * memory twice, and on the host never at all.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import type { ModelPlan, Session, SessionOptions, TensorPlan, WeightSink } from '../session.ts';
import type { Gpu } from './gpu.ts';
import { MatrixWriter } from './matrices.ts';
import { checkPlan, freePlacement, isMatrix, placeMatrices } from './placement.ts';
import type { Placement } from './placement.ts';
import { createStepBuffers } from './program.ts';
import { openSession } from './open-session.ts';
import type { GpuSessionOptions } from './session.ts';
import { tuningOf } from './tuning.ts';
import { GpuVectors } from './vectors.ts';

/**
 * Memory for the weights is taken here; throws `out_of_memory`, `unsupported_model`, `unsupported_device` or `device_lost`
 * before any byte is taken.
 */
export async function createWebGpuSink(
  gpu: Gpu,
  plan: ModelPlan,
  options: SessionOptions & GpuSessionOptions,
): Promise<WeightSink> {
  checkPlan(plan);
  const placement: Placement = { products: new Map(), destinations: new Map() };
  try {
    await gpu.scoped(() => placeMatrices(gpu, plan, placement));
  } catch (error) {
    freePlacement(gpu, placement);
    throw error;
  }
  return new GpuSink(gpu, plan, options, placement);
}

class GpuSink implements WeightSink {
  readonly #gpu: Gpu;
  readonly #plan: ModelPlan;
  readonly #options: SessionOptions & GpuSessionOptions;
  #placement: Placement | undefined;
  readonly #vectors = new Map<string, Float32Array>();
  /** Index of the tensor being filled, its bytes taken so far, and what takes them. */
  #current = 0;
  #taken = 0;
  #writer: MatrixWriter | undefined;

  constructor(gpu: Gpu, plan: ModelPlan, options: SessionOptions & GpuSessionOptions, placement: Placement) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#options = options;
    this.#placement = placement;
  }

  write(fileOffset: number, bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const tensor = this.#plan.tensors[this.#current];
      if (!tensor) return;
      const next = tensor.fileOffset + this.#taken - fileOffset;
      assert(next >= at, 'weights are written in file order, without a hole');
      if (next > at) {
        at = next;
        continue;
      }
      const count = Math.min(bytes.length - at, tensor.byteLength - this.#taken);
      this.#take(tensor, bytes.subarray(at, at + count));
      at += count;
    }
  }

  #take(tensor: TensorPlan, bytes: Uint8Array): void {
    const key = `${tensor.role} ${tensor.layer}`;
    if (isMatrix(tensor)) this.#writerOf(tensor, key).write(bytes);
    else this.#bytesOf(tensor, key).set(bytes, this.#taken);
    this.#taken += bytes.length;
    if (this.#taken < tensor.byteLength) return;
    this.#current += 1;
    this.#taken = 0;
    this.#writer = undefined;
  }

  #writerOf(tensor: TensorPlan, key: string): MatrixWriter {
    const destination = this.#live().destinations.get(key);
    assert(destination, `tensor '${tensor.name}' has a place`);
    const { parts, firstRow } = destination;
    return (this.#writer ??= new MatrixWriter(this.#gpu, tensor, parts, firstRow));
  }

  #bytesOf({ byteLength }: TensorPlan, key: string): Uint8Array {
    const vector = this.#vectors.get(key) ?? new Float32Array(byteLength / 4);
    this.#vectors.set(key, vector);
    return new Uint8Array(vector.buffer);
  }

  async finish(): Promise<Session> {
    const placement = this.#live();
    const missing = this.#plan.tensors[this.#current];
    if (missing) {
      throw new SelvedgeError(
        'invalid_model',
        `The file ended before tensor '${missing.name}' was complete. Fetch it again.`,
      );
    }
    const session = await this.#open(placement);
    this.#placement = undefined;
    return session;
  }

  /** Frees what it makes if it fails; the matrices are `abort`'s. */
  async #open(placement: Placement): Promise<Session> {
    const gpu = this.#gpu;
    const { shape } = this.#plan;
    const made: GPUBuffer[] = [];
    try {
      return await gpu.scoped(async () => {
        const vectors = new GpuVectors(gpu, this.#plan, this.#vectors);
        made.push(vectors.buffer);
        const buffers = createStepBuffers(gpu, shape);
        made.push(...Object.values<GPUBuffer>({ ...buffers }));
        const model = { gpu, shape, placement, vectors, tuning: tuningOf(gpu.adapterInfo) };
        return openSession(model, {
          plan: this.#plan,
          options: this.#options,
          vectors: this.#vectors,
          buffers,
        });
      });
    } catch (error) {
      for (const buffer of made) gpu.freeBuffer(buffer);
      throw error;
    }
  }

  abort(): void {
    if (this.#placement) freePlacement(this.#gpu, this.#placement);
    this.#placement = undefined;
  }

  #live(): Placement {
    assert(this.#placement, 'the sink was finished or aborted');
    return this.#placement;
  }
}
