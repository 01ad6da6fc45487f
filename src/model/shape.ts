/**
 * The numbers of a transformer from the metadata of its file, with ggml's defaults. What would change the
 * arithmetic and is not implemented (experts, unequal head sizes, capped logits) is refused by name.
 */
import { SelvedgeError } from '../errors.ts';
import type { LayerShape, ModelShape } from '../backend/session.ts';
import type { Architecture } from './architecture-table.ts';
import type { Metadata } from './metadata.ts';
import { needed, positive } from './metadata.ts';
import { readRope, readWindowRope } from './rope.ts';
import type { RopeFacts } from './rope.ts';

/** Layers described one by one: a file may claim any number, and its tensors are counted only later. */
const MOST_LAYERS = 4096;

/** `hasTensor`: of the file, by name. */
export function readShape(
  metadata: Metadata,
  architecture: Architecture,
  hasTensor: (name: string) => boolean,
): ModelShape {
  const { name, activation } = architecture;
  refuseVariants(metadata, name);
  const count = (key: string): number | undefined => metadata.countOfLayers(`${name}.${key}`, 1);
  const neededCount = (key: string): number => needed(count(key), `${name}.${key}`);
  const hiddenSize = neededCount('embedding_length');
  const heads = readHeads(metadata, name, hiddenSize);
  const contextLength = neededCount('context_length');
  const layerCount = neededCount('block_count');
  const epsilonKey = `${name}.attention.layer_norm_rms_epsilon`;
  const rope: RopeFacts = {
    name,
    size: heads.ropeSize,
    pairs: architecture.ropePairs,
    contextLength,
    hasLong: hasTensor('rope_factors_long.weight'),
    hasShort: hasTensor('rope_factors_short.weight'),
  };
  const { headCount, kvHeadCount, headSize } = heads;
  return {
    architecture: name,
    layerCount,
    hiddenSize,
    headCount,
    kvHeadCount,
    headSize,
    ffnSize: neededCount('feed_forward_length'),
    vocabSize: readVocabSize(metadata, name),
    contextLength,
    normEpsilon: positive(needed(metadata.number(epsilonKey), epsilonKey), epsilonKey),
    ...readLayers(metadata, architecture, rope, layerCount),
    activation,
    scales: readScales(metadata, architecture, { hiddenSize, headCount, headSize, layerCount }),
    tiedHead: !hasTensor('output.weight'),
  };
}

interface Heads {
  headCount: number;
  kvHeadCount: number;
  headSize: number;
  ropeSize: number;
}

function readHeads(metadata: Metadata, name: string, hiddenSize: number): Heads {
  const count = (key: string, least = 1): number | undefined =>
    metadata.countOfLayers(`${name}.${key}`, least);
  const headCount = needed(count('attention.head_count'), `${name}.attention.head_count`);
  const kvHeadCount = count('attention.head_count_kv') ?? headCount;
  const headSize = count('attention.key_length') ?? hiddenSize / headCount;
  const valueSize = count('attention.value_length') ?? headSize;
  const ropeSize = count('rope.dimension_count', 2) ?? headSize;
  const isWhole = Number.isInteger(headSize) && headCount % kvHeadCount === 0;
  const isRotatable = ropeSize % 2 === 0 && ropeSize <= headSize;
  if (isWhole && isRotatable && valueSize === headSize) return { headCount, kvHeadCount, headSize, ropeSize };
  throw new SelvedgeError(
    'unsupported_model',
    `The heads do not fit together: ${headCount} heads of ${headSize} (values ${valueSize}, rotated ${ropeSize}), ` +
      `${kvHeadCount} of them with keys. Only equal sizes in whole groups, evenly rotated, are supported.`,
  );
}

function readVocabSize(metadata: Metadata, name: string): number {
  const key = 'tokenizer.ggml.tokens';
  const tokens = needed(metadata.strings(key), key).length;
  const stated = metadata.count(`${name}.vocab_size`, 1) ?? tokens;
  if (stated === tokens && tokens > 0) return tokens;
  throw new SelvedgeError(
    'invalid_model',
    `${name}.vocab_size is ${stated}, but ${key} holds ${tokens} tokens. The file was converted wrongly.`,
  );
}

