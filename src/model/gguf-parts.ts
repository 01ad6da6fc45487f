/**
 * Models in several GGUF files (`gguf-split` of llama.cpp): each has a header for its own tensors, and the first one has the
 * metadata. Their headers become one, as of a file that holds all of them behind one another.
 */
import { SelvedgeError } from '../errors.ts';
import type { GgufHeader } from './gguf.ts';
import { Metadata } from './metadata.ts';

export interface PartHeader {
  header: GgufHeader;
  /** Of the part's file. */
  byteLength: number;
}

/** How many files the model is in, by the header of its first one. Throws when it is of another one. */
export function partCount(header: GgufHeader): number {
  const { index, count } = placeOf(header);
  if (index === 0) return count;
  throw new SelvedgeError(
    'unsupported_model',
    `The file is part ${index + 1} of a model in ${count} files. Give the URL of the first part, or all files in their order.`,
  );
}

/** The header of the whole model. Offsets of a part's tensors count on from the end of the part before it. */
export function joinParts(parts: readonly PartHeader[]): GgufHeader {
  const [{ header: first }] = parts as [PartHeader];
  let base = 0;
  const tensors = parts.flatMap(({ header, byteLength }, index) => {
    const place = placeOf(header);
    if (place.index !== index || place.count !== parts.length) {
      throw invalid(
        `Part ${index + 1} of ${parts.length} says that it is part ${place.index + 1} of ${place.count}`,
      );
    }
    const start = base;
    base += byteLength;
    return header.tensors.map((tensor) => ({ ...tensor, fileOffset: start + tensor.fileOffset }));
  });
  const names = new Set(tensors.map(({ name }) => name));
  const stated = new Metadata(first.metadata).count('split.tensors.count', 0) ?? tensors.length;
  if (names.size !== tensors.length) throw invalid('A tensor is in two parts of the model');
  if (stated !== tensors.length) {
    throw invalid(`The parts hold ${tensors.length} tensors, but the first one says ${stated}`);
  }
  return { ...first, tensors };
}

function placeOf({ metadata }: GgufHeader): { index: number; count: number } {
  const of = new Metadata(metadata);
  return { index: of.count('split.no', 0) ?? 0, count: of.count('split.count', 0) || 1 };
}

function invalid(what: string): SelvedgeError {
  return new SelvedgeError('invalid_model', `${what}. Download its files again, all of one version.`);
}
