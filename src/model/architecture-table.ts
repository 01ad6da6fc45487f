/**
 * The architectures as data: one row each over shared parts, saying which tensors a model has, what they are for and
 * what shape they must have, and how its layers differ from one another. A new architecture whose arithmetic the
 * backends already know is a new row.
 */
import type { ModelShape, RopeShape, TensorRole } from '../backend/session.ts';

/** A number of the shape that a dimension must equal. */
export type Dimension = 'hidden' | 'ffn' | 'vocab' | 'queries' | 'keys' | 'head' | 'rope-pairs';

/** A tensor of a file. Of a fused one the parts follow one another: rows of a matrix, values of a vector. */
export interface TensorRow {
  /** `{}` stands for the layer. */
  name: string;
  /** Of a matrix; a vector has none. */
  columns?: Dimension;
  parts: readonly { role: TensorRole; size: Dimension }[];
  /** What it holds may be missing, or be in another tensor. */
  optional?: true;
}

export interface Architecture {
  name: string;
  ropePairs: RopeShape['pairs'];
  activation: ModelShape['activation'];
  /** Where the factors of embeddings, scores, blocks and logits come from. */
  scales: 'plain' | 'gemma' | 'granite';
  /** Which layers see a window only, if the file has one: all, or all but every n-th unless the file says otherwise. */
  windows: 'none' | 'all' | { allBut: number };
  /** Base of the rotary positions of layers with a window, where it is one of its own. */
  windowRopeBase?: number;
  /** Every n-th layer leaves queries and keys unrotated. */
  unrotatedEvery?: number;
  tensors: readonly TensorRow[];
}

const matrix = (name: string, role: TensorRole, columns: Dimension, rows: Dimension): TensorRow => ({
  name: `${name}.weight`,
  columns,
  parts: [{ role, size: rows }],
});
const vector = (name: string, role: TensorRole, size: Dimension): TensorRow => ({
  name,
  parts: [{ role, size }],
});
const optional = (rows: readonly TensorRow[]): TensorRow[] => rows.map((row) => ({ ...row, optional: true }));

const OUTER: readonly TensorRow[] = [
  matrix('token_embd', 'embedding', 'hidden', 'vocab'),
  vector('output_norm.weight', 'final-norm', 'hidden'),
  // Without it the embedding is the output projection too.
  ...optional([matrix('output', 'head', 'hidden', 'vocab')]),
];

const ROPE_FACTORS: readonly TensorRow[] = optional([
  vector('rope_freqs.weight', 'rope-factors', 'rope-pairs'),
  vector('rope_factors_long.weight', 'rope-factors-long', 'rope-pairs'),
  vector('rope_factors_short.weight', 'rope-factors-short', 'rope-pairs'),
]);

const NORMS: readonly TensorRow[] = [
  vector('blk.{}.attn_norm.weight', 'attention-norm', 'hidden'),
  vector('blk.{}.ffn_norm.weight', 'ffn-norm', 'hidden'),
];

const QUERY_KEY_VALUE: readonly TensorRow[] = [
  matrix('blk.{}.attn_q', 'query', 'hidden', 'queries'),
  matrix('blk.{}.attn_k', 'key', 'hidden', 'keys'),
  matrix('blk.{}.attn_v', 'value', 'hidden', 'keys'),
];
const FUSED_QUERY_KEY_VALUE: TensorRow = {
  name: 'blk.{}.attn_qkv.weight',
  columns: 'hidden',
  parts: [
    { role: 'query', size: 'queries' },
    { role: 'key', size: 'keys' },
    { role: 'value', size: 'keys' },
  ],
};
/** A converter may fuse them for any architecture. */
const ATTENTION: readonly TensorRow[] = [
  ...QUERY_KEY_VALUE,
  ...optional([FUSED_QUERY_KEY_VALUE]),
  matrix('blk.{}.attn_output', 'attention-output', 'queries', 'hidden'),
];

