/**
 * Writes tiny random `llama` models as GGUF files: valid for every reader of the format, seeded, and small
 * enough to be made in each test. Sizes, tensor types and the head are options; the default is two layers.
 *
 * Weights are normal with a spread that keeps activations near one and logits of moderate size, so that
 * probabilities are neither flat nor certain.
 */
import type { TensorRole, TensorType } from '../../src/backend/session.ts';
import { writeGguf, type Entry, type TensorToWrite } from './gguf-writer.ts';
import { quantise } from './quantise.ts';
import { seeded, type Random } from './random.ts';
import { tinyVocabulary } from './tiny-vocabulary.ts';

export interface TinyOptions {
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
  contextLength: number;
  normEpsilon: number;
  seed: number;
}

const DEFAULTS: TinyOptions = {
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
  contextLength: 256,
  normEpsilon: 1e-5,
  seed: 1,
};

/** Spread of the embedding, and of the output matrix: with a normed input of `hidden` ones, logits of about 3. */
function headSpread(hidden: number): number {
  return 3 / Math.sqrt(hidden);
}

/** The bytes of a GGUF file. */
export function tinyGguf(overrides: Partial<TinyOptions> = {}): Uint8Array {
  const options = { ...DEFAULTS, ...overrides };
  return writeGguf(tinyMetadata(options), tinyTensors(options));
}

/** What `tinyGguf` writes, to be changed by tests before it goes to `writeGguf`. */
export function tinyParts(overrides: Partial<TinyOptions> = {}): {
  metadata: Record<string, Entry>;
  tensors: TensorToWrite[];
} {
  const options = { ...DEFAULTS, ...overrides };
  return { metadata: tinyMetadata(options), tensors: tinyTensors(options) };
}

function tinyMetadata(options: TinyOptions): Record<string, Entry> {
  const headSize = options.headSize ?? options.hidden / options.heads;
  return {
    'general.architecture': { string: 'llama' },
    'general.name': { string: `tiny ${options.seed}` },
    'llama.block_count': { u32: options.layers },
    'llama.context_length': { u32: options.contextLength },
    'llama.embedding_length': { u32: options.hidden },
    'llama.feed_forward_length': { u32: options.ffn },
    'llama.attention.head_count': { u32: options.heads },
    'llama.attention.head_count_kv': { u32: options.kvHeads },
    'llama.attention.key_length': { u32: headSize },
    'llama.attention.value_length': { u32: headSize },
    'llama.attention.layer_norm_rms_epsilon': { f32: options.normEpsilon },
    'llama.rope.dimension_count': { u32: headSize },
    'llama.rope.freq_base': { f32: options.ropeBase },
    'llama.vocab_size': { u32: options.vocab },
    ...tinyVocabulary(options.vocab),
  };
}

function tinyTensors(options: TinyOptions): TensorToWrite[] {
  const { hidden, ffn, vocab, heads, kvHeads, headSize = hidden / heads } = options;
  const random = seeded(options.seed);
  const matrix = (role: TensorRole, name: string, columns: number, rows: number): TensorToWrite => {
    const isHead = role === 'embedding' || role === 'head';
    const spread = isHead ? headSpread(hidden) : 1 / Math.sqrt(columns);
    const values = normals(random, columns * rows, spread);
    const type = options.types[role] ?? options.type;
    return { name: `${name}.weight`, type, dims: [columns, rows], bytes: quantise(type, values) };
  };
  const norm = (name: string): TensorToWrite =>
    vector(
      name,
      normals(random, hidden, 0.2).map((v) => 1 + v),
    );
  const layer = (index: number): TensorToWrite[] => {
    const name = (part: string): string => `blk.${index}.${part}`;
    return [
      norm(name('attn_norm')),
      matrix('down', name('ffn_down'), ffn, hidden),
      matrix('gate', name('ffn_gate'), hidden, ffn),
      matrix('up', name('ffn_up'), hidden, ffn),
      norm(name('ffn_norm')),
      matrix('key', name('attn_k'), hidden, kvHeads * headSize),
      matrix('attention-output', name('attn_output'), heads * headSize, hidden),
      matrix('query', name('attn_q'), hidden, heads * headSize),
      matrix('value', name('attn_v'), hidden, kvHeads * headSize),
    ];
  };
  const factors = Float32Array.from({ length: headSize / 2 }, () => 1 + 3 * random.next());
  return [
    ...(options.ropeFactors ? [vector('rope_freqs', factors)] : []),
    matrix('embedding', 'token_embd', hidden, vocab),
    ...Array.from({ length: options.layers }, (_, index) => layer(index)).flat(),
    norm('output_norm'),
    ...(options.tied ? [] : [matrix('head', 'output', hidden, vocab)]),
  ];
}

function vector(name: string, values: Float32Array): TensorToWrite {
  return { name: `${name}.weight`, type: 'F32', dims: [values.length], bytes: quantise('F32', values) };
}

function normals(random: Random, count: number, spread: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal() * spread);
}
