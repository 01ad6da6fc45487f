/**
 * Holds one session of the real kernels at a time, as the engine's worker does in production: kernel threads are nested
 * workers of this same script. Answers the calls of calls.ts.
 */
import type { KvCache, Session } from '../../src/backend/session.ts';
import { createWasmSink, runKernelThread, THREAD_NAME } from '../../src/backend/wasm/index.ts';
import type { Kernels } from '../../src/backend/wasm/module.ts';
import type { WasmSession } from '../../src/backend/wasm/session.ts';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { toWire } from '../../src/rpc/wire.ts';
import { ANSWER_AT, BYTES_READY, FAILED, JSON_READY } from './calls.ts';
import type { Answer, CacheState, Call, Changes, QuickCall, SlowCall, Stepped } from './calls.ts';

declare const self: DedicatedWorkerGlobalScope;

let session: Session | undefined;
const caches = new Map<number, KvCache>();
const Instance = WebAssembly.Instance;
/** Behind the matrices outside the layers; in the first page, below the kernels' own memory. */
const SKETCH = 2;
const ZEROS_AT = 16384;
const ZEROS_BYTES = 16384;

if (self.name === THREAD_NAME) runKernelThread(self);
else {
  self.addEventListener('message', ({ data: { call, shared } }: MessageEvent<Call>) => {
    if (shared) void answerAtOnce(call as QuickCall, shared);
    else void answer(call as SlowCall).then((content) => self.postMessage(content));
  });
}

async function answer(call: SlowCall): Promise<Answer> {
  try {
    return { stepped: call.method === 'open' ? await open(call) : await step(call) };
  } catch (error) {
    return { failure: toWire(error) };
  }
}

async function open({ bytes, plan, options, changes }: Extract<SlowCall, { method: 'open' }>): Promise<null> {
  caches.clear();
  WebAssembly.Instance = changed(changes);
  const value = changes.sharedMemory ?? true;
  Object.defineProperty(globalThis, 'crossOriginIsolated', { value, configurable: true });
  const whole = plan ?? planModel(readGgufHeader(bytes));
  const sink = await createWasmSink(whole, options);
  const start = whole.tensors[0]!.fileOffset;
  sink.write(start, bytes.subarray(start));
  session = await sink.finish();
  return null;
}

/** Instances whose probe says no, or whose sketch has its bounds where each step finds zeros. */
function changed({ wideDot, sketchBounds }: Changes): typeof WebAssembly.Instance {
  if (wideDot === undefined && sketchBounds === undefined) return Instance;
  return class extends Instance {
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      super(module, imports);
      const exports = { ...this.exports };
      if (wideDot === false) exports['probeWideDot'] = () => 0;
      if (sketchBounds === false)
        Object.assign(exports, withoutBounds(exports as unknown as Kernels, imports));
      Object.defineProperty(this, 'exports', { value: exports });
    }
  };
}

function withoutBounds(
  { setSegment, beginStep }: Kernels,
  imports?: WebAssembly.Imports,
): Pick<Kernels, 'setSegment' | 'beginStep'> {
  const memory = imports?.['env']?.['memory'] as WebAssembly.Memory;
  return {
    setSegment(...all) {
      const [layer, which] = all;
      if (layer === -1 && which === SKETCH) all[7] = ZEROS_AT;
      setSegment(...all);
    },
    beginStep() {
      new Uint8Array(memory.buffer, ZEROS_AT, ZEROS_BYTES).fill(0);
      beginStep();
    },
  };
}

async function step(call: Extract<SlowCall, { method: 'step' }>): Promise<Stepped> {
  const live = current();
  const picks = await live.step(call.ids, cacheOf(call.cache), call.requests, call.options);
  return { picks, logits: picks.map((_, i) => live.logits(i)) };
}

function current(): Session {
  if (!session) throw new Error('No session is open');
  return session;
}

function cacheOf(cache: number): KvCache {
  const found = caches.get(cache);
  if (!found) throw new Error(`There is no cache ${cache}`);
  return found;
}

async function answerAtOnce(call: QuickCall, shared: SharedArrayBuffer): Promise<void> {
  try {
    const result = await quick(call);
    if (result instanceof Uint8Array) put(shared, BYTES_READY, result);
    else put(shared, JSON_READY, json(result));
  } catch (error) {
    put(shared, FAILED, json(toWire(error)));
  }
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value ?? null));
}

function put(shared: SharedArrayBuffer, state: number, bytes: Uint8Array): void {
  new Uint8Array(shared, ANSWER_AT).set(bytes);
  const words = new Int32Array(shared, 0, 2);
  words[1] = bytes.length;
  Atomics.store(words, 0, state);
}

function quick(call: QuickCall): unknown {
  switch (call.method) {
    case 'info':
      return current().info();
    case 'blocks':
      return current().blocks;
    case 'createCache':
      return void caches.set(call.cache, current().createCache());
    case 'fork':
      return void caches.set(call.cache, cacheOf(call.source).fork(call.length));
    case 'state': {
      const { length, rewindLimit, byteLength } = cacheOf(call.cache);
      return { length, rewindLimit, byteLength } satisfies CacheState;
    }
    case 'rewind':
      return cacheOf(call.cache).rewind(call.length);
    case 'snapshot':
      return cacheOf(call.cache).snapshot();
    case 'restore':
      return cacheOf(call.cache).restore(call.snapshot);
    case 'exportBlock':
      return cacheOf(call.cache).exportBlock(call.index, call.count);
    case 'appendBlock':
      return cacheOf(call.cache).appendBlock(call.block, call.count);
    case 'disposeCache':
      return cacheOf(call.cache).dispose();
    case 'sketchHead':
      return (current() as WasmSession).sketchHead(call.type);
    case 'dispose':
      return current().dispose();
    default:
      return call satisfies never;
  }
}
