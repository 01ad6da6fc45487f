/**
 * Packs a model straight from its stream: bytes are staged until a group of 16 rows is whole, then transposed into place by
 * a kernel. A model never lies in memory twice.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import type { ModelPlan, Session, SessionOptions, TensorPlan, WeightSink } from '../session.ts';
import { Arena } from './arena.ts';
import { layOut } from './layout.ts';
import { canShareMemory, chooseSimd, compileKernels, instantiateKernels } from './module.ts';
import type { PackedModel, PlacedMatrix } from './packed-model.ts';
import { placeMatrices, placeVectors, placedBytes } from './placement.ts';
import { openSession } from './session.ts';

/** Memory for the weights is reserved here; throws `out_of_memory` or `unsupported_model` before any byte is taken. */
export async function createWasmSink(plan: ModelPlan, options: SessionOptions): Promise<WeightSink> {
  const layout = layOut(plan);
  const simd = chooseSimd(options.simd);
  const shared = canShareMemory();
  const stagingBytes = Math.max(...layout.matrices.map(({ fileGroupBytes }) => fileGroupBytes));
  const arena = new Arena(placedBytes(layout.matrices, layout.vectors) + stagingBytes, shared);
  const module = await compileKernels(simd, shared);
  const kernels = instantiateKernels(module, arena.memory);
  const matrices = placeMatrices(layout.matrices, arena, kernels);
  const vectors = placeVectors(layout.vectors, arena);
  const staging = arena.allocate(stagingBytes);
  const weightBytes = arena.usedBytes;
  return new WasmSink(
    { plan, options, simd, shared, module, kernels, arena, matrices, vectors, weightBytes },
    staging,
  );
}

class WasmSink implements WeightSink {
  #model: PackedModel | undefined;
  readonly #tensors: readonly TensorPlan[];
  readonly #staging: number;
  /** Index of the tensor being filled, and its bytes taken so far. */
  #current = 0;
  #taken = 0;
  #staged = 0;

  constructor(model: PackedModel, staging: number) {
    this.#model = model;
    this.#tensors = model.plan.tensors;
    this.#staging = staging;
  }

  write(fileOffset: number, bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const tensor = this.#tensors[this.#current];
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
    const { matrices, vectors, arena } = this.#live();
    const key = `${tensor.role} ${tensor.layer}`;
    const matrix = matrices.get(key);
    if (matrix) this.#stage(matrix, bytes);
    else {
      const at = vectors.get(key);
      assert(at !== undefined, 'every vector is placed');
      arena.bytes(at + this.#taken, bytes.length).set(bytes);
    }
    this.#taken += bytes.length;
    if (this.#taken < tensor.byteLength) return;
    this.#current += 1;
    this.#taken = 0;
  }

  /** Copies into staging and packs every group that becomes whole (or is the tensor's last). */
  #stage(matrix: PlacedMatrix, bytes: Uint8Array): void {
    const { arena } = this.#live();
    const { fileGroupBytes, tensor } = matrix;
    let taken = this.#taken;
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(bytes.length - at, fileGroupBytes - this.#staged);
      arena.bytes(this.#staging + this.#staged, count).set(bytes.subarray(at, at + count));
      this.#staged += count;
      at += count;
      taken += count;
      if (this.#staged < fileGroupBytes && taken < tensor.byteLength) continue;
      this.#pack(matrix, Math.floor((taken - 1) / fileGroupBytes));
      this.#staged = 0;
    }
  }

  #pack({ tensor, pack, at, stride, offsets }: PlacedMatrix, group: number): void {
    const isWrong = this.#live().kernels.packGroup(
      pack.kind,
      this.#staging,
      Math.min(16, tensor.rows - group * 16),
      tensor.columns,
      at + group * stride,
      offsets + group * 64,
    );
    if (isWrong) {
      throw new SelvedgeError(
        'invalid_model',
        `Tensor '${tensor.name}' has a scale that no quantiser writes. Fetch the file again, or make it with another quantiser.`,
      );
    }
  }

  async finish(): Promise<Session> {
    const model = this.#live();
    const missing = this.#tensors[this.#current];
    if (missing) {
      throw new SelvedgeError(
        'invalid_model',
        `The file ended before tensor '${missing.name}' was complete. Fetch it again.`,
      );
    }
    this.#model = undefined;
    return openSession(model);
  }

  abort(): void {
    this.#model = undefined;
  }

  #live(): PackedModel {
    assert(this.#model, 'the sink was finished or aborted');
    return this.#model;
  }
}
