/**
 * A whole KV cache as bytes, the same on every device: a header, then pages of 64 positions as the kernels keep
 * them. What the numbers mean (smoothing, centres, the model's vectors) is in a checksum; a session with another refuses.
 */
import { SelvedgeError } from '../errors.ts';
import { PAGE_POSITIONS, blockBytes, blockLayout } from './page-blocks.ts';
import type { BlockLayout } from './page-blocks.ts';
import type { ModelShape } from './session.ts';

/** Identifies a snapshot: what was written can only be read back by a session with the same numbers. */
export interface SnapshotFormat {
  layers: number;
  kvHeads: number;
  headSize: number;
  int8: boolean;
  /** Of the model's vectors, rotations and key centres: keys and values mean nothing without them. */
  checksum: number;
  layout: BlockLayout;
}

const MAGIC = 0x564b5653; // 'SVKV'
/** 2: keys are smoothed where the model has biases or norms for them. */
const VERSION = 2;
const HEADER_BYTES = 32;

export function snapshotFormat(shape: ModelShape, kv: 'q8' | 'f32', checksum: number): SnapshotFormat {
  const { layerCount: layers, kvHeadCount: kvHeads, headSize } = shape;
  return { layers, kvHeads, headSize, int8: kv === 'q8', checksum, layout: blockLayout(shape, kv) };
}

/** Header (magic, version, layers, kv heads, head size, int8, checksum, length; u32 each), then `pages`. */
export function packSnapshot(
  format: SnapshotFormat,
  length: number,
  pages: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const pageBytes = blockBytes(format.layout, PAGE_POSITIONS);
  const out = new Uint8Array(HEADER_BYTES + pages.length * pageBytes);
  new Uint32Array(out.buffer, 0, HEADER_BYTES / 4).set([...headerOf(format), length]);
  pages.forEach((page, i) => out.set(page, HEADER_BYTES + i * pageBytes));
  return out;
}

function headerOf({ layers, kvHeads, headSize, int8, checksum }: SnapshotFormat): number[] {
  return [MAGIC, VERSION, layers, kvHeads, headSize, int8 ? 1 : 0, checksum];
}

/** Views of the pages. Throws `invalid_request` for a snapshot that is not of this format, or longer than `capacity`. */
export function unpackSnapshot(
  format: SnapshotFormat,
  snapshot: Uint8Array,
  capacity: number,
): { length: number; pages: Uint8Array[] } {
  const pageBytes = blockBytes(format.layout, PAGE_POSITIONS);
  const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
  const word = (i: number): number => (i * 4 + 4 <= snapshot.byteLength ? view.getUint32(i * 4, true) : -1);
  const length = word(7);
  const count = Math.ceil(length / PAGE_POSITIONS);
  const fits = headerOf(format).every((value, i) => word(i) === value) && length <= capacity;
  if (!fits || snapshot.byteLength !== HEADER_BYTES + count * pageBytes) {
    throw new SelvedgeError(
      'invalid_request',
      'The snapshot is of another model, KV format or version, or was cut. Compute the prompt again.',
    );
  }
  const pages = Array.from({ length: count }, (_, i) => {
    const from = HEADER_BYTES + i * pageBytes;
    return snapshot.subarray(from, from + pageBytes);
  });
  return { length, pages };
}
