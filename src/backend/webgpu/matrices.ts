/**
 * Matrices on the GPU: their buffers, and how a file's bytes get there. Bytes are staged until a few rows are whole, repacked
 * and written; a model never lies in memory twice. A matrix that no buffer can hold, or no shader may see whole, is several
 * parts of rows.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import type { TensorPlan } from '../session.ts';
import type { Gpu } from './gpu.ts';
import { USE } from './gpu-flags.ts';
import { kindOf, planesOf, scaleWords } from './matrix-kinds.ts';
import type { Planes } from './matrix-kinds.ts';
import { repack, roomFor } from './repack.ts';
import type { Repacked } from './repack.ts';

/** Consecutive rows of a matrix in one buffer. */
export interface MatrixPart {
  planes: Planes;
  firstRow: number;
  buffer: GPUBuffer;
}

/** One tensor, or several behind one another. */
export type MatrixSize = Pick<TensorPlan, 'name' | 'type' | 'columns' | 'rows'>;

/** About so many bytes of a file are repacked at a time. */
const PIECE_BYTES = 1 << 18;

/** Rows of a tensor that one binding may hold; even, so that every part begins at a whole word. */
export function rowsPerPart({ limits }: Gpu, { type, columns, rows, name }: MatrixSize): number {
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const { byteLength } = planesOf(kindOf(type), columns, 2);
  const fitting = 2 * Math.floor((most - 64) / byteLength);
  if (fitting >= 2) return Math.min(rows, fitting);
  throw new SelvedgeError(
    'unsupported_device',
    `Two rows of tensor '${name}' take ${byteLength} bytes, and this GPU binds ${most} at a time. Use the CPU.`,
  );
}

/** Buffers for all rows, empty, into `parts`: what is there when it throws is the caller's to free. */
export function createParts(
  gpu: Gpu,
  matrix: MatrixSize,
  parts: MatrixPart[],
  rowsOfPart = rowsPerPart(gpu, matrix),
): void {
  for (let firstRow = 0; firstRow < matrix.rows; firstRow += rowsOfPart) {
    const rows = Math.min(rowsOfPart, matrix.rows - firstRow);
    const planes = planesOf(kindOf(matrix.type), matrix.columns, rows);
    const buffer = gpu.createBuffer(planes.byteLength, USE.STORAGE | USE.COPY_DST, matrix.name);
    parts.push({ planes, firstRow, buffer });
  }
}

/** Takes a tensor's bytes in order. Tensors of one type may lie behind one another in a matrix. */
export class MatrixWriter {
  readonly #gpu: Gpu;
  readonly #tensor: TensorPlan;
  readonly #parts: readonly MatrixPart[];
  readonly #rowBytes: number;
  /** Of a piece; even. */
  readonly #pieceRows: number;
  readonly #staging: Uint8Array<ArrayBuffer>;
  readonly #room: Repacked;
  #staged = 0;
  /** Row of the matrix that is written next, and the one behind the tensor's last. */
  #row: number;
  readonly #end: number;

  constructor(gpu: Gpu, tensor: TensorPlan, parts: readonly MatrixPart[], firstRow = 0) {
    this.#gpu = gpu;
    this.#row = firstRow;
    this.#end = firstRow + tensor.rows;
    this.#tensor = tensor;
    this.#parts = parts;
    this.#rowBytes = tensor.byteLength / tensor.rows;
    const rows = 2 * Math.max(1, Math.floor(PIECE_BYTES / this.#rowBytes / 2));
    this.#pieceRows = Math.min(rows, tensor.rows);
    this.#staging = new Uint8Array(this.#pieceRows * this.#rowBytes);
    this.#room = roomFor(kindOf(tensor.type), this.#pieceRows * parts[0]!.planes.blocks);
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const { rows, part } = this.#nextPiece();
      const count = Math.min(bytes.length - at, rows * this.#rowBytes - this.#staged);
      this.#staging.set(bytes.subarray(at, at + count), this.#staged);
      this.#staged += count;
      at += count;
      if (this.#staged === rows * this.#rowBytes) this.#writePiece(part, rows);
    }
  }

  /** Pieces end where parts and the tensor do. */
  #nextPiece(): { rows: number; part: MatrixPart } {
    const part = this.#parts.findLast(({ firstRow }) => firstRow <= this.#row);
    assert(part, `row ${this.#row} of '${this.#tensor.name}' has a place`);
    const end = Math.min(this.#end, part.firstRow + part.planes.rows);
    return { part, rows: Math.min(this.#pieceRows, end - this.#row) };
  }

  #writePiece({ planes, firstRow, buffer }: MatrixPart, rows: number): void {
    const { kind, blocks, highAt, scalesAt } = planes;
    const fine = repack(kind, this.#staging.subarray(0, rows * this.#rowBytes), this.#room);
    if (!fine) {
      throw new SelvedgeError(
        'invalid_model',
        `Tensor '${this.#tensor.name}' has a scale that no quantiser writes. Fetch the file again, or make it with another quantiser.`,
      );
    }
    const { queue } = this.#gpu.device;
    const put = (at: number, words: Uint32Array<ArrayBuffer>, count: number): void => {
      if (count > 0) queue.writeBuffer(buffer, 4 * at, words, 0, count);
    };
    const blocksBefore = (this.#row - firstRow) * blocks;
    const blocksHere = rows * blocks;
    put(blocksBefore * kind.codeWords, this.#room.codes, blocksHere * kind.codeWords);
    put(highAt + blocksBefore * kind.highWords, this.#room.high, blocksHere * kind.highWords);
    put(
      scalesAt + scaleWords(kind.scales, blocksBefore),
      this.#room.scales,
      scaleWords(kind.scales, blocksHere),
    );
    this.#row += rows;
    this.#staged = 0;
  }
}
