/**
 * The Hadamard transform that queries and keys go through before they are rounded to 8 bits: what is large in one dim, and
 * would set the scale of all, is spread over those that are equal to it mod 4. Both go through the same, so their products
 * are what they were but for a power of two (QuaRot, Ashkboos et al. 2024). Additions alone, in one order for every row.
 */

/** Dims that meet: the largest power of two in a quarter of a head. Products become so many times larger. */
// @ts-ignore: decorator
@inline export function hadamardWidth(size: i32): i32 {
  const quads = size >> 2;
  return quads & -quads;
}

/** In place: f32 [size]. */
export function hadamard(x: usize, size: i32): void {
  const end = x + (<usize>size << 2), all = <usize>hadamardWidth(size) << 4;
  for (let half: usize = 16; half < all; half <<= 1) {
    for (let from = x; from < end; from += half << 1) {
      for (let at = from; at < from + half; at += 16) {
        const a = v128.load(at), b = v128.load(at + half);
        v128.store(at, f32x4.add(a, b));
        v128.store(at + half, f32x4.sub(a, b));
      }
    }
  }
}
