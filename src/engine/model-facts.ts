/** What a header's tensors say of a model in a few words, for people. */
import type { GgufTensor } from '../model/gguf.ts';

/** Bytes by type, the most first. Vectors are left out unless `all`. */
export function bytesByType(tensors: readonly GgufTensor[], all = false): [type: string, bytes: number][] {
  const bytesOf = new Map<string, number>();
  for (const { type, dims, byteLength } of tensors) {
    const isMatrix = dims.slice(1).some((dim) => dim > 1);
    if (all || isMatrix) bytesOf.set(type.name, (bytesOf.get(type.name) ?? 0) + byteLength);
  }
  return [...bytesOf].sort(([, a], [, b]) => b - a);
}

/** 'Q4_1' or 'Q4_K, Q6_K'; null without matrices. */
export function quantisationOf(tensors: readonly GgufTensor[]): string | null {
  const types = bytesByType(tensors).map(([type]) => type);
  return types.length > 0 ? types.join(', ') : null;
}

export function parameterCountOf(tensors: readonly GgufTensor[]): number {
  return tensors.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
}
