/**
 * Tiny models whose activations have outliers, as real models' have: a few channels of every norm weigh eight times as much.
 * About half of the rows then have a block that the kernels refine (kernels/quantize.ts), different ones beside each other.
 */
import { writeGguf } from '../models/gguf-writer.ts';
import { tinyParts } from '../models/tiny-gguf.ts';
import type { TinyOptions } from '../models/tiny-gguf.ts';

const FACTOR = 8;
/** Channels, each in a block of 32 of its own. */
const CHANNELS = [5, 100, 230];

/** `hidden` must be at least 256. */
export function outlierGguf(options: Partial<TinyOptions> & { hidden: number }): Uint8Array {
  const { metadata, tensors } = tinyParts(options);
  const changed = tensors.map((tensor) => {
    if (!tensor.name.endsWith('_norm.weight')) return tensor;
    const weights = new Float32Array(tensor.bytes.slice().buffer);
    for (const channel of CHANNELS) weights[channel]! *= FACTOR;
    return { ...tensor, bytes: new Uint8Array(weights.buffer) };
  });
  return writeGguf(metadata, changed);
}

/** As the default model's types are, for what is compared between browsers and processors. */
export const mixedOutlierGguf = (): Uint8Array =>
  outlierGguf({
    type: 'Q4_1',
    types: { embedding: 'Q8_0' },
    hidden: 320,
    heads: 5,
    kvHeads: 1,
    ffn: 256,
    contextLength: 512,
  });
