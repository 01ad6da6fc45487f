/** The Hadamard transform of int8 keys undone by its definition, over the dims of a head that are equal mod 4. */
export function undoneHadamard(head: Float32Array): Float32Array {
  const quads = head.length / 4;
  const width = quads & -quads;
  return head.map((_, dim) => {
    const quad = dim >> 2;
    let sum = 0;
    for (let other = quad - (quad % width), end = other + width; other < end; other++) {
      sum += sign(quad & other & (width - 1)) * head[4 * other + (dim & 3)]!;
    }
    return sum / width;
  });
}

/** -1 where an odd number of bits is set. */
function sign(bits: number): number {
  let result = 1;
  for (let left = bits; left > 0; left &= left - 1) result = -result;
  return result;
}
