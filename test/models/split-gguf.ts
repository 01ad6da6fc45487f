/** Splits a model over several GGUF files as llama.cpp's gguf-split does: the first has the metadata, each has its tensors. */
import { writeGguf, type Entry, type TensorToWrite } from './gguf-writer.ts';

/** The bytes of `count` files, with about as many tensors each. */
export function splitGguf(
  { metadata, tensors }: { metadata: Record<string, Entry>; tensors: readonly TensorToWrite[] },
  count: number,
): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const [from, to] = [index, index + 1].map((part) => Math.floor((part * tensors.length) / count));
    const split: Record<string, Entry> = {
      'split.no': { u16: index },
      'split.count': { u16: count },
      'split.tensors.count': { i32: tensors.length },
    };
    return writeGguf({ ...(index === 0 ? metadata : {}), ...split }, tensors.slice(from, to));
  });
}
