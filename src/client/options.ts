/**
 * The options of `createClient`, checked: a wrong one names itself, and so does an unknown one. What comes out is
 * what crosses to the worker, plus what stays on the page.
 */
import type { WorkerLike } from '../rpc/connect.ts';
import type { LoadProgress } from '../rpc/load-watch.ts';
import type { ContentSettings, LoadRequest } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, readChoice, readNumber, show } from './checks.ts';
import type { Outside } from './checks.ts';
import type { CloudOption } from './cloud-option.ts';
import { readModel } from './model-option.ts';
import type { ModelOption } from './model-option.ts';
import { readUrl, refuseUnknownOptions } from './option-checks.ts';
import type { PolicyOption } from './policy-option.ts';
import { readSpeculation } from './speculation-option.ts';
import type { SpeculationOptions } from './speculation-option.ts';

export interface ClientOptions {
  /** A GGUF: its URL, a file the user chose, or the short name of a preset (`modelPresets`). */
  model: ModelOption;
  /** A smaller model with the same tokenizer, run beside it: it guesses what `model` will say, which makes answers quicker where it guesses well and never changes them. Takes what `model` takes. */
  draft?: ModelOption | undefined;
  /** Default 'auto': the faster of GPU and CPU, measured once for each model and device. 'webgpu' is an error where there is no GPU that computes as it should. */
  device?: 'auto' | 'webgpu' | 'cpu' | undefined;
  /** Default 'auto': measured when the model is loaded. More than one needs a cross-origin isolated page. At most so many: where others take the cores, one is used while it is faster. */
  threads?: number | 'auto' | undefined;
  /** Longest prompt with answer, in tokens; an error if memory does not hold it. 'fit': as much of what the model was trained for as memory holds. Default: 4096, or what the model was trained for if that is less. */
  contextLength?: number | 'fit' | undefined;
  /** How keys and values are kept. Default 'q8': a quarter of the memory of 'f32'. */
  kv?: 'q8' | 'f32' | undefined;
  /** Whether tokens are guessed ahead where that is measured to pay; never another token. Default 'auto'. */
  speculation?: 'auto' | 'off' | SpeculationOptions | undefined;
  /** Beginnings of prompts that are kept in this browser: at most `maxBytes`, default 256 MiB; `false` keeps none. */
  prefixes?: false | { maxBytes?: number | undefined } | undefined;
  /** Who is speaking. What is kept of one tenant is never used for another. Default: the empty string. */
  tenant?: string | undefined;
  /** Seals what is kept of conversations, and lets what is secret be kept. It is not stored: without it nothing can be read. */
  passphrase?: string | undefined;
  /** 'plain' does without relaxed SIMD. Default 'auto'. */
  simd?: 'auto' | 'plain' | undefined;
  /** Endpoints that speak OpenAI's protocol, in the order of preference. With them each chat is decided: see `policy`. */
  cloud?: readonly CloudOption[] | undefined;
  /** What may leave this device, and what goes first. Without `cloud` nothing ever does. */
  policy?: PolicyOption | undefined;
  /** Where the worker's script is, if a bundler does not find it. */
  workerUrl?: string | URL | undefined;
  /** A worker made from that script by the caller. The client terminates it in the end. */
  worker?: WorkerLike | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Aborts the loading. */
  signal?: AbortSignal | undefined;
}

export interface WorkerOptions {
  worker: WorkerLike | undefined;
  workerUrl: string | undefined;
  signal: AbortSignal | undefined;
}

export interface ReadOptions extends WorkerOptions {
  load: LoadRequest;
  onProgress: ((progress: LoadProgress) => void) | undefined;
  /** Checked by who knows what is in it (routed.ts); undefined: there is nothing to choose. */
  routing: { cloud: unknown; policy: unknown } | undefined;
}

const PREFIX_BYTES = 256 * 2 ** 20;

const KNOWN = new Set([
  'model',
  'draft',
  'device',
  'threads',
  'contextLength',
  'kv',
  'simd',
  'speculation',
  'prefixes',
  'tenant',
  'passphrase',
  'cloud',
  'policy',
  'workerUrl',
  'worker',
  'onProgress',
  'signal',
]);

