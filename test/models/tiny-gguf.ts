/**
 * Writes tiny random models of every architecture as GGUF files: valid for every reader of the format, seeded, and
 * small enough to be made in each test. Sizes, tensor types and the head are options; the default is two layers of
 * `llama`.
 *
 * Weights are normal with a spread that keeps activations near one and logits of moderate size, so that
 * probabilities are neither flat nor certain.
 */
import type { TensorRole, TensorType } from '../../src/backend/session.ts';
import { writeGguf, type Entry, type TensorToWrite } from './gguf-writer.ts';
import { quantise } from './quantise.ts';
import { seeded, type Random } from './random.ts';
import { tinyVocabulary } from './tiny-vocabulary.ts';

export type TinyArchitecture = 'llama' | 'qwen2' | 'qwen3' | 'gemma3' | 'phi3' | 'smollm3' | 'granite';

export interface TinyOptions {
  architecture: TinyArchitecture;
  layers: number;
  /** A multiple of 32, as all sizes are where the type is quantised. */
  hidden: number;
  heads: number;
  kvHeads: number;
  /** Default: hidden / heads. */
  headSize?: number;
  ffn: number;
  /** At least 259. */
  vocab: number;
  /** Of the matrices; `types` overrides it by role. Norms are always F32. */
  type: TensorType;
  types: Partial<Record<TensorRole, TensorType>>;
  /** No output matrix: the embedding is used. */
  tied: boolean;
  ropeBase: number;
  /** Adds rope_freqs.weight, with factors between 1 and 4. */
  ropeFactors: boolean;
  /** Adds rope_factors_long.weight and rope_factors_short.weight. */
  longFactors: boolean;
  /** Rotated dimensions of a head. Default: all. */
  ropeSize?: number;
  /** Of queries, keys and values. */
  biases: boolean;
  /** Of the attention's output and the feed-forward part; of the output matrix. Default: none. */
  blockBiases?: boolean;
  headBias?: boolean;
  /** Queries, keys and values (and their biases) are one tensor. */
  fused: boolean;
  /** Metadata to add or replace, without the architecture in front. */
  entries: Record<string, Entry>;
  /** Of logits, whose inputs are normed. */
  logitSpread: number;
  contextLength: number;
  normEpsilon: number;
  seed: number;
}

const DEFAULTS: TinyOptions = {
  architecture: 'llama',
  layers: 2,
  hidden: 64,
  heads: 2,
  kvHeads: 1,
  ffn: 96,
  vocab: 320,
  type: 'F32',
  types: {},
  tied: true,
  ropeBase: 10_000,
  ropeFactors: false,
  longFactors: false,
  biases: false,
  fused: false,
  entries: {},
  logitSpread: 3,
  contextLength: 256,
  normEpsilon: 1e-5,
  seed: 1,
};

/** What makes the architectures what they are. Windows are short enough that a test's tokens cross them. */
const TRAITS: Readonly<Record<TinyArchitecture, Partial<TinyOptions>>> = {
  llama: {},
  qwen2: { biases: true },
  qwen3: { headSize: 64 },
  gemma3: { layers: 7, headSize: 64, entries: { 'attention.sliding_window': { u32: 12 } } },
  phi3: { fused: true, tied: false },
  smollm3: { layers: 4 },
  granite: {
    entries: {
      embedding_scale: { f32: 2 },
      'attention.scale': { f32: 0.3 },
      residual_scale: { f32: 0.75 },
      logit_scale: { f32: 1.5 },
    },
  },
};

function complete(overrides: Partial<TinyOptions>): TinyOptions {
  const traits = TRAITS[overrides.architecture ?? 'llama'];
  const entries = { ...traits.entries, ...overrides.entries };
  return { ...DEFAULTS, ...traits, ...overrides, entries };
}

/** The bytes of a GGUF file. */
export function tinyGguf(overrides: Partial<TinyOptions> = {}): Uint8Array {
  const options = complete(overrides);
  return writeGguf(tinyMetadata(options), tinyTensors(options));
}

/** What `tinyGguf` writes, to be changed by tests before it goes to `writeGguf`. */
export function tinyParts(overrides: Partial<TinyOptions> = {}): {
  metadata: Record<string, Entry>;
  tensors: TensorToWrite[];
} {
  const options = complete(overrides);
  return { metadata: tinyMetadata(options), tensors: tinyTensors(options) };
}

