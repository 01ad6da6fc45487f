/**
 * Whether a model can fit, before anything is allocated: weights, keys and values of one full context, and the
 * scratch of a step, against what WebAssembly can address and what the device says it has.
 */
import type { ModelPlan, SessionOptions } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';

const GIB = 2 ** 30;
const ADDRESSABLE_BYTES = 4 * GIB;
/** Rows of one step. */
const STEP_ROWS = 128;

export function estimateMemory({ shape, tensors }: ModelPlan, { kv, contextLength }: SessionOptions): number {
  const weightBytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const kvValues = 2 * shape.layerCount * contextLength * shape.kvHeadCount * shape.headSize;
  // int8 values carry one f32 scale for each head's vector.
  const kvBytes = kv === 'q8' ? kvValues * (1 + 4 / shape.headSize) : kvValues * 4;
  const scratchBytes = STEP_ROWS * 4 * (4 * shape.hiddenSize + 2 * shape.ffnSize) + 8 * 4 * shape.vocabSize;
  return Math.ceil(weightBytes + kvBytes + scratchBytes);
}

/** Throws `out_of_memory` with both numbers. `deviceBytes`: what the browser says, rounded; absent in some. */
export function checkMemory(
  plan: ModelPlan,
  options: SessionOptions,
  deviceBytes: number | undefined = deviceMemory(),
): void {
  const neededBytes = estimateMemory(plan, options);
  const availableBytes = Math.min(ADDRESSABLE_BYTES, deviceBytes ?? ADDRESSABLE_BYTES);
  if (neededBytes <= availableBytes) return;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new SelvedgeError(
    'out_of_memory',
    `The model needs about ${gigabytes(neededBytes)} of memory with a context of ${options.contextLength}; ` +
      `${gigabytes(availableBytes)} can be had. Choose a smaller model or a shorter contextLength.`,
    { details: { neededBytes, availableBytes } },
  );
}

/** Chromium only, and rounded to a power of two. */
function deviceMemory(): number | undefined {
  const gibibytes: unknown =
    typeof navigator === 'undefined' ? undefined : Reflect.get(navigator, 'deviceMemory');
  return typeof gibibytes === 'number' ? gibibytes * GIB : undefined;
}