export function readClientOptions(options: unknown): ReadOptions {
  if (!isRecord(options))
    throw invalid('The options of createClient', `are ${show(options)}; give { model }.`);
  refuseUnknownOptions(options, KNOWN, '');
  const { onProgress } = options;
  if (!isAbsent(onProgress) && !isCallback(onProgress)) {
    throw invalid('onProgress', `is ${show(onProgress)}; give a function.`);
  }
  return {
    ...readWorkerOptions(options),
    load: {
      source: readModel(options['model'], 'model'),
      device: readChoice(options, 'device', ['auto', 'webgpu', 'cpu'], 'auto'),
      draft: isAbsent(options['draft']) ? null : readModel(options['draft'], 'draft'),
      options: {
        threads: options['threads'] === 'auto' ? 'auto' : readThreads(options),
        simd: readChoice(options, 'simd', ['auto', 'plain'], 'auto'),
        kv: readChoice(options, 'kv', ['q8', 'f32'], 'q8'),
        contextLength: options['contextLength'] === 'fit' ? 'fit' : readContextLength(options),
      },
      content: readContent(options),
      speculation: readSpeculation(options['speculation']),
    },
    onProgress: onProgress ?? undefined,
    routing:
      isAbsent(options['cloud']) && isAbsent(options['policy'])
        ? undefined
        : { cloud: options['cloud'], policy: options['policy'] },
  };
}

/** Those of whoever starts a worker. */
export function readWorkerOptions({ worker, workerUrl, signal }: Outside): WorkerOptions {
  if (!isAbsent(worker) && !isWorkerLike(worker))
    throw invalid('worker', `is ${show(worker)}; give a Worker.`);
  if (!isAbsent(signal) && !(signal instanceof AbortSignal)) {
    throw invalid('signal', `is ${show(signal)}; give an AbortSignal.`);
  }
  return {
    worker: worker ?? undefined,
    workerUrl: readUrl(workerUrl, 'workerUrl'),
    signal: signal ?? undefined,
  };
}

function readContent(options: Outside): ContentSettings {
  const { prefixes, tenant, passphrase } = options;
  if (!isAbsent(prefixes) && prefixes !== false && !isRecord(prefixes)) {
    throw invalid('prefixes', `is ${show(prefixes)}; give { maxBytes } or false.`);
  }
  if (!isAbsent(tenant) && typeof tenant !== 'string') {
    throw invalid('tenant', `is ${show(tenant)}; give a string.`);
  }
  // Not shown in the message: it may be nearly right.
  if (!isAbsent(passphrase) && !(typeof passphrase === 'string' && passphrase !== '')) {
    throw invalid('passphrase', 'is not a string, or empty; give one that is not empty.');
  }
  return {
    prefixBytes: prefixes === false ? 0 : readPrefixBytes(prefixes ?? {}),
    tenant: tenant ?? '',
    passphrase: passphrase ?? null,
  };
}

function readPrefixBytes(prefixes: Outside): number {
  refuseUnknownOptions(prefixes, new Set(['maxBytes']), 'prefixes.');
  const { maxBytes } = prefixes;
  if (isAbsent(maxBytes)) return PREFIX_BYTES;
  if (Number.isSafeInteger(maxBytes) && Number(maxBytes) >= 0) return Number(maxBytes);
  throw invalid('prefixes.maxBytes', `is ${show(maxBytes)}; give a number of bytes.`);
}

function readThreads(options: Outside): number | 'auto' {
  return readNumber(options, 'threads', 'auto', { min: 1, max: 64, integer: true });
}

function readContextLength(options: Outside): number {
  return readNumber(options, 'contextLength', 0, { min: 16, max: 1 << 24, integer: true });
}

function isWorkerLike(value: unknown): value is WorkerLike {
  const has = (name: string): boolean => typeof Reflect.get(Object(value), name) === 'function';
  return typeof value === 'object' && has('postMessage') && has('addEventListener') && has('terminate');
}

function isCallback(value: unknown): value is (progress: LoadProgress) => void {
  return typeof value === 'function';
}
