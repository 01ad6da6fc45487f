/**
 * The numbers of a transformer from the metadata of its file, with ggml's defaults. What would change the
 * arithmetic and is not implemented (scaled rotary positions, experts, unequal head sizes) is refused by name.
 */
import { SelvedgeError } from '../errors.ts';
import type { ModelShape, RopeShape } from '../backend/session.ts';
import type { Metadata } from './metadata.ts';
import { needed } from './metadata.ts';

/** Layers described one by one: a file may claim any number, and its tensors are counted only later. */
const MOST_LAYERS = 4096;

export function readShape(
  metadata: Metadata,
  { name, ropePairs }: { name: string; ropePairs: RopeShape['pairs'] },
  tiedHead: boolean,
): ModelShape {
  const neededCount = (key: string): number => needed(metadata.count(`${name}.${key}`, 1), `${name}.${key}`);
  refuseVariants(metadata, name);
  const hiddenSize = neededCount('embedding_length');
  const headCount = neededCount('attention.head_count');
  const kvHeadCount = metadata.count(`${name}.attention.head_count_kv`, 1) ?? headCount;
  const headSize = metadata.count(`${name}.attention.key_length`, 1) ?? hiddenSize / headCount;
  const valueSize = metadata.count(`${name}.attention.value_length`, 1) ?? headSize;
  const ropeSize = metadata.count(`${name}.rope.dimension_count`, 2) ?? headSize;
  const whole = Number.isInteger(headSize) && headSize % 2 === 0 && headCount % kvHeadCount === 0;
  if (!whole || valueSize !== headSize || ropeSize !== headSize) {
    throw new SelvedgeError(
      'unsupported_model',
      `The heads do not fit together: ${headCount} heads of ${headSize} (values ${valueSize}, rotated ${ropeSize}), ` +
        `${kvHeadCount} of them with keys. Only equal, even sizes in whole groups are supported.`,
    );
  }
  const epsilonKey = `${name}.attention.layer_norm_rms_epsilon`;
  const layerCount = neededCount('block_count');
  return {
    architecture: name,
    layerCount,
    hiddenSize,
    headCount,
    kvHeadCount,
    headSize,
    ffnSize: neededCount('feed_forward_length'),
    vocabSize: readVocabSize(metadata, name),
    contextLength: neededCount('context_length'),
    normEpsilon: positive(needed(metadata.number(epsilonKey), epsilonKey), epsilonKey),
    ropes: [
      {
        base: positive(metadata.number(`${name}.rope.freq_base`) ?? 10_000, `${name}.rope.freq_base`),
        size: ropeSize,
        pairs: ropePairs,
        scaling: { kind: 'none' },
      },
    ],
    layers: Array.from({ length: Math.min(layerCount, MOST_LAYERS) }, () => ({ window: 0, rope: 0 })),
    activation: 'silu',
    scales: { embedding: 1, attention: 1 / Math.sqrt(headSize), residual: 1, logits: 1 },
    tiedHead,
  };
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

function refuseVariants(metadata: Metadata, name: string): void {
  const experts = metadata.count(`${name}.expert_count`, 0) ?? 0;
  const scaling = metadata.string(`${name}.rope.scaling.type`) ?? 'none';
  const factor =
    metadata.number(`${name}.rope.scaling.factor`) ?? metadata.number(`${name}.rope.scale_linear`) ?? 1;
  const scaled = scaling !== 'none' && factor !== 1 && factor !== 0;
  if (experts === 0 && !scaled) return;
  throw new SelvedgeError(
    'unsupported_model',
    experts > 0
      ? `${name}.expert_count is ${experts}; mixtures of experts are not supported.`
      : `${name}.rope.scaling.type is ${scaling} with factor ${factor}; only unscaled positions are supported.`,
  );
}

function positive(value: number, key: string): number {
  if (value > 0) return value;
  throw new SelvedgeError(
    'invalid_model',
    `The metadata entry ${key} is ${value}; it must be positive. The file is damaged or was converted wrongly.`,
  );
}
