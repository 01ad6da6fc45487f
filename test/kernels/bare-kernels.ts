/**
 * The kernels by themselves, without a session: packing, one row and four rows of activations against one group of 16 rows.
 * Memory is laid out by hand, since these kernels know nothing of a model's plan.
 */
import { canShareMemory, compileKernels, instantiateKernels } from '../../src/backend/wasm/module.ts';
import type { Kernels, Simd } from '../../src/backend/wasm/module.ts';

/** What is exported for tests alone. Comments stand where they are defined. */
interface TestKernels extends Kernels {
  unpackRow(kind: number, group: number, row: number, columns: number, out: number): void;
  openGroup(kind: number, group: number, columns: number, open: number): void;
  multiplyRow(kind: number, group: number, columns: number, act: number, offsets: number, out: number): void;
  multiplyRows(
    kind: number,
    group: number,
    open: number,
    columns: number,
    rows: number,
    act: number,
    out: number,
  ): void;
  fewRows(kind: number): number;
  multiplyFew(
    kind: number,
    group: number,
    columns: number,
    rows: number,
    act: number,
    actBytes: number,
    offsets: number,
    out: number,
  ): void;
  quantize8(x: number, length: number, out: number, lane: number, lanes: number): void;
  sumHalves(group: number, length: number, lanes: number, rows: number): void;
  spread(x: number, length: number, out: number, lane: number, lanes: number): void;
}

/** As in kernels/packs.ts. */
const FLOATS = 4;

const MIB = 1 << 20;
const [SOURCE, GROUP, OFFSETS, ACTIVATIONS, INPUT, OPEN, OUT] = [1, 2, 3, 4, 5, 6, 7].map(
  (at) => at * MIB,
) as [number, number, number, number, number, number, number];

/** Of four rows of activations: more than their form takes. */
const ACT_BYTES = MIB / 16;

/** Products come times 2^-56 (kernels/packs.ts). */
const DUE = 2 ** 56;

export class BareKernels {
  readonly #kernels: TestKernels;
  readonly #memory: WebAssembly.Memory;

  constructor(kernels: TestKernels, memory: WebAssembly.Memory) {
    this.#kernels = kernels;
    this.#memory = memory;
    kernels.initConstants();
  }

  /** Packs `rows` rows of a file, over whatever lay there. Returns what the kernel says of the scales. */
  pack(kind: number, file: Uint8Array, rows: number, columns: number): number {
    new Uint8Array(this.#memory.buffer, GROUP, MIB).fill(0xa5);
    new Uint8Array(this.#memory.buffer, SOURCE, file.length).set(file);
    return this.#kernels.packGroup(kind, SOURCE, rows, columns, GROUP, OFFSETS);
  }

  /** The packed group, `byteLength` bytes, and whether nothing behind it was written. */
  packed(byteLength: number): { bytes: Uint8Array; isWithinBounds: boolean } {
    const behind = new Uint8Array(this.#memory.buffer, GROUP + byteLength, MIB - byteLength);
    return {
      bytes: new Uint8Array(this.#memory.buffer, GROUP, byteLength).slice(),
      isWithinBounds: behind.every((byte) => byte === 0xa5),
    };
  }

  /** Sketches the packed group, of 8-bit quants. Its rows in the kind's own units, and R and N of each. */
  sketch(
    kind: number,
    columns: number,
    weights: Int16Array,
  ): { rows: Float32Array[]; left: Float32Array; whole: Float32Array } {
    new Int16Array(this.#memory.buffer, INPUT, columns).set(weights);
    this.#kernels.sketchGroup(kind, GROUP, columns, INPUT, OPEN, OUT);
    const [left, whole] = [OUT, OUT + 64].map((at) => this.#floats(at, 16).slice()) as [
      Float32Array,
      Float32Array,
    ];
    const rows = Array.from({ length: 16 }, (_, row) => {
      this.#kernels.unpackRow(kind, OPEN, row, columns, ACTIVATIONS);
      return this.#floats(ACTIVATIONS, columns).slice();
    });
    return { rows, left, whole };
  }

  unpack(kind: number, row: number, columns: number): Float32Array {
    this.#kernels.unpackRow(kind, GROUP, row, columns, OUT);
    return this.#floats(OUT, columns).slice();
  }

  /** Whether many rows meet the kind opened. Else it is always used as it is packed. */
  isOpened(kind: number): boolean {
    return this.#kernels.openBytes(kind, 256) > 0;
  }

  /** 16 outputs of one row of activations. */
  multiplyOne(kind: number, x: Float32Array): Float32Array {
    this.#prepare(kind, [x], 1);
    this.#kernels.multiplyRow(kind, GROUP, x.length, ACTIVATIONS, OFFSETS, OUT);
    return this.#floats(OUT, 16).map((value) => value * DUE);
  }

  /** The most rows of a step that meet the group as it is packed. */
  mostFew(kind: number): number {
    return this.#kernels.fewRows(kind);
  }

  /** 16 outputs of each of some rows, as many as there may be few, with the group as it is packed. */
  multiplyFew(kind: number, rows: readonly Float32Array[]): Float32Array[] {
    for (let first = 0; first < rows.length; first += 4) {
      this.#prepare(kind, rows.slice(first, first + 4), 4, ACTIVATIONS + (first / 4) * ACT_BYTES);
    }
    this.#kernels.multiplyFew(
      kind,
      GROUP,
      rows[0]!.length,
      rows.length,
      ACTIVATIONS,
      ACT_BYTES,
      OFFSETS,
      OUT,
    );
    return this.#outputs(rows.length);
  }

  /** 16 outputs of each of one to four rows, with the group opened. */
  multiplyOpened(kind: number, rows: readonly Float32Array[]): Float32Array[] {
    const columns = rows[0]!.length;
    this.#prepare(kind, rows, 4);
    this.#kernels.openGroup(kind, GROUP, columns, OPEN);
    this.#kernels.multiplyRows(kind, GROUP, OPEN, columns, rows.length, ACTIVATIONS, OUT);
    return this.#outputs(rows.length);
  }

  #outputs(rows: number): Float32Array[] {
    return Array.from({ length: rows }, (_, i) => this.#floats(OUT + 64 * i, 16).map((value) => value * DUE));
  }

  /** In the form that the kind meets: f32, or 8 bits with the sums that some kinds want. */
  #prepare(kind: number, rows: readonly Float32Array[], lanes: number, at = ACTIVATIONS): void {
    const length = rows[0]!.length;
    const areFloats = this.#kernels.formOf(kind) === FLOATS;
    rows.forEach((x, lane) => {
      this.#floats(INPUT, length).set(x);
      if (areFloats) this.#kernels.spread(INPUT, length, at, lane, lanes);
      else this.#kernels.quantize8(INPUT, length, at, lane, lanes);
    });
    if (areFloats) return;
    this.#kernels.sumHalves(at, length, lanes, rows.length);
  }

  #floats(at: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, at, length);
  }
}

export async function bareKernels(simd: Simd): Promise<BareKernels> {
  const shared = canShareMemory();
  const memory = new WebAssembly.Memory({ initial: 8 * 16, maximum: 65536, shared });
  const kernels = instantiateKernels(await compileKernels(simd, shared), memory);
  return new BareKernels(kernels as TestKernels, memory);
}
