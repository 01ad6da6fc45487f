/** Reads a node of the index, which any version of this library, or a crash, may have written. */
import type { PrefixNode } from './prefix-store.ts';

const NUMBERS = ['start', 'positions', 'byteLength', 'computeMs', 'lastUsed', 'hits'] as const;
const TEXTS = ['key', 'parent', 'tenant', 'model'] as const;

/** Undefined if it is none. */
export function parseNode(value: unknown): PrefixNode | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Partial<Record<keyof PrefixNode, unknown>>;
  const areNumbers = NUMBERS.every((name) => Number.isFinite(fields[name]) && Number(fields[name]) >= 0);
  const areTexts = TEXTS.every((name) => typeof fields[name] === 'string');
  if (!areNumbers || !areTexts || typeof fields.pinned !== 'boolean') return undefined;
  const node = value as PrefixNode;
  const isWhole = Number.isSafeInteger(node.start) && Number.isSafeInteger(node.positions);
  return isWhole && node.positions > 0 && node.byteLength > 0 ? node : undefined;
}
