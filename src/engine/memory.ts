/**
 * Whether a model, and one that drafts for it, can fit, before anything is allocated: weights, keys and values of one
 * full context, and the scratch of a step, against what WebAssembly can address (each model by itself) and what the
 * device says it has (both together). The context is as long as was asked for, or it is an error; only 'fit' asks for
 * whatever there is room for.
 */
import type { ModelPlan, SessionInfo } from '../backend/session.ts';
import { ADDRESSABLE_BYTES, planMemory } from '../backend/wasm/memory-plan.ts';
import { SelvedgeError } from '../errors.ts';
import type { LoadOptions } from '../rpc/protocol.ts';

/** Longest context unless asked otherwise: keys and values of more are seldom used and always paid for. */
const DEFAULT_CONTEXT = 4096;
/** Contexts that are found by what fits are whole pages of the cache. */
const STEP = 64;
export const MOST_THREADS = 16;
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
  /** What the draft model needs, and for which context: as long as the model's, or what it was trained for. */
  draft: { contextLength: number; needed: SessionInfo['memory'] } | null;
  availableBytes: number;
  fits: boolean;
  /** The longest that fits, in tokens, at most what the model was trained for; 0: not even the weights do. */
  longestContext: number;
}

export interface PlanOptions {
  /** The model that drafts. */
  draft?: ModelPlan | undefined;
  device?: DeviceMemory;
}

export function planLoad(
  plan: ModelPlan,
  options: LoadOptions,
  { draft, device = thisDevice() }: PlanOptions = {},
): MemoryPlan {
  const alone = planAll(plan, undefined, options, device);
  // Where there is no room for the model itself, that is the error.
  return draft && alone.fits ? planAll(plan, draft, options, device) : alone;
}

function planAll(
  plan: ModelPlan,
  draft: ModelPlan | undefined,
  options: LoadOptions,
  device: DeviceMemory,
): MemoryPlan {
  const asked = options.contextLength;
  const trained = plan.shape.contextLength;
  const threads = threadsOf(options, device);
  const addressable = draft ? 2 * ADDRESSABLE_BYTES : ADDRESSABLE_BYTES;
  const availableBytes = Math.min(addressable, device.deviceBytes ?? addressable);
  const needs = (contextLength: number): Pick<MemoryPlan, 'needed' | 'draft'> => {
    const { kv } = options;
    const needed = planMemory(plan, { kv, contextLength, threads });
    if (!draft) return { needed, draft: null };
    const draftLength = Math.min(contextLength, draft.shape.contextLength);
    const draftNeeds = planMemory(draft, { kv, contextLength: draftLength, threads });
    return { needed, draft: { contextLength: draftLength, needed: draftNeeds } };
  };
  const fitsIn = (contextLength: number): boolean => {
    const both = needs(contextLength);
    const bytes = [both.needed.totalBytes, both.draft?.needed.totalBytes ?? 0];
    return bytes.every((each) => each <= ADDRESSABLE_BYTES) && bytes[0]! + bytes[1]! <= availableBytes;
  };
  const longestContext = longestBelow(trained, fitsIn);
  const contextLength =
    asked === 'fit' ? longestContext || STEP : Math.min(asked || DEFAULT_CONTEXT, trained);
  return {
    contextLength,
    ...needs(contextLength),
    availableBytes,
    fits: fitsIn(contextLength),
    longestContext,
  };
}

/** Throws `out_of_memory` with all numbers when the plan does not fit. */
export function requireMemory({
  contextLength,
  needed,
  draft,
  availableBytes,
  fits,
  longestContext,
}: MemoryPlan): void {
  if (fits) return;
  const draftBytes = draft?.needed.totalBytes;
  const neededBytes = needed.totalBytes + (draftBytes ?? 0);
  const who = draft ? 'The model and its draft need' : 'The model needs';
  const parts =
    draftBytes === undefined
      ? `weights ${gigabytes(needed.weightBytes)}, keys and values ${gigabytes(needed.kvBytes)}`
      : `the model ${gigabytes(needed.totalBytes)}, the draft ${gigabytes(draftBytes)}`;
  const advice =
    longestContext > 0
      ? `A contextLength of ${longestContext} fits ('fit' takes what does), or choose a smaller model.`
      : 'Choose a smaller model, or one with fewer bits per weight.';
  throw new SelvedgeError(
    'out_of_memory',
    `${who} ${gigabytes(neededBytes)} of memory with a context of ${contextLength} (${parts}); ` +
      `${gigabytes(availableBytes)} can be had. ${draft ? 'Leave the draft out. ' : ''}${advice}`,
    {
      details: {
        neededBytes,
        ...(draftBytes === undefined ? {} : { modelBytes: needed.totalBytes, draftBytes }),
        availableBytes,
        contextLength,
        longestContext,
      },
    },
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
export function thisDevice(): DeviceMemory {
  const scope = typeof navigator === 'undefined' ? undefined : navigator;
  const gibibytes: unknown = scope && Reflect.get(scope, 'deviceMemory');
  return {
    deviceBytes: typeof gibibytes === 'number' ? gibibytes * GIB : undefined,
    cores: scope?.hardwareConcurrency || 1,
  };
}
