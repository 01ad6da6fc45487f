/**
 * The page's side of the boundary: comlink behind a thin typed wrapper that adds what comlink lacks. Every call
 * races the worker's death; codes survive; what flows has a port of its own; after `close` everything rejects.
 * The wrapper owns the worker: whoever connects hands it over.
 */
import { transfer, wrap } from 'comlink';
import type { Endpoint, Remote } from 'comlink';
import { SelvedgeError } from '../errors.ts';
import { openStream } from './generation-stream.ts';
import type { GenerationStream } from './generation-stream.ts';
import { watchLifeLock } from './life-lock.ts';
import type {
  EngineApi,
  EngineEvent,
  EngineInfo,
  EventsMessage,
  GenerateRequest,
  LoadRequest,
  PortRequest,
} from './protocol.ts';
import { watchLoad } from './load-watch.ts';
import type { LoadProgress } from './load-watch.ts';
import { explainScriptFailure } from './script-probe.ts';
import { createWatchdog } from './watchdog.ts';
import { fromWire, isWireFailure } from './wire.ts';

/** What is needed of a `Worker`; tests give a MessagePort that can be terminated. */
export interface WorkerLike extends Endpoint {
  terminate(): void;
}

export interface ConnectOptions {
  /** For error messages: where the worker's script should be. Undefined: the caller made the worker. */
  scriptUrl?: string | undefined;
  handshakeTimeoutMs?: number;
  /** How often a worker that is being waited for is asked for a sign of life. */
  watchTickMs?: number;
  signal?: AbortSignal | undefined;
}

/** Control calls that take and give plain values. */
export type EngineCalls = Pick<
  EngineApi,
  | 'tokenize'
  | 'detokenize'
  | 'info'
  | 'capabilities'
  | 'inspect'
  | 'listModels'
  | 'deleteModel'
  | 'pinPrefix'
  | 'listPrefixes'
  | 'deletePrefix'
  | 'clearPrefixes'
  | 'prefixUsage'
  | 'prefixesSettled'
  | 'recentEvents'
>;

export interface Connection {
  readonly calls: EngineCalls;
  load(
    request: LoadRequest,
    options: {
      signal?: AbortSignal | undefined;
      onProgress?: ((progress: LoadProgress) => void) | undefined;
    },
  ): Promise<EngineInfo>;
  generate(request: Omit<GenerateRequest, 'cancelFlag'>, signal: AbortSignal | undefined): GenerationStream;
  /** Returns what ends it. */
  watch(onEvents: (events: EngineEvent[]) => void): () => void;
  /** Terminates the worker; whatever is pending rejects with `error`. Only the first call counts. */
  close(error: Error): void;
}

const HANDSHAKE_TIMEOUT_MS = 30_000;

export async function connect(worker: WorkerLike, options: ConnectOptions = {}): Promise<Connection> {
  const { signal, scriptUrl } = options;
  signal?.throwIfAborted();
  const life = createLife(worker);
  const remote = wrap<EngineApi>(worker);
  let isScriptMissing = false;
  worker.addEventListener('error', (event) => {
    const message = 'message' in event ? String(event.message) : '';
    // What a script that cannot be loaded gives is an event without a message.
    isScriptMissing ||= message === '';
    life.end(crash(`The engine worker failed: ${message}.`, 'Create a new client.'));
  });
  worker.addEventListener('messageerror', () => {
    life.end(crash('A message of the engine worker could not be read.', 'Create a new client.'));
  });
  const abort = (): void => life.end(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => {
    life.end(
      crash('The engine worker did not answer its first call.', 'The device may be overloaded: try again.'),
    );
  }, options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS);
  const lifeLock = `selvedge-worker-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  try {
    await life.race(remote.hello(lifeLock));
  } catch (error) {
    life.end(error);
    throw isScriptMissing ? await explainScriptFailure(scriptUrl) : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
  watchLifeLock(
    lifeLock,
    () => life.end(crash('The engine worker died.', 'Create a new client.')),
    life.ended,
  );
  return createConnection(remote, life, options.watchTickMs);
}

/** The worker's life: `race` gives up on a call when it ends, `ended` aborts with why. */
interface Life {
  race<T>(call: Promise<T>): Promise<T>;
  readonly ended: AbortSignal;
  end(error: unknown): void;
}

function createLife(worker: WorkerLike): Life {
  const controller = new AbortController();
  const { signal } = controller;
  const died = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  died.catch(() => {});
  return {
    ended: signal,
    async race(call) {
      try {
        return await Promise.race([call, died]);
      } catch (error) {
        throw isWireFailure(error) ? fromWire(error) : error;
      }
    },
    end(error) {
      if (signal.aborted) return;
      controller.abort(error);
      worker.terminate();
    },
  };
}

function createConnection(
  remote: Remote<EngineApi>,
  life: Life,
  watchTickMs: number | undefined,
): Connection {
  const watchdog = createWatchdog({
    ping: () => remote.ping(),
    onSilence: () => life.end(crash('The engine worker hangs: it does not answer.', 'Create a new client.')),
    ended: life.ended,
    tickMs: watchTickMs,
  });
  const watched = <T>(work: Promise<T>): Promise<T> => {
    watchdog.during(work);
    return work;
  };
  /** A call after the end is not sent. */
  const call = <T>(send: () => Promise<T>): Promise<T> =>
    life.ended.aborted ? Promise.reject(life.ended.reason) : watched(life.race(send()));

  return {
    calls: {
      tokenize: (text, parseSpecial) => call(() => remote.tokenize(text, parseSpecial)),
      detokenize: (ids) => call(() => remote.detokenize(ids)),
      info: () => call(() => remote.info()),
      capabilities: () => call(() => remote.capabilities()),
      inspect: (request) => call(() => remote.inspect(request)),
      listModels: () => call(() => remote.listModels()),
      deleteModel: (id) => call(() => remote.deleteModel(id)),
      pinPrefix: (prompt, privacy) => call(() => remote.pinPrefix(prompt, privacy)),
      listPrefixes: () => call(() => remote.listPrefixes()),
      deletePrefix: (id) => call(() => remote.deletePrefix(id)),
      clearPrefixes: (everyTenant) => call(() => remote.clearPrefixes(everyTenant)),
      prefixUsage: () => call(() => remote.prefixUsage()),
      prefixesSettled: () => call(() => remote.prefixesSettled()),
      recentEvents: () => call(() => remote.recentEvents()),
    },
    load: (request, { signal, onProgress }) =>
      watched(
        watchLoad({
          signal,
          onProgress,
          ended: life.ended,
          start: (port) => call(() => remote.load(request, transfer(port, [port]))),
        }),
      ),
    generate(request, signal) {
      let onSettled = (): void => {};
      watchdog.during(new Promise<void>((resolve) => (onSettled = resolve)));
      return openStream({
        request,
        signal,
        ended: life.ended,
        start: (sent, port) => call(() => remote.generate(sent, transfer(port, [port]))),
        onSettled,
      });
    },
    watch(onEvents) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }: MessageEvent<EventsMessage>) => onEvents(data.events);
      const close = (): void => port1.close();
      life.ended.addEventListener('abort', close, { once: true });
      call(() => remote.watch(transfer(port2, [port2]))).catch(close);
      return () => {
        life.ended.removeEventListener('abort', close);
        port1.postMessage({ type: 'cancel' } satisfies PortRequest);
        close();
      };
    },
    close: (error) => life.end(error),
  };
}

function crash(what: string, fix: string): SelvedgeError {
  return new SelvedgeError('worker_crashed', `${what} ${fix}`);
}
