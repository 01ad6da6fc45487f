/**
 * The `Session` seam: one model on one device, ready to run. The engine drives it and never learns whether
 * the arithmetic happens in WebAssembly or on a GPU, so sampling is part of a step: a GPU samples where the
 * logits are and only picks cross. Types only.
 *
 * Ownership: whoever creates a cache disposes of it; disposing of the session frees everything.
 * A session runs one step at a time; the engine's queue sees to that.
 */

/** The numbers of a decoder-only transformer, read from the model file by `model/`. */
export interface ModelShape {
  architecture: string;
  layerCount: number;
  /** Width of the residual stream. */
  hiddenSize: number;
  headCount: number;
  kvHeadCount: number;
  headSize: number;
  ffnSize: number;
  vocabSize: number;
  /** Longest context the model was trained for, in tokens. */
  contextLength: number;
  normEpsilon: number;
  /** The kinds of rotary positions that the layers name by index. */
  ropes: readonly RopeShape[];
  /** One for each layer. */
  layers: readonly LayerShape[];
  /** What the gate goes through: x sigmoid(x), or gelu by its tanh approximation. */
  activation: 'silu' | 'gelu';
  /** Factors: of embedding rows, of scores (before the softmax), of what a block adds to the stream, of logits. */
  scales: { embedding: number; attention: number; residual: number; logits: number };
  /** The output projection re-uses the embedding matrix. */
  tiedHead: boolean;
}

/** What differs between the layers of one model. */
export interface LayerShape {
  /** A row sees itself and the `window - 1` positions before it; 0 is all of them. */
  window: number;
  /** Index into `ropes`; -1 leaves queries and keys unrotated. */
  rope: number;
}

/** Rotary positions: pair i turns by position x base^(-2i / size), changed by the scaling and by factors of the file. */
export interface RopeShape {
  base: number;
  /** Rotated dimensions per head, from the first on. */
  size: number;
  /** Which dimensions form a pair: neighbours (2i, 2i+1), or halves (i, i + size/2). */
  pairs: 'neighbours' | 'halves';
  scaling: RopeScaling;
}

/** How a model's positions are stretched beyond what it was first trained for. */
export type RopeScaling =
  | { kind: 'none' }
  | { kind: 'linear'; factor: number }
  | {
      /** Peng et al. 2023, with ggml's parameters. */
      kind: 'yarn';
      factor: number;
      originalContext: number;
      extrapolation: number;
      attention: number;
      betaFast: number;
      betaSlow: number;
    }
  | {
      /** Factors of the file's tensors, long ones beyond `originalContext`; cosines and sines times `attention`. */
      kind: 'long';
      originalContext: number;
      attention: number;
    };

/** What a tensor is for. `layer` is -1 for tensors outside the layers. */
export type TensorRole =
  | 'embedding'
  | 'final-norm'
  | 'head'
  | 'rope-factors'
  | 'rope-factors-long'
  | 'rope-factors-short'
  | 'attention-norm'
  | 'query'
  | 'key'
  | 'value'
  | 'query-bias'
  | 'key-bias'
  | 'value-bias'
  | 'attention-output-bias'
  | 'gate-bias'
  | 'up-bias'
  | 'down-bias'
  | 'head-bias'
  // Of each head by itself, before the rotation.
  | 'query-norm'
  | 'key-norm'
  | 'attention-output'
  // Of what a block adds to the stream.
  | 'post-attention-norm'
  | 'post-ffn-norm'
  | 'ffn-norm'
  | 'gate'
  | 'up'
  | 'down';

/** Of ggml, by its names. */
export type TensorType =
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'Q8_0'
  | 'Q4_0'
  | 'Q4_1'
  | 'Q5_0'
  | 'Q5_1'
  | 'Q2_K'
  | 'Q3_K'
  | 'Q4_K'
  | 'Q5_K'
  | 'Q6_K';

export interface TensorPlan {
  name: string;
  role: TensorRole;
  layer: number;
  type: TensorType;
  /** Contiguous dimension (GGUF ne[0]): inputs of a matrix, length of a vector. */
  columns: number;
  /** Outputs of a matrix; 1 for a vector. */
  rows: number;
  /** From the start of the file, in bytes. */
  fileOffset: number;
  byteLength: number;
}

/** All a backend needs to know to place and run a model. Tensors are in file order. */
export interface ModelPlan {
  shape: ModelShape;
  tensors: readonly TensorPlan[];
}

/** How the token after one row is chosen. Steps happen in the order of the fields. */
export interface Sampling {
  /** Added to raw logits. */
  bias?: ReadonlyMap<number, number>;
  /** Divides positive and multiplies negative logits of every token seen in prompt or output. 1 is off. */
  repetitionPenalty: number;
  /** Subtracted times the count in the output. 0 is off. */
  frequencyPenalty: number;
  /** Subtracted once from tokens of the output. 0 is off. */
  presencePenalty: number;
  /** What the penalties look at. */
  seen?: { prompt: ReadonlySet<number>; output: ReadonlyMap<number, number> };
  /** 0 is greedy; ties go to the lowest id. */
  temperature: number;
  /** 0 is off. */
  topK: number;
  /** 1 is off. */
  topP: number;
  /** 0 is off. */
  minP: number;
  /** Key of the Gumbel noise, with the choice index, the position of the picked token and the token id. Unsigned 32 bits. */
  seed: number;
  choice: number;
  /** Fill `logprob`, `margin` and `entropy` (over raw logits); without it they are NaN and cost nothing. */
  statistics: boolean;
  /** How many of the most likely tokens to return, by raw logprob. Needs `statistics`. */
  topCount: number;
}

