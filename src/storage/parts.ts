/**
 * Models in several files, as llama.cpp splits and names them: `name-00001-of-00003.gguf` and so on. Each part is stored,
 * hashed and resumed by itself; only their names say that they belong together.
 */
import type { StoredModel } from './model-file.ts';

/** In a URL, in front of what follows the path. */
const PART = /-(\d{5})-of-(\d{5})(?=\.gguf(?:[?#]|$))/i;

/** The URL of part `index` (from 0) of a model of `count`, from that of another part; undefined if it is not named so. */
export function partUrl(url: string, index: number, count: number): string | undefined {
  const named = PART.exec(url);
  if (!named || Number(named[2]) !== count) return undefined;
  return url.replace(PART, `-${String(index + 1).padStart(5, '0')}-of-${named[2]}`);
}

/** Parts of one model as one, at the place of the first of them, under the URL of its first part. */
export function joinStored(models: readonly StoredModel[]): StoredModel[] {
  const groups = new Map<string, StoredModel[]>();
  for (const model of models) {
    const key = `${model.id} ${firstUrl(model.url)}`;
    groups.set(key, [...(groups.get(key) ?? []), model]);
  }
  return [...groups.values()].map(joinGroup);
}

function firstUrl(url: string): string {
  return partUrl(url, 0, countOf(url)) ?? url;
}

function countOf(url: string): number {
  return Number(PART.exec(url)?.[2] ?? 1);
}

function joinGroup(parts: readonly StoredModel[]): StoredModel {
  const [first] = parts as [StoredModel];
  const sum = (of: (part: StoredModel) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    ...first,
    url: firstUrl(first.url),
    byteLength: sum(({ byteLength }) => byteLength),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    complete: parts.length === countOf(first.url) && parts.every(({ complete }) => complete),
    lastUsed: Math.max(...parts.map(({ lastUsed }) => lastUsed)),
  };
}
