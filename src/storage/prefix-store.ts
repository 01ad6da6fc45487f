/**
 * What the engine sees of where prefixes are kept: blocks by name, and an index that says of each what it costs and
 * saves. Several tabs use one store at the same time; as equal names are equal bytes, they cannot disagree. Types only.
 */

/** What the index knows of a block. */
export interface PrefixNode {
  key: string;
  /** The block before it, or the root. */
  parent: string;
  /** Positions before it and in it; all but the last block of a prefix are whole. */
  start: number;
  positions: number;
  /** Of its record. */
  byteLength: number;
  /** What computing it took, in milliseconds. */
  computeMs: number;
  /** Milliseconds since the epoch. */
  lastUsed: number;
  /** How often it was read back. */
  hits: number;
  pinned: boolean;
  /** `tenantTag` of whom it belongs to. */
  tenant: string;
  /** The model's id. */
  model: string;
}

export interface PrefixIndex {
  /** Changes with every block that comes or goes. */
  revision: number;
  nodes: PrefixNode[];
}

export interface PrefixBlock {
  node: PrefixNode;
  record: Uint8Array<ArrayBuffer>;
}

/** A method may reject, with whatever the browser gives: the caller does without. */
export interface PrefixStore {
  /** Undefined when nothing changed since `known`. */
  index(known?: number): Promise<PrefixIndex | undefined>;
  /** What is stored under each key, undefined where there is nothing. It may be anything: the content rule tells. */
  read(keys: readonly string[]): Promise<unknown[]>;
  /** Blocks first, then the index: what the index names is there. Resolves to the new revision. */
  write(blocks: readonly PrefixBlock[]): Promise<number>;
  /** Changes what the index says of blocks that are still there. */
  amend(keys: readonly string[], change: (node: PrefixNode) => PrefixNode): Promise<void>;
  /** Index first, then blocks. */
  remove(keys: readonly string[]): Promise<void>;
  removeAll(): Promise<void>;
  /** Deletes blocks that no index names: what a tab left that was closed in mid-write. */
  sweep(): Promise<void>;
}