/** Of queries, keys and values: llama.cpp takes them in files of every architecture. */
const BIASES: readonly TensorRow[] = optional([
  vector('blk.{}.attn_q.bias', 'query-bias', 'queries'),
  vector('blk.{}.attn_k.bias', 'key-bias', 'keys'),
  vector('blk.{}.attn_v.bias', 'value-bias', 'keys'),
  {
    name: 'blk.{}.attn_qkv.bias',
    parts: [
      { role: 'query-bias', size: 'queries' },
      { role: 'key-bias', size: 'keys' },
      { role: 'value-bias', size: 'keys' },
    ],
  },
]);

/** llama.cpp takes these in `llama` and `granite` only, and a bias of the head in `qwen2` only. */
const OTHER_BIASES: readonly TensorRow[] = optional([
  vector('blk.{}.attn_output.bias', 'attention-output-bias', 'hidden'),
  vector('blk.{}.ffn_gate.bias', 'gate-bias', 'ffn'),
  vector('blk.{}.ffn_up.bias', 'up-bias', 'ffn'),
  vector('blk.{}.ffn_down.bias', 'down-bias', 'hidden'),
]);
const HEAD_BIAS: readonly TensorRow[] = optional([vector('output.bias', 'head-bias', 'vocab')]);

const HEAD_NORMS: readonly TensorRow[] = [
  vector('blk.{}.attn_q_norm.weight', 'query-norm', 'head'),
  vector('blk.{}.attn_k_norm.weight', 'key-norm', 'head'),
];

const FEED_FORWARD: readonly TensorRow[] = [
  matrix('blk.{}.ffn_gate', 'gate', 'hidden', 'ffn'),
  matrix('blk.{}.ffn_up', 'up', 'hidden', 'ffn'),
  matrix('blk.{}.ffn_down', 'down', 'ffn', 'hidden'),
];

const COMMON: readonly TensorRow[] = [...OUTER, ...NORMS, ...ATTENTION, ...BIASES, ...FEED_FORWARD];

const PLAIN = { activation: 'silu', scales: 'plain', windows: 'none' } as const;

const ROWS: readonly Architecture[] = [
  {
    ...PLAIN,
    name: 'llama',
    ropePairs: 'neighbours',
    tensors: [...COMMON, ...OTHER_BIASES, ...ROPE_FACTORS],
  },
  { ...PLAIN, name: 'qwen2', ropePairs: 'halves', tensors: [...COMMON, ...HEAD_BIAS] },
  {
    ...PLAIN,
    name: 'qwen3',
    ropePairs: 'halves',
    tensors: [...COMMON, ...HEAD_NORMS],
  },
  {
    name: 'gemma3',
    ropePairs: 'halves',
    activation: 'gelu',
    scales: 'gemma',
    windows: { allBut: 6 },
    windowRopeBase: 10_000,
    tensors: [
      ...COMMON,
      ...HEAD_NORMS,
      vector('blk.{}.post_attention_norm.weight', 'post-attention-norm', 'hidden'),
      vector('blk.{}.post_ffw_norm.weight', 'post-ffn-norm', 'hidden'),
    ],
  },
  {
    ...PLAIN,
    name: 'phi3',
    ropePairs: 'halves',
    windows: 'all',
    tensors: [
      ...OUTER,
      ...ROPE_FACTORS,
      ...NORMS,
      FUSED_QUERY_KEY_VALUE,
      ...optional(QUERY_KEY_VALUE),
      ...BIASES,
      matrix('blk.{}.attn_output', 'attention-output', 'queries', 'hidden'),
      {
        name: 'blk.{}.ffn_up.weight',
        columns: 'hidden',
        parts: [
          { role: 'gate', size: 'ffn' },
          { role: 'up', size: 'ffn' },
        ],
      },
      matrix('blk.{}.ffn_down', 'down', 'ffn', 'hidden'),
    ],
  },
  {
    ...PLAIN,
    name: 'smollm3',
    ropePairs: 'neighbours',
    unrotatedEvery: 4,
    tensors: COMMON,
  },
  {
    ...PLAIN,
    name: 'granite',
    ropePairs: 'neighbours',
    scales: 'granite',
    tensors: [...COMMON, ...OTHER_BIASES, ...ROPE_FACTORS],
  },
];

export const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map(ROWS.map((row) => [row.name, row]));
