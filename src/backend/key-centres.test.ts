/** The centres of keys that are held as the kernels hold them: transformed, in bytes, four positions a quad. */
import { expect, it } from 'vitest';
import { undoneHadamard } from '../../test/models/hadamard.ts';
import { seeded } from '../../test/models/random.ts';
import { writeCentres } from './key-centres.ts';

it.each([32, 64, 96, 128, 256])('are what the keys of a head of %i have in common', (headSize) => {
  const random = seeded(headSize);
  const positions = 24;
  const keys = new Uint8Array(64 * headSize).map(() => random.below(256));
  const scales = new Float32Array(64).map(() => 0.1 + random.next());
  const mean = new Float32Array(headSize);
  for (let position = 1; position < positions; position++) {
    const held = new Float32Array(headSize).map((_, dim) => {
      const at = (position >> 2) * headSize * 4 + (dim >> 2) * 16 + (position & 3) * 4 + (dim & 3);
      return (keys[at]! - 128) * scales[position]!;
    });
    undoneHadamard(held).forEach((value, dim) => (mean[dim]! += value / (positions - 1)));
  }
  const out = new Float32Array(headSize);
  writeCentres(undefined, keys, scales, positions, out);
  out.forEach((value, dim) => expect(value).toBeCloseTo(mean[dim]!, 3));
});
