/**
 * A `Session` without a model: logits are a function of the tokens before them, so a cache that was rewound,
 * forked or restored wrongly gives other tokens. It samples as the real ones do. Ways to disturb it (a slow
 * step, memory that is full) are options; what was run is recorded.
 */
import { pickToken } from '../../src/backend/sampler.ts';
import type {
  KvCache,
  Pick,
  PickRequest,
  Session,
  SessionInfo,
  StepOptions,
} from '../../src/backend/session.ts';
import { SelvedgeError, assert } from '../../src/errors.ts';

export interface TableOptions {
  vocabSize: number;
  contextLength?: number;
  maxBatch?: number;
  /** Of the token after `ids`, length vocabSize. Default: noise from a hash of all of them. */
  logits?: (ids: readonly number[]) => Float32Array;
  /** The same, as steps of the draft view see it. Default: as all others. */
  draftLogits?: (ids: readonly number[]) => Float32Array;
  /** Runs before each step. */
  beforeStep?: (ids: readonly number[], cached: readonly number[]) => void | Promise<void>;
  /** Of its blocks. */
  format?: string;
  /** Tokens that all caches together may hold. */
  memoryTokens?: number;
}

export interface TableSession extends Session {
  /** The ids of each step that was run. */
  readonly steps: readonly (readonly number[])[];
  /** Caches made and not disposed of. */
  readonly liveCaches: number;
  readonly disposed: boolean;
}

const MAGIC = 0x7ab1e;
const BLOCK_POSITIONS = 64;

export function createTableSession(options: TableOptions): TableSession {
  const { vocabSize, contextLength = 1024, maxBatch = 128, memoryTokens = Infinity } = options;
  const logitsAfter = options.logits ?? ((ids: readonly number[]) => noise(ids, vocabSize));
  const draftAfter = options.draftLogits ?? logitsAfter;
  const steps: number[][] = [];
  const live = new Set<TableCache>();
  let lastLogits: Float32Array[] = [];
  let disposed = false;

  class TableCache implements KvCache {
    readonly rewindLimit = 0;
    readonly ids: number[];

    constructor(ids: number[]) {
      reserve(ids.length);
      this.ids = ids;
      live.add(this);
    }

    get length(): number {
      return this.ids.length;
    }

    get byteLength(): number {
      return this.ids.length * 4;
    }

    rewind(length: number): void {
      assert(length >= 0 && length <= this.length, `rewind to ${length} of ${this.length}`);
      this.ids.length = length;
    }

    async snapshot(): Promise<Uint8Array> {
      return new Uint8Array(Uint32Array.of(MAGIC, vocabSize, ...this.ids).buffer);
    }

    restore(snapshot: Uint8Array): void {
      const words = new Uint32Array(snapshot.slice().buffer, 0, snapshot.byteLength >> 2);
      if (snapshot.byteLength % 4 !== 0 || words[0] !== MAGIC || words[1] !== vocabSize) {
        throw new SelvedgeError('invalid_request', 'The snapshot is of another session.');
      }
      this.ids.splice(0, this.ids.length, ...words.slice(2));
    }

    fork(length: number): TableCache {
      assert(length >= 0 && length <= this.length, `fork at ${length} of ${this.length}`);
      return new TableCache(this.ids.slice(0, length));
    }

    async exportBlock(index: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
      const start = index * BLOCK_POSITIONS;
      assert(start + count <= this.length, `block ${index} of ${count} ids`);
      return new Uint8Array(Uint32Array.from(this.ids.slice(start, start + count)).buffer);
    }

    appendBlock(block: Uint8Array, count: number): void {
      assert(this.length % BLOCK_POSITIONS === 0, `a block is appended at ${this.length}`);
      if (count < 1 || count > BLOCK_POSITIONS || block.length !== count * 4) {
        throw new SelvedgeError('invalid_request', 'The block is of another session.');
      }
      if (this.length + count > contextLength) throw tooLong();
      reserve(count);
      this.ids.push(...new Uint32Array(block.slice().buffer));
    }

    dispose(): void {
      live.delete(this);
      this.ids.length = 0;
    }
  }

  const tooLong = (): SelvedgeError =>
    new SelvedgeError('context_length_exceeded', `The table's context is ${contextLength}.`);

  const heldTokens = (): number => [...live].reduce((sum, cache) => sum + cache.length, 0);

  function reserve(count: number): void {
    if (heldTokens() + count <= memoryTokens) return;
    throw new SelvedgeError('out_of_memory', `The table holds ${memoryTokens} tokens.`);
  }

  return {
    steps,
    get liveCaches() {
      return live.size;
    },
    get disposed() {
      return disposed;
    },
    info: (): SessionInfo => ({
      device: 'cpu',
      threads: 1,
      simd: 'none',
      kv: 'f32',
      maxBatch,
      contextLength,
      memory: { weightBytes: 0, kvBytes: heldTokens() * 4, scratchBytes: 0, totalBytes: heldTokens() * 4 },
    }),
    blocks: { positions: BLOCK_POSITIONS, format: options.format ?? `table ${vocabSize}` },
    createCache: () => new TableCache([]),
    async step(ids, cache, requests: readonly PickRequest[], step: StepOptions = {}): Promise<Pick[]> {
      const { view, candidates = vocabSize } = step;
      assert(!disposed, 'the session was disposed');
      assert(cache instanceof TableCache && live.has(cache), 'the cache is of this session');
      assert(ids.length >= 1 && ids.length <= maxBatch, `a step of ${ids.length} ids`);
      const added = Array.from(ids);
      await options.beforeStep?.(added, cache.ids);
      if (cache.length + added.length > contextLength) {
        throw tooLong();
      }
      reserve(added.length);
      const start = cache.length;
      cache.ids.push(...added);
      steps.push(added);
      const after = view === 'draft' ? draftAfter : logitsAfter;
      lastLogits = requests.map(({ row }) =>
        after(cache.ids.slice(0, start + row + 1)).subarray(0, candidates),
      );
      return requests.map(({ row, sampling }, i) => pickToken(lastLogits[i]!, sampling, start + row + 1));
    },
    logits(index) {
      const logits = lastLogits[index];
      assert(logits, `request ${index} of the last step`);
      return logits.slice();
    },
    dispose() {
      disposed = true;
      for (const cache of live) cache.dispose();
    },
  };
}

/** From -4 to 4, by a hash of all ids. */
export function noise(ids: readonly number[], vocabSize: number): Float32Array {
  let hash = 0x811c9dc5;
  for (const id of ids) hash = Math.imul(hash ^ (id + 1), 0x01000193);
  const logits = new Float32Array(vocabSize);
  for (let id = 0; id < vocabSize; id++) {
    let mixed = Math.imul(hash ^ (id * 0x9e3779b1), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    logits[id] = ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 29 - 4;
  }
  return logits;
}

/** Logits that make `id` the certain pick. */
export function certain(id: number, vocabSize: number): Float32Array {
  const logits = new Float32Array(vocabSize).fill(-50);
  logits[id] = 50;
  return logits;
}
