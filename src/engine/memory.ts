/**
 * Whether a model can fit, before anything is allocated: weights, keys and values of one full context, and the
 * scratch of a step, against what WebAssembly can address and what the device says it has. The context is as long as
 * was asked for, or it is an error; only 'fit' asks for whatever there is room for.
 */
import type { ModelPlan, SessionInfo } from '../backend/session.ts';
import { ADDRESSABLE_BYTES, planMemory } from '../backend/wasm/memory-plan.ts';
import { SelvedgeError } from '../errors.ts';
import type { LoadOptions } from '../rpc/protocol.ts';

/** Longest context unless asked otherwise: keys and values of more are seldom used and always paid for. */
const DEFAULT_CONTEXT = 4096;
/** Contexts that are found by what fits are whole pages of the cache. */
const STEP = 64;
const MOST_THREADS = 16;
const GIB = 2 ** 30;

/** What a device offers. `deviceBytes`: what the browser says, rounded; absent in some. */
export interface DeviceMemory {
  deviceBytes: number | undefined;
  cores: number;
}

export interface MemoryPlan {
  /** In tokens; what the session is to be opened with. */
  contextLength: number;
  /** For that context. */
  needed: SessionInfo['memory'];
  availableBytes: number;
  fits: boolean;
  /** The longest that fits, in tokens, at most what the model was trained for; 0: not even the weights do. */
  longestContext: number;
}

export function planLoad(
  plan: ModelPlan,
  options: LoadOptions,
  device: DeviceMemory = thisDevice(),
): MemoryPlan {
  const asked = options.contextLength;
  const trained = plan.shape.contextLength;
  const availableBytes = Math.min(ADDRESSABLE_BYTES, device.deviceBytes ?? ADDRESSABLE_BYTES);
  const needs = (contextLength: number): SessionInfo['memory'] =>
    planMemory(plan, { kv: options.kv, contextLength, threads: threadsOf(options, device) });
  const longestContext = longestBelow(trained, (length) => needs(length).totalBytes <= availableBytes);
  const contextLength =
    asked === 'fit' ? longestContext || STEP : Math.min(asked || DEFAULT_CONTEXT, trained);
  const needed = needs(contextLength);
  return { contextLength, needed, availableBytes, fits: needed.totalBytes <= availableBytes, longestContext };
}

/** Throws `out_of_memory` with both numbers when the plan does not fit. */
export function requireMemory({
  contextLength,
  needed,
  availableBytes,
  fits,
  longestContext,
}: MemoryPlan): void {
  if (fits) return;
  const neededBytes = needed.totalBytes;
  const advice =
    longestContext > 0
      ? `A contextLength of ${longestContext} fits ('fit' takes what does), or choose a smaller model.`
      : 'Choose a smaller model, or one with fewer bits per weight.';
  throw new SelvedgeError(
    'out_of_memory',
    `The model needs ${gigabytes(neededBytes)} of memory with a context of ${contextLength} ` +
      `(weights ${gigabytes(needed.weightBytes)}, keys and values ${gigabytes(needed.kvBytes)}); ` +
      `${gigabytes(availableBytes)} can be had. ${advice}`,
    { details: { neededBytes, availableBytes, contextLength, longestContext } },
  );
}

/** The largest multiple of STEP, or `most` itself, for which `fits`; which holds for all that are less. */
function longestBelow(most: number, fits: (length: number) => boolean): number {
  if (fits(most)) return most;
  let [low, high] = [0, Math.ceil(most / STEP)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle * STEP)) low = middle;
    else high = middle;
  }
  return low * STEP;
}

function threadsOf({ threads }: LoadOptions, { cores }: DeviceMemory): number {
  return Math.min(MOST_THREADS, threads === 'auto' ? cores : threads);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Memory is told by Chromium only, and rounded to a power of two. */
function thisDevice(): DeviceMemory {
  const scope = typeof navigator === 'undefined' ? undefined : navigator;
  const gibibytes: unknown = scope && Reflect.get(scope, 'deviceMemory');
  return {
    deviceBytes: typeof gibibytes === 'number' ? gibibytes * GIB : undefined,
    cores: scope?.hardwareConcurrency || 1,
  };
}
