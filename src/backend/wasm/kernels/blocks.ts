/**
 * Q4_0, Q5_0 and Q5_1: blocks of 32 with an f16 scale. w = d x (q - 8), d x (q - 16), d x q + m; scales may be negative, as
 * those of Q4_0 and Q5_0 are for about half of all blocks.
 *
 * Packed group: 16 rows of K columns as K/32 blocks of quants (quants.ts), then f16 scales (quants-scales.ts): as
 * many bytes as in the file. `affine`: there is an m.
 */
import { quantAt, storeQuants } from './quants';
import { AFFINE, CENTRED, blockBytes, scaleAt } from './quants-scales';
import { halfToFloat } from './simd';

/** 0x10 in each byte whose bit of the 16 is set. */
// @ts-ignore: decorator
@inline function spread(bits: u32): v128 {
  const s = i16x8.splat(<i16>bits);
  const bytes = v128.shuffle<i8>(s, s, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const one = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return v128.and(i8x16.eq(v128.and(bytes, one), one), i8x16.splat(16));
}

/** Packs `rows` (1..16) rows of `blocks` blocks each; missing rows become zero. Returns 0: any scale will do. */
export function packBlocks(five: bool, affine: bool, source: usize, rows: i32, blocks: i32, target: usize): i32 {
  const scales = affine ? AFFINE : CENTRED, size = blockBytes(five, scales);
  const head: usize = affine ? 4 : 2, fileBytes = head + (five ? 20 : 16);
  memory.fill(target, 0, size * <usize>blocks);
  let from = source;
  for (let r: usize = 0; r < <usize>rows; r++) {
    let to = target;
    for (let b = 0; b < blocks; b++) {
      store<u16>(scaleAt(five, scales, to, r), load<u16>(from));
      if (affine) store<u16>(scaleAt(five, scales, to, r), load<u16>(from, 2), 2);
      const pairs = v128.load(from + fileBytes - 16);
      let low = v128.and(pairs, i8x16.splat(15)), high = v128.and(i16x8.shr_u(pairs, 4), i8x16.splat(15));
      if (five) {
        low = v128.or(low, spread(load<u16>(from + head)));
        high = v128.or(high, spread(load<u16>(from + head, 2)));
        storeQuants(true, to, r, low, high);
      } else {
        storeQuants(false, to, r, low, high);
      }
      from += fileBytes;
      to += size;
    }
  }
  return 0;
}

/** Row `row` of a group as f32. */
export function unpackBlocks(five: bool, affine: bool, group: usize, row: i32, blocks: i32, out: usize): void {
  const scales = affine ? AFFINE : CENTRED, size = blockBytes(five, scales), r = <usize>row;
  const centre = affine ? 0 : five ? 16 : 8;
  for (let b = 0; b < blocks; b++) {
    const at = scaleAt(five, scales, group, r);
    const d = halfToFloat(load<u16>(at)), m = affine ? halfToFloat(load<u16>(at, 2)) : 0;
    for (let c: usize = 0; c < 32; c++) {
      const product = d * <f32>(quantAt(five, group, r, c) - centre);
      store<f32>(out + (c << 2), affine ? product + m : product);
    }
    group += size;
    out += 128;
  }
}