export interface Pick {
  id: number;
  /** Natural log of the raw probability of `id`. */
  logprob: number;
  /** Difference between the two largest raw logits. */
  margin: number;
  /** Of the raw distribution, in nats. */
  entropy: number;
  top?: { id: number; logprob: number }[];
}

/** The pick that follows row `row` of the ids of a step. */
export interface PickRequest {
  row: number;
  sampling: Sampling;
}

/** What sets a step apart from others. */
export interface StepOptions {
  /**
   * 'draft': attention reads the upper four bits of 8-bit keys and values, in the same cache. What is picked is a guess, and so
   * are the keys and values appended: the cache is rewound before it goes on without the view. Rows have the same bits in any
   * step of the view too. Where keys and values are f32, and without it, all bits are read.
   */
  view?: 'draft';
  /**
   * Picks are among the first so many tokens (1 to vocabSize), and less of the head is read: for guesses. Keys and values are
   * as without it, and so are the logits of these tokens.
   */
  candidates?: number;
}

/** Keys and values of one token sequence. */
export interface KvCache {
  /** Tokens held. */
  readonly length: number;
  /** The smallest length that `rewind` accepts (0 where the cache can go back all the way). */
  readonly rewindLimit: number;
  readonly byteLength: number;
  /** Forgets all after `length`. Continuing is bit-equal to never having gone ahead. */
  rewind(length: number): void;
  /** Copies the cache out as it is at the call, in the portable format of its session. */
  snapshot(): Promise<Uint8Array>;
  /** Replaces the contents. Throws `invalid_request` if the snapshot is of another format or model. */
  restore(snapshot: Uint8Array): void;
  /** A new cache that starts with the first `length` tokens of this one. */
  fork(length: number): KvCache;
  /**
   * The first `count` positions of block `index` (positions from `index * blocks.positions` on), copied as they are at the
   * call, whatever happens to the cache before the promise is kept: what lies on a GPU is read back. The same tokens give the same bytes in every session with the same `blocks.format`, whatever else the cache has held.
   */
  exportBlock(index: number, count: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Appends a block of `count` positions, exported by a session with the same format, to a cache that ends at the end of a
   * block. Throws, leaving the cache as it was: `invalid_request` if the bytes cannot be such a block,
   * `context_length_exceeded`, `out_of_memory`.
   */
  appendBlock(block: Uint8Array, count: number): void;
  dispose(): void;
}

/** How a session's caches are cut into what can be kept and given back one by one. */
export interface KvBlocks {
  /** Positions of a whole block. */
  positions: number;
  /**
   * Equal formats mean equal bits: it tells apart layouts, quantisation with its smoothing and centres, versions of the
   * kernels, and how this processor and browser round.
   */
  format: string;
}

export interface SessionInfo {
  device: 'cpu' | 'webgpu';
  threads: number;
  simd: 'relaxed' | 'plain' | 'none';
  kv: 'q8' | 'f32';
  /** Most ids one step takes (the prefill block). */
  maxBatch: number;
  /** Longest sequence a cache can hold, in tokens. */
  contextLength: number;
  memory: { weightBytes: number; kvBytes: number; scratchBytes: number; totalBytes: number };
}

export interface Session {
  info(): SessionInfo;
  readonly blocks: KvBlocks;
  createCache(): KvCache;
  /**
   * Appends `ids` (1..maxBatch) to `cache` and returns one pick for each request, in order.
   * The same row gives the same bits whatever else is in the step. No requests: no head is computed.
   * Throws `context_length_exceeded` when the cache is full, leaving it as it was.
   */
  step(
    ids: ArrayLike<number>,
    cache: KvCache,
    requests: readonly PickRequest[],
    options?: StepOptions,
  ): Promise<Pick[]>;
  /** Raw logits of request `index` of the last step, one for each of its candidates, copied. For tests and oracles. */
  logits(index: number): Float32Array;
  dispose(): void;
}

/** Takes a model file's bytes in order, from the first tensor byte, and packs them as they come. */
export interface WeightSink {
  /** `fileOffset` of the first byte; calls are contiguous. `bytes` may be re-used by the caller afterwards. */
  write(fileOffset: number, bytes: Uint8Array): void;
  /** All tensors arrived: the session. Throws `invalid_model` when bytes are missing. */
  finish(): Promise<Session>;
  /** Frees what was allocated; safe at any time, also after an error. */
  abort(): void;
}

export interface SessionOptions {
  threads: number | 'auto';
  simd: 'auto' | 'plain';
  kv: 'q8' | 'f32';
  contextLength: number;
}
