/**
 * An engine behind a real MessageChannel in the same process, in the place of a worker: what the page's side
 * sees is what it sees of a worker, without a browser. It can be killed, and can report an error as workers do.
 */
import { createEngine } from '../../src/engine/engine.ts';
import type { Engine, EngineParts } from '../../src/engine/engine.ts';
import type { LoadedModel } from '../../src/engine/loaded-model.ts';
import type { WorkerLike } from '../../src/rpc/connect.ts';
import { exposeEngine } from '../../src/rpc/expose.ts';
import type { ContentKeys } from '../../src/storage/content-keys.ts';
import type { ModelStore, StoredModel } from '../../src/storage/model-file.ts';
import type { OutputStore } from '../../src/storage/output-store.ts';
import type { PrefixStore } from '../../src/storage/prefix-store.ts';
import { createMemoryKeys } from './memory-keys.ts';

export interface InProcess {
  worker: WorkerLike;
  engine: Engine;
  /** Fires an event at the worker object, as the browser does when something fails. */
  fire(type: 'error' | 'messageerror', fields?: { message?: string }): void;
  /** The page ended the worker. */
  readonly terminated: boolean;
}

export interface InProcessOptions {
  model?: LoadedModel;
  loadModel?: EngineParts['loadModel'];
  inspectModel?: EngineParts['inspectModel'];
  readCapabilities?: EngineParts['readCapabilities'];
  stored?: StoredModel[];
  /** Default: nothing is kept. */
  prefixes?: PrefixStore;
  outputs?: OutputStore;
  /** Default: those of a browser in which nothing was deleted yet. */
  keys?: ContentKeys;
  /** Seeds that are drawn, in order, again and again. */
  seeds?: number[];
  /** Default: a turn of the event loop. */
  quiet?: () => Promise<void>;
  /** Default: the real clock. */
  now?: () => number;
}

export function startInProcess({
  model,
  loadModel,
  inspectModel,
  readCapabilities,
  stored = [],
  prefixes,
  outputs,
  keys = createMemoryKeys(),
  seeds = [1],
  quiet = () => new Promise((resolve) => setImmediate(resolve)),
  now = () => performance.timeOrigin + performance.now(),
}: InProcessOptions): InProcess {
  const { port1, port2 } = new MessageChannel();
  let drawn = 0;
  let terminated = false;
  const engine = createEngine({
    loadModel: loadModel ?? (() => (model ? Promise.resolve(model) : Promise.reject(new Error('no model')))),
    inspectModel: inspectModel ?? (() => Promise.reject(new Error('nothing to inspect'))),
    readCapabilities: readCapabilities ?? (() => Promise.reject(new Error('no device to describe'))),
    store: createListedStore(stored),
    openKeys: async () => keys,
    openPrefixes: async () => prefixes,
    openOutputs: async () => outputs,
    // Node hands a port up to a thousand messages in one turn, those it sends itself included.
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    quiet,
    now,
    drawSeed: () => seeds[drawn++ % seeds.length] ?? 0,
  });
  exposeEngine(port2, engine);
  port2.start();

  const worker: WorkerLike = {
    postMessage: (message: unknown, transfer: Transferable[] = []) => port1.postMessage(message, transfer),
    addEventListener: (type, listener) => port1.addEventListener(type, listener),
    removeEventListener: (type, listener) => port1.removeEventListener(type, listener),
    start: () => port1.start(),
    terminate() {
      terminated = true;
      port1.close();
      port2.close();
    },
  };
  return {
    worker,
    engine,
    fire: (type, fields = {}) => port1.dispatchEvent(Object.assign(new Event(type), fields)),
    get terminated() {
      return terminated;
    },
  };
}

/** Lists and deletes; nothing is opened. */
function createListedStore(stored: StoredModel[]): ModelStore {
  return {
    openStart: () => Promise.reject(new Error('the fake store opens nothing')),
    open: () => Promise.reject(new Error('the fake store opens nothing')),
    list: async () => [...stored],
    async delete(id) {
      const at = stored.findIndex((model) => model.id === id);
      if (at >= 0) stored.splice(at, 1);
      return at >= 0;
    },
  };
}
