/**
 * Packs a model straight from its stream: bytes are staged until a group of 16 rows is whole, then transposed into place by
 * a kernel. A model never lies in memory twice.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import type { ModelPlan, Session, SessionOptions, WeightSink } from '../session.ts';
import { Arena } from './arena.ts';
import { PACKS, layOut } from './layout.ts';
import type { Matrix, MatrixName, Placement } from './layout.ts';
import { canShareMemory, chooseSimd, compileKernels, instantiateKernels } from './module.ts';
import type { PackedModel, PlacedMatrix } from './packed-model.ts';
import { openSession } from './session.ts';

/** Memory for the weights is reserved here; throws `out_of_memory` or `unsupported_model` before any byte is taken. */
export async function createWasmSink(plan: ModelPlan, options: SessionOptions): Promise<WeightSink> {
  const { matrices, placements } = layOut(plan);
  const simd = chooseSimd(options.simd);
  const shared = canShareMemory();
  const weightBytes =
    sum(matrices.map((m) => m.groups * (m.groupBytes + 64))) + sum(placements.map(vectorBytes));
  const stagingBytes = Math.max(...placements.map((p) => (p.matrix ? fileGroupBytes(p) : 0)));
  const arena = new Arena(weightBytes + stagingBytes, shared);
  const module = await compileKernels(simd, shared);
  const placed = new Map<string, PlacedMatrix>();
  for (const matrix of inOrderOfUse(matrices)) {
    const at = arena.allocate(matrix.groups * matrix.groupBytes);
    const offsets = matrix.type === 'Q8_0' ? arena.allocate(matrix.groups * 64) : 0;
    placed.set(`${matrix.name} ${matrix.layer}`, { ...matrix, at, offsets });
  }
  const vectors = new Map<string, number>();
  for (const { tensor, matrix } of placements) {
    if (!matrix) vectors.set(`${tensor.role} ${tensor.layer}`, arena.allocate(tensor.byteLength));
  }
  const staging = arena.allocate(stagingBytes);
  const kernels = instantiateKernels(module, arena.memory);
  const model = {
    plan,
    options,
    simd,
    shared,
    module,
    kernels,
    arena,
    matrices: placed,
    vectors,
    weightBytes: arena.usedBytes,
  };
  return new WasmSink(model, placements, staging);
}

/** A step then reads its weights as one stream. */
function inOrderOfUse(matrices: Matrix[]): Matrix[] {
  const order: MatrixName[] = ['query-key-value', 'output', 'gate-up', 'down'];
  const rank = ({ name, layer }: Matrix): number =>
    layer < 0 ? Infinity : layer * order.length + order.indexOf(name);
  return [...matrices].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function vectorBytes({ tensor, matrix }: Placement): number {
  return matrix ? 0 : tensor.byteLength + 64;
}

/** Bytes of 16 rows of a tensor in the file. */
function fileGroupBytes({ tensor, matrix }: Placement): number {
  assert(matrix, 'a vector has no groups');
  return 16 * (tensor.columns / 32) * PACKS[matrix.type].fileBlockBytes;
}

class WasmSink implements WeightSink {
  #model: PackedModel | undefined;
  readonly #placements: readonly Placement[];
  readonly #staging: number;
  /** Index of the placement being filled, and bytes of its tensor taken so far. */
  #current = 0;
  #taken = 0;
  #staged = 0;

  constructor(model: PackedModel, placements: readonly Placement[], staging: number) {
    this.#model = model;
    this.#placements = placements;
    this.#staging = staging;
  }

  write(fileOffset: number, bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const placement = this.#placements[this.#current];
      if (!placement) return;
      const next = placement.tensor.fileOffset + this.#taken - fileOffset;
      assert(next >= at, 'weights are written in file order, without a hole');
      if (next > at) {
        at = next;
        continue;
      }
      const count = Math.min(bytes.length - at, placement.tensor.byteLength - this.#taken);
      this.#take(placement, bytes.subarray(at, at + count));
      at += count;
    }
  }

  #take(placement: Placement, bytes: Uint8Array): void {
    const model = this.#live();
    const { tensor, matrix } = placement;
    if (matrix) this.#stage(placement, bytes);
    else {
      const at = model.vectors.get(`${tensor.role} ${tensor.layer}`);
      assert(at !== undefined, 'every vector is placed');
      model.arena.bytes(at + this.#taken, bytes.length).set(bytes);
    }
    this.#taken += bytes.length;
    if (this.#taken < tensor.byteLength) return;
    this.#current += 1;
    this.#taken = 0;
  }

  /** Copies into staging and packs every group that becomes whole (or is the tensor's last). */
  #stage(placement: Placement, bytes: Uint8Array): void {
    const model = this.#live();
    const groupBytes = fileGroupBytes(placement);
    let taken = this.#taken;
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(bytes.length - at, groupBytes - this.#staged);
      model.arena.bytes(this.#staging + this.#staged, count).set(bytes.subarray(at, at + count));
      this.#staged += count;
      at += count;
      taken += count;
      if (this.#staged < groupBytes && taken < placement.tensor.byteLength) continue;
      this.#pack(placement, Math.floor((taken - 1) / groupBytes));
      this.#staged = 0;
    }
  }

  #pack({ tensor, matrix, firstGroup, groupStep }: Placement, index: number): void {
    const model = this.#live();
    const placed = model.matrices.get(`${matrix?.name} ${matrix?.layer}`);
    assert(placed, 'every matrix is placed');
    const group = firstGroup + index * groupStep;
    const rows = Math.min(16, tensor.rows - index * 16);
    const blocks = tensor.columns / 32;
    const target = placed.at + group * placed.groupBytes;
    const negative =
      placed.type === 'Q4_1'
        ? model.kernels.packQ4(this.#staging, rows, blocks, target)
        : model.kernels.packQ8(this.#staging, rows, blocks, target, placed.offsets + group * 64);
    if (negative) {
      throw new SelvedgeError(
        'invalid_model',
        `Tensor '${tensor.name}' has a negative scale. Fetch the file again, or make it with another quantiser.`,
      );
    }
  }

  async finish(): Promise<Session> {
    const model = this.#live();
    const missing = this.#placements[this.#current];
    if (missing) {
      throw new SelvedgeError(
        'invalid_model',
        `The file ended before tensor '${missing.tensor.name}' was complete. Fetch it again.`,
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