/** Layers with a window have rope 1 where the architecture gives them positions of their own. */
function readLayers(
  metadata: Metadata,
  architecture: Architecture,
  facts: RopeFacts,
  layerCount: number,
): Pick<ModelShape, 'ropes' | 'layers'> {
  const { name, windows, windowRopeBase, unrotatedEvery } = architecture;
  const window = windows === 'none' ? 0 : (metadata.count(`${name}.attention.sliding_window`, 0) ?? 0);
  const hasWindow = window === 0 ? () => false : windowPattern(metadata, architecture);
  const ropes = [readRope(metadata, facts)];
  if (windowRopeBase !== undefined) ropes.push(readWindowRope(metadata, facts, windowRopeBase));
  const isRotated = metadata.boolean(`${name}.rope.scaling.finetuned`) ?? true;
  const layerOf = (_: unknown, layer: number): LayerShape => {
    const isLocal = hasWindow(layer);
    const isPlain = unrotatedEvery !== undefined && (layer + 1) % unrotatedEvery === 0;
    // Granite's files say by this entry whether there are rotary positions at all.
    if (isPlain || (architecture.scales === 'granite' && !isRotated)) return { window: 0, rope: -1 };
    return { window: isLocal ? window : 0, rope: isLocal && windowRopeBase !== undefined ? 1 : 0 };
  };
  return { ropes, layers: Array.from({ length: Math.min(layerCount, MOST_LAYERS) }, layerOf) };
}

/** Which layers have the window: the file may name a period, or say it of each layer. */
function windowPattern(metadata: Metadata, { name, windows }: Architecture): (layer: number) => boolean {
  if (typeof windows === 'string') return () => windows === 'all';
  const key = `${name}.attention.sliding_window_pattern`;
  const stated = metadata.numberOrFlags(key) ?? windows.allBut;
  if (typeof stated !== 'number') return (layer) => stated[layer] ?? false;
  return (layer) => stated === 0 || layer % stated < stated - 1;
}

function readScales(
  metadata: Metadata,
  { name, scales }: Architecture,
  shape: Pick<ModelShape, 'hiddenSize' | 'headCount' | 'headSize' | 'layerCount'>,
): ModelShape['scales'] {
  const { hiddenSize, headSize } = shape;
  const plain = { embedding: 1, attention: 1 / Math.sqrt(headSize), residual: 1, logits: 1 };
  if (scales === 'plain') return plain;
  if (scales === 'gemma') {
    return { ...plain, embedding: Math.sqrt(hiddenSize), attention: 1 / Math.sqrt(gemmaQuerySize(shape)) };
  }
  /** 0 means that there is none. */
  const scale = (key: string, otherwise: number): number => metadata.number(`${name}.${key}`) || otherwise;
  const logitKey = `${name}.logit_scale`;
  return {
    embedding: scale('embedding_scale', plain.embedding),
    attention: scale('attention.scale', plain.attention),
    residual: scale('residual_scale', plain.residual),
    logits: 1 / positive(needed(metadata.number(logitKey), logitKey), logitKey),
  };
}

/** Gemma 3 27B, alone and known by its layers, scales its queries by another size than that of its heads. */
function gemmaQuerySize({
  hiddenSize,
  headCount,
  headSize,
  layerCount,
}: Pick<ModelShape, 'hiddenSize' | 'headCount' | 'headSize' | 'layerCount'>): number {
  return layerCount === 62 ? Math.floor(hiddenSize / headCount) : headSize;
}

function refuseVariants(metadata: Metadata, name: string): void {
  const refuse = (key: string, what: string): never => {
    throw new SelvedgeError('unsupported_model', `${name}.${key} is ${what} are not supported.`);
  };
  const experts = metadata.count(`${name}.expert_count`, 0) ?? 0;
  if (experts > 0) refuse('expert_count', `${experts}; mixtures of experts`);
  for (const key of ['final_logit_softcapping', 'attn_logit_softcapping']) {
    const cap = metadata.number(`${name}.${key}`) ?? 0;
    if (cap !== 0) refuse(key, `${cap}; capped logits`);
  }
  if (metadata.boolean(`${name}.attention.causal`) === false) {
    refuse('attention.causal', 'false; models that look ahead');
  }
}
