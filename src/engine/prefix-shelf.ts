/**
 * What is kept of prefixes, as this engine sees it: the store, the rule of what may be written, the index in memory, and
 * the blocks that were read while the model was loading. The index is read anew only when its revision says that another
 * tab changed it.
 */
import type { RenewableRule } from '../storage/content-rule.ts';
import { tenantTag } from '../storage/prefix-keys.ts';
import type { PrefixBlock, PrefixNode, PrefixStore } from '../storage/prefix-store.ts';
import { chainTo, endsOf, treeOf, victims } from '../storage/prefix-tree.ts';
import type { PrefixTree } from '../storage/prefix-tree.ts';
import type { ContentSettings } from '../rpc/protocol.ts';

/** Of blocks that are read before anybody asks: the prefixes that were used last. */
const AHEAD_BYTES = 32 << 20;

export interface ShelfOptions {
  settings: ContentSettings;
  /** The model's id: whose blocks are read ahead. */
  model: string;
  store: PrefixStore;
  rule: RenewableRule;
  now: () => number;
}

export class PrefixShelf {
  readonly rule: RenewableRule;
  readonly settings: ContentSettings;
  readonly model: string;
  /** `tenantTag` of the settings' tenant. */
  readonly tag: string;
  readonly now: () => number;
  readonly #store: PrefixStore;
  #tree: PrefixTree = treeOf([]);
  #revision: number | undefined;
  #ahead = new Map<string, unknown>();
  /** Of reads of the store; undefined until there was one. */
  #bytesPerMs: number | undefined;

  private constructor({ settings, model, store, rule, now }: ShelfOptions) {
    this.rule = rule;
    this.settings = settings;
    this.model = model;
    this.tag = tenantTag(settings.tenant);
    this.now = now;
    this.#store = store;
  }

  /** Reads the index, and ahead. A store that fails is an empty one. */
  static async open(options: ShelfOptions): Promise<PrefixShelf> {
    const shelf = new PrefixShelf(options);
    if (options.settings.prefixBytes > 0) await shelf.#readAhead().catch(() => undefined);
    return shelf;
  }

  get tree(): PrefixTree {
    return this.#tree;
  }

  /** What reading takes, by what it took so far; undefined before the first time. Blocks that are here take nothing. */
  expectedMs(nodes: readonly PrefixNode[]): number | undefined {
    const bytes = sizeOf(nodes.filter(({ key }) => !this.#ahead.has(key)));
    if (bytes === 0) return 0;
    return this.#bytesPerMs === undefined ? undefined : bytes / this.#bytesPerMs;
  }

  async refresh(): Promise<void> {
    const index = await this.#store.index(this.#revision);
    if (!index) return;
    this.#tree = treeOf(index.nodes);
    this.#revision = index.revision;
  }

  /** Records in the order of `nodes`: anything, or undefined. */
  async read(nodes: readonly PrefixNode[]): Promise<unknown[]> {
    const missing = nodes.filter(({ key }) => !this.#ahead.has(key));
    const start = this.now();
    const read = missing.length > 0 ? await this.#store.read(missing.map(({ key }) => key)) : [];
    if (missing.length > 0) this.#observe(sizeOf(missing), this.now() - start);
    const found = new Map(missing.map(({ key }, i) => [key, read[i]]));
    return nodes.map(({ key }) => (this.#ahead.has(key) ? this.#ahead.get(key) : found.get(key)));
  }

  /** The first request was answered: what was read ahead for it is not needed any more. */
  forgetAhead(): void {
    this.#ahead.clear();
  }

  /** Makes room within the budget; false if that cannot be without what is pinned or in `kept`. Counts what went. */
  async makeRoom(bytes: number, kept: ReadonlySet<string>): Promise<{ fits: boolean; evicted: number }> {
    const over = sizeOf(this.#tree.nodes.values()) + bytes - this.settings.prefixBytes;
    return over <= 0 ? { fits: true, evicted: 0 } : this.evict(over, kept);
  }

  async evict(bytes: number, kept: ReadonlySet<string>): Promise<{ fits: boolean; evicted: number }> {
    const chosen = victims(this.#tree, bytes, this.now(), kept);
    if (!chosen) return { fits: false, evicted: 0 };
    await this.remove(chosen);
    return { fits: true, evicted: chosen.length };
  }

  async write(blocks: readonly PrefixBlock[]): Promise<void> {
    const known = this.#revision;
    const revision = await this.#store.write(blocks);
    this.#tree = treeOf([...this.#tree.nodes.values(), ...blocks.map(({ node }) => node)]);
    // Another tab wrote in between: the next look reads all of it.
    this.#revision = known !== undefined && revision === known + 1 ? revision : undefined;
  }

  async amend(keys: readonly string[], change: (node: PrefixNode) => PrefixNode): Promise<void> {
    if (keys.length === 0) return;
    const chosen = new Set(keys);
    const nodes = [...this.#tree.nodes.values()];
    this.#tree = treeOf(nodes.map((node) => (chosen.has(node.key) ? change(node) : node)));
    await this.#store.amend(keys, change);
  }

  async remove(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const gone = new Set(keys);
    this.#tree = treeOf([...this.#tree.nodes.values()].filter(({ key }) => !gone.has(key)));
    for (const key of keys) this.#ahead.delete(key);
    await this.#store.remove(keys);
  }

  async removeAll(): Promise<void> {
    this.#tree = treeOf([]);
    this.#ahead.clear();
    this.#revision = undefined;
    await this.#store.removeAll();
  }

  sweep(): Promise<void> {
    return this.#store.sweep();
  }

  async #readAhead(): Promise<void> {
    await this.refresh();
    const ends = endsOf(this.#tree).filter(
      ({ tenant, model }) => tenant === this.tag && model === this.model,
    );
    const chosen = new Map<string, PrefixNode>();
    for (const end of ends.sort((a, b) => b.lastUsed - a.lastUsed)) {
      const more = chainTo(this.#tree, end.key).filter(({ key }) => !chosen.has(key));
      if (sizeOf(chosen.values()) + sizeOf(more) > AHEAD_BYTES) break;
      for (const node of more) chosen.set(node.key, node);
    }
    const nodes = [...chosen.values()];
    const records = await this.read(nodes);
    nodes.forEach(({ key }, i) => this.#ahead.set(key, records[i]));
  }

  #observe(bytes: number, ms: number): void {
    const rate = bytes / Math.max(ms, 0.1);
    this.#bytesPerMs = this.#bytesPerMs === undefined ? rate : (this.#bytesPerMs + rate) / 2;
  }
}

export function sizeOf(nodes: Iterable<PrefixNode>): number {
  let bytes = 0;
  for (const { byteLength } of nodes) bytes += byteLength;
  return bytes;
}
