/**
 * The first positions of a page as bytes, and back: what is kept of a KV cache beyond its session. A page holds four
 * positions (lanes) interleaved in every quad, so whole quads are copied and the lanes of positions that are not asked for
 * are blanked: a block never carries what was rewound, and the same positions always give the same bytes.
 *
 * A block is [unit][section][quad] of the page's layers x kv heads, as written by `writeKeyValue` (wasm/kernels/rotate.ts) and the GPU.
 */
import type { ModelShape } from './session.ts';

export const PAGE_POSITIONS = 64;

const LANES = 4;

/** Part of a unit: 16 quads of so many bytes, in which lanes take turns of `laneBytes`. */
interface Section {
  quadBytes: number;
  laneBytes: number;
}

export interface BlockLayout {
  /** (layer, kv head) pairs of a page. */
  units: number;
  sections: readonly Section[];
}

export function blockLayout(shape: ModelShape, kv: 'q8' | 'f32'): BlockLayout {
  const { headSize, layerCount, kvHeadCount } = shape;
  const floats = 4 * LANES * headSize;
  const scales = { quadBytes: 4 * LANES, laneBytes: 4 };
  const sections =
    kv === 'q8'
      ? [
          { quadBytes: LANES * headSize, laneBytes: 4 },
          { quadBytes: LANES * headSize, laneBytes: 1 },
          scales,
          scales,
        ]
      : [
          { quadBytes: floats, laneBytes: 4 },
          { quadBytes: floats, laneBytes: 4 * headSize },
        ];
  return { units: layerCount * kvHeadCount, sections };
}

/** Bytes of a block of `count` positions. */
export function blockBytes({ units, sections }: BlockLayout, count: number): number {
  const quads = Math.ceil(count / LANES);
  return units * sections.reduce((sum, { quadBytes }) => sum + quads * quadBytes, 0);
}

/** The first `count` positions of `page`, copied. */
export function readBlock(layout: BlockLayout, page: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(blockBytes(layout, count));
  eachSection(layout, count, (section, inPage, inBlock, bytes) => {
    block.set(page.subarray(inPage, inPage + bytes), inBlock);
    if (count % LANES > 0) blankLanes(section, block, inBlock + bytes - section.quadBytes, count % LANES);
  });
  return block;
}

/** Puts a block of `count` positions into `page`, whose other positions stay. `block` has `blockBytes(count)`. */
export function writeBlock(layout: BlockLayout, page: Uint8Array, block: Uint8Array, count: number): void {
  eachSection(layout, count, (_, inPage, inBlock, bytes) => {
    page.set(block.subarray(inBlock, inBlock + bytes), inPage);
  });
}

function eachSection(
  { units, sections }: BlockLayout,
  count: number,
  visit: (section: Section, inPage: number, inBlock: number, bytes: number) => void,
): void {
  const quads = Math.ceil(count / LANES);
  let inPage = 0;
  let inBlock = 0;
  for (let unit = 0; unit < units; unit++) {
    for (const section of sections) {
      const bytes = quads * section.quadBytes;
      visit(section, inPage, inBlock, bytes);
      inPage += (PAGE_POSITIONS / LANES) * section.quadBytes;
      inBlock += bytes;
    }
  }
}

/** Zeroes the lanes from `used` on in the quad at `at`. */
function blankLanes({ quadBytes, laneBytes }: Section, block: Uint8Array, at: number, used: number): void {
  for (let i = 0; i < quadBytes; i++) {
    if (Math.floor(i / laneBytes) % LANES >= used) block[at + i] = 0;
  }
}
