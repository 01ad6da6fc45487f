/**
 * Rotary positions and their scaling from the metadata of a file, with the meanings and defaults of ggml: an unnamed
 * scaling is linear, its factor 1; yarn extrapolates fully, with betas of 32 and 1.
 */
import { SelvedgeError } from '../errors.ts';
import type { RopeScaling, RopeShape } from '../backend/session.ts';
import type { Metadata } from './metadata.ts';
import { positive } from './metadata.ts';

/** What the rotation of a model's layers depends on beside the metadata. */
export interface RopeFacts {
  /** Of the architecture, in front of the keys. */
  name: string;
  /** Rotated dimensions per head. */
  size: number;
  pairs: RopeShape['pairs'];
  contextLength: number;
  /** Whether the file has the tensors with factors for contexts beyond and within the original one. */
  hasLong: boolean;
  hasShort: boolean;
}

/** The positions of layers that see everything. */
export function readRope(metadata: Metadata, facts: RopeFacts): RopeShape {
  const { name, size, pairs } = facts;
  return {
    base: readBase(metadata, `${name}.rope.freq_base`, 10_000),
    size,
    pairs,
    scaling: readScaling(metadata, facts),
  };
}

/** The positions of layers that see a window: a base of their own, never stretched. */
export function readWindowRope(
  metadata: Metadata,
  { name, size, pairs }: RopeFacts,
  base: number,
): RopeShape {
  const attention = metadata.number(`${name}.rope.scaling.attn_factor`) ?? 1;
  return {
    base: readBase(metadata, `${name}.rope.freq_base_swa`, base),
    size,
    pairs,
    scaling: stretched(1, attention),
  };
}

function readBase(metadata: Metadata, key: string, otherwise: number): number {
  return positive(metadata.number(key) ?? otherwise, key);
}

/** Positions divided by `factor`, cosines and sines times `attention`. */
function stretched(factor: number, attention: number): RopeScaling {
  if (attention === 1) return factor === 1 ? { kind: 'none' } : { kind: 'linear', factor };
  return { kind: 'yarn', factor, originalContext: 1, extrapolation: 0, attention, betaFast: 32, betaSlow: 1 };
}

function readScaling(metadata: Metadata, facts: RopeFacts): RopeScaling {
  const key = `${facts.name}.rope.scaling`;
  const kind = metadata.string(`${key}.type`) ?? 'linear';
  const stated = metadata.number(`${key}.factor`) ?? metadata.number(`${facts.name}.rope.scale_linear`) ?? 1;
  const factor = kind === 'none' || stated === 0 ? 1 : positive(stated, `${key}.factor`);
  const attention = positive(metadata.number(`${key}.attn_factor`) ?? 1, `${key}.attn_factor`);
  const originalContext = metadata.count(`${key}.original_context_length`, 1) ?? facts.contextLength;
  if (kind === 'longrope' || facts.hasLong || facts.hasShort) {
    checkLong(facts, factor);
    return { kind: 'long', originalContext, attention };
  }
  if (kind === 'yarn') return readYarn(metadata, key, factor, attention, originalContext);
  if (kind === 'linear' || kind === 'none') return stretched(factor, attention);
  throw new SelvedgeError(
    'unsupported_model',
    `${key}.type is ${kind.slice(0, 40)}; supported are none, linear, yarn and longrope. Choose another model.`,
  );
}

function readYarn(
  metadata: Metadata,
  key: string,
  factor: number,
  attention: number,
  originalContext: number,
): RopeScaling {
  const number = (name: string, otherwise: number): number =>
    metadata.number(`${key}.yarn_${name}`) ?? otherwise;
  const extrapolation = number('ext_factor', 1);
  // With extrapolation the backend multiplies by 1 + ln(factor) / 10, which is what yarn wants of factors above 1 only.
  const own = factor > 1 ? 1 : 1 / (1 + 0.1 * Math.log(factor));
  return {
    kind: 'yarn',
    factor,
    originalContext,
    extrapolation,
    attention: attention * (extrapolation === 0 ? number('attn_factor', 1) : own),
    betaFast: positive(number('beta_fast', 32), `${key}.yarn_beta_fast`),
    betaSlow: positive(number('beta_slow', 1), `${key}.yarn_beta_slow`),
  };
}

function checkLong({ name, hasLong, hasShort }: RopeFacts, factor: number): void {
  if (!hasLong || !hasShort) {
    const missing = hasLong ? 'rope_factors_short.weight' : 'rope_factors_long.weight';
    throw new SelvedgeError('invalid_model', `The tensor ${missing} is missing. Download the file again.`);
  }
  if (factor === 1) return;
  throw new SelvedgeError(
    'unsupported_model',
    `${name}.rope.scaling.factor is ${factor} in a model with long and short rope factors; only 1 is supported there.`,
  );
}