function tinyMetadata(options: TinyOptions): Record<string, Entry> {
  const headSize = options.headSize ?? options.hidden / options.heads;
  const numbers: Record<string, Entry> = {
    block_count: { u32: options.layers },
    context_length: { u32: options.contextLength },
    embedding_length: { u32: options.hidden },
    feed_forward_length: { u32: options.ffn },
    'attention.head_count': { u32: options.heads },
    'attention.head_count_kv': { u32: options.kvHeads },
    'attention.key_length': { u32: headSize },
    'attention.value_length': { u32: headSize },
    'attention.layer_norm_rms_epsilon': { f32: options.normEpsilon },
    'rope.dimension_count': { u32: options.ropeSize ?? headSize },
    'rope.freq_base': { f32: options.ropeBase },
    vocab_size: { u32: options.vocab },
    ...options.entries,
  };
  const prefixed = Object.entries(numbers).map(([key, entry]) => [`${options.architecture}.${key}`, entry]);
  return {
    'general.architecture': { string: options.architecture },
    'general.name': { string: `tiny ${options.seed}` },
    ...(Object.fromEntries(prefixed) as Record<string, Entry>),
    ...tinyVocabulary(options.vocab),
  };
}

function tinyTensors(options: TinyOptions): TensorToWrite[] {
  const { architecture, hidden, ffn, vocab, heads, kvHeads, headSize = hidden / heads } = options;
  const [queries, keys] = [heads * headSize, kvHeads * headSize];
  const random = seeded(options.seed);
  const matrix = (role: TensorRole, name: string, columns: number, rows: number): TensorToWrite => {
    const isHead = role === 'embedding' || role === 'head';
    const spread = (isHead ? options.logitSpread : 1) / Math.sqrt(columns);
    const values = normals(random, columns * rows, spread);
    const type = options.types[role] ?? options.type;
    return { name: `${name}.weight`, type, dims: [columns, rows], bytes: quantise(type, values) };
  };
  const norm = (name: string, size = hidden): TensorToWrite =>
    vector(
      `${name}.weight`,
      normals(random, size, 0.2).map((v) => 1 + v),
    );
  const bias = (name: string, size: number): TensorToWrite =>
    vector(`${name}.bias`, normals(random, size, 0.5));
  const when = (condition: boolean, make: () => TensorToWrite[]): TensorToWrite[] =>
    condition ? make() : [];
  const layer = (index: number): TensorToWrite[] => {
    const name = (part: string): string => `blk.${index}.${part}`;
    const isPhi = architecture === 'phi3';
    const hasHeadNorms = architecture === 'qwen3' || architecture === 'gemma3';
    return [
      norm(name('attn_norm')),
      matrix('down', name('ffn_down'), ffn, hidden),
      ...when(!isPhi, () => [
        matrix('gate', name('ffn_gate'), hidden, ffn),
        matrix('up', name('ffn_up'), hidden, ffn),
      ]),
      ...when(isPhi, () => [matrix('up', name('ffn_up'), hidden, 2 * ffn)]),
      norm(name('ffn_norm')),
      ...when(!options.fused, () => [
        matrix('key', name('attn_k'), hidden, keys),
        matrix('attention-output', name('attn_output'), queries, hidden),
        matrix('query', name('attn_q'), hidden, queries),
        matrix('value', name('attn_v'), hidden, keys),
      ]),
      ...when(options.fused, () => [
        matrix('attention-output', name('attn_output'), queries, hidden),
        matrix('query', name('attn_qkv'), hidden, queries + 2 * keys),
      ]),
      ...when(options.biases && !options.fused, () => [
        bias(name('attn_q'), queries),
        bias(name('attn_k'), keys),
        bias(name('attn_v'), keys),
      ]),
      ...when(options.biases && options.fused, () => [bias(name('attn_qkv'), queries + 2 * keys)]),
      ...when(options.blockBiases === true, () => [
        bias(name('attn_output'), hidden),
        bias(name('ffn_gate'), ffn),
        bias(name('ffn_up'), ffn),
        bias(name('ffn_down'), hidden),
      ]),
      ...when(hasHeadNorms, () => [norm(name('attn_q_norm'), headSize), norm(name('attn_k_norm'), headSize)]),
      ...when(architecture === 'gemma3', () => [
        norm(name('post_attention_norm')),
        norm(name('post_ffw_norm')),
      ]),
    ];
  };
  const factors = (name: string): TensorToWrite =>
    vector(
      `${name}.weight`,
      Float32Array.from({ length: ropePairs }, () => 1 + 3 * random.next()),
    );
  const ropePairs = (options.ropeSize ?? headSize) / 2;
  const ropeFreqs = factors('rope_freqs');
  return [
    ...when(options.ropeFactors, () => [ropeFreqs]),
    ...when(options.longFactors, () => [factors('rope_factors_long'), factors('rope_factors_short')]),
    matrix('embedding', 'token_embd', hidden, vocab),
    ...Array.from({ length: options.layers }, (_, index) => layer(index)).flat(),
    norm('output_norm'),
    ...when(!options.tied, () => [matrix('head', 'output', hidden, vocab)]),
    ...when(options.headBias === true, () => [bias('output', vocab)]),
  ];
}

function vector(name: string, values: Float32Array): TensorToWrite {
  return { name, type: 'F32', dims: [values.length], bytes: quantise('F32', values) };
}

function normals(random: Random, count: number, spread: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal() * spread);
}
