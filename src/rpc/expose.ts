/**
 * The worker's side of the boundary: exposes an engine as `EngineApi` over comlink and gives every load,
 * generation and watcher its port. All that is thrown leaves as a plain object with its code.
 */
import { expose } from 'comlink';
import type { Endpoint } from 'comlink';
import type { Engine } from '../engine/engine.ts';
import { holdLifeLock } from './life-lock.ts';
import type { EngineApi, EventsMessage, GenerationMessage, LoadMessage, PortRequest } from './protocol.ts';
import { toWire } from './wire.ts';

const PROTOCOL = 1;

export function exposeEngine(endpoint: Endpoint, engine: Engine): void {
  expose(withWireErrors(createApi(engine)), endpoint);
}

function createApi(engine: Engine): EngineApi {
  return {
    async hello(lifeLock) {
      await holdLifeLock(lifeLock);
      return { protocol: PROTOCOL };
    },
    async ping() {
      // That it is answered is the answer.
    },
    async load(request, port) {
      const { signal } = cancellation(port);
      const post = (message: LoadMessage): void => port.postMessage(message);
      engine
        .load(request, { signal, onProgress: (progress) => post({ type: 'progress', progress }) })
        .then((info) => post({ type: 'loaded', info }))
        .catch((error: unknown) => post({ type: 'error', error: toWire(error) }))
        .finally(() => port.close());
    },
    async generate(request, port) {
      const { signal } = cancellation(port);
      const post = (message: GenerationMessage): void => port.postMessage(message);
      engine
        .generate(request, { signal, post })
        .catch((error: unknown) => post({ type: 'error', error: toWire(error) }))
        .finally(() => port.close());
    },
    tokenize: async (text, parseSpecial) => engine.tokenize(text, parseSpecial),
    detokenize: async (ids) => engine.detokenize(ids),
    info: async () => engine.info(),
    capabilities: () => engine.capabilities(),
    inspect: (request) => engine.inspect(request),
    listModels: () => engine.store.list(),
    deleteModel: (id) => engine.store.delete(id),
    pinPrefix: (prompt, privacy) => engine.pinPrefix(prompt, privacy),
    listPrefixes: async () => engine.prefixes().list(),
    deletePrefix: async (id) => engine.prefixes().delete(id),
    clearPrefixes: async (everyTenant) => engine.prefixes().clear(everyTenant),
    prefixUsage: async () => engine.prefixes().usage(),
    prefixesSettled: async () => engine.prefixes().settled(),
    async watch(port) {
      const stop = engine.events.watch((events, lost) => {
        port.postMessage({ type: 'events', events, lost } satisfies EventsMessage);
      });
      port.onmessage = () => {
        stop();
        port.close();
      };
    },
    recentEvents: async () => engine.events.recent(),
  };
}

/** Aborts when the page says so on `port`. */
function cancellation(port: MessagePort): AbortController {
  const controller = new AbortController();
  port.onmessage = ({ data }: MessageEvent<PortRequest>) => {
    if (data.type === 'cancel') controller.abort(new DOMException('The page cancelled it.', 'AbortError'));
  };
  return controller;
}

/** Comlink would reduce an error to its prose; a thrown plain object it passes whole. */
function withWireErrors(api: EngineApi): EngineApi {
  const wrap =
    <A extends unknown[], R>(call: (...parameters: A) => Promise<R>) =>
    async (...parameters: A): Promise<R> => {
      try {
        return await call(...parameters);
      } catch (error) {
        throw toWire(error);
      }
    };
  return {
    hello: wrap(api.hello),
    ping: wrap(api.ping),
    load: wrap(api.load),
    generate: wrap(api.generate),
    tokenize: wrap(api.tokenize),
    detokenize: wrap(api.detokenize),
    info: wrap(api.info),
    capabilities: wrap(api.capabilities),
    inspect: wrap(api.inspect),
    listModels: wrap(api.listModels),
    deleteModel: wrap(api.deleteModel),
    pinPrefix: wrap(api.pinPrefix),
    listPrefixes: wrap(api.listPrefixes),
    deletePrefix: wrap(api.deletePrefix),
    clearPrefixes: wrap(api.clearPrefixes),
    prefixUsage: wrap(api.prefixUsage),
    prefixesSettled: wrap(api.prefixesSettled),
    watch: wrap(api.watch),
    recentEvents: wrap(api.recentEvents),
  };
}
