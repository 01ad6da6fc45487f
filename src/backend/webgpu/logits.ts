/**
 * Where a step's logits are, and how the host reads them when it must: for rows that the GPU cannot settle, and for sessions
 * that keep them.
 */
import { assert } from '../../errors.ts';
import type { ModelShape } from '../session.ts';
import type { Dispatch } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import { headDispatches } from './program.ts';
import type { GpuModel, StepBuffers } from './program.ts';
import type { StepNumbers } from './step.ts';

/** Floats of a row of logits. */
export function strideOf({ vocabSize }: ModelShape): number {
  return Math.ceil(vocabSize / 4) * 4;
}

export class Logits {
  readonly #model: GpuModel;
  readonly #buffers: StepBuffers;
  readonly #stride: number;
  /** Rows that there is room for. */
  #rows = 0;
  #buffer: GPUBuffer | undefined;
  /** What the host reads from, made when it is first needed. */
  #staging: GPUBuffer | undefined;
  #head: readonly Dispatch[] = [];

  constructor(model: GpuModel, buffers: StepBuffers) {
    this.#model = model;
    this.#buffers = buffers;
    this.#stride = strideOf(model.shape);
  }

  get byteLength(): number {
    return (this.#buffer?.size ?? 0) + (this.#staging?.size ?? 0);
  }

  get buffer(): GPUBuffer {
    assert(this.#buffer, 'there is room for logits');
    return this.#buffer;
  }

  /** What computes them. */
  get head(): readonly Dispatch[] {
    return this.#head;
  }

  /** Makes room for `count` rows. */
  async provide(count: number): Promise<void> {
    if (count <= this.#rows) return;
    const { gpu } = this.#model;
    this.free();
    this.#buffer = gpu.createBuffer(4 * count * this.#stride, USE.STORAGE | USE.COPY_SRC, 'logits');
    this.#head = await headDispatches(this.#model, this.#buffers, this.#buffer, this.#stride);
    this.#rows = count;
  }

  /** Of the step that was submitted last: `candidates` of each row. */
  async read({ wanted, candidates }: StepNumbers): Promise<Float32Array[]> {
    const { gpu } = this.#model;
    const { buffer } = this;
    this.#staging ??= gpu.createBuffer(buffer.size, USE.COPY_DST | USE.MAP_READ, 'logits to read');
    const bytes = 4 * wanted * this.#stride;
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, this.#staging, 0, bytes);
    gpu.submit(encoder);
    const all = new Float32Array(await gpu.read(this.#staging, bytes));
    return Array.from({ length: wanted }, (_, i) =>
      all.subarray(i * this.#stride, i * this.#stride + candidates),
    );
  }

  free(): void {
    for (const buffer of [this.#buffer, this.#staging]) if (buffer) this.#model.gpu.freeBuffer(buffer);
    this.#buffer = undefined;
    this.#staging = undefined;
    this.#rows = 0;
  }
}
