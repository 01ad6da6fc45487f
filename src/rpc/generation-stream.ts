/**
 * The page's end of one generation's port: messages in, in order, one reader. It closes on each way out: the
 * engine's `end` or `error`, the caller's signal, the worker's death, or the reader leaving. A request that is
 * left while it runs is cancelled, by message and, where memory can be shared, by a flag the decode loop reads.
 */
import type { GenerateRequest, GenerationMessage, PortRequest } from './protocol.ts';
import { fromWire } from './wire.ts';

export interface GenerationStream {
  /** The next message; undefined after `end`. Rejects with what ended the stream early. */
  next(): Promise<GenerationMessage | undefined>;
  /** Leaves. The engine stops within one step. */
  cancel(): void;
}

export interface StreamOptions {
  request: Omit<GenerateRequest, 'cancelFlag'>;
  signal: AbortSignal | undefined;
  /** Aborts when the connection ends. */
  ended: AbortSignal;
  start(request: GenerateRequest, port: MessagePort): Promise<void>;
  /** Called once, when nothing more will come. */
  onSettled(): void;
}

interface Reader {
  resolve(message: GenerationMessage | undefined): void;
  reject(error: unknown): void;
}

export function openStream(options: StreamOptions): GenerationStream {
  const { request, signal, ended, start, onSettled } = options;
  const { port1: port, port2 } = new MessageChannel();
  const flag = sharedFlag();
  const queue: GenerationMessage[] = [];
  let reader: Reader | undefined;
  let outcome: { failure?: unknown } | undefined;

  /** Only the first outcome counts. What arrived before it can still be read. */
  function settle(how: { failure?: unknown }): void {
    if (outcome) return;
    outcome = how;
    port.close();
    signal?.removeEventListener('abort', abort);
    ended.removeEventListener('abort', die);
    onSettled();
    const waiting = reader;
    reader = undefined;
    if ('failure' in how) waiting?.reject(how.failure);
    else waiting?.resolve(undefined);
  }

  function cancel(how: { failure?: unknown }): void {
    if (outcome) return;
    if (flag) Atomics.store(new Int32Array(flag), 0, 1);
    port.postMessage({ type: 'cancel' } satisfies PortRequest);
    settle(how);
  }

  const abort = (): void => {
    queue.length = 0;
    cancel({ failure: signal?.reason });
  };
  const die = (): void => settle({ failure: ended.reason });

  port.onmessage = ({ data }: MessageEvent<GenerationMessage>) => {
    if (data.type === 'error') {
      settle({ failure: fromWire(data.error) });
      return;
    }
    if (reader) {
      reader.resolve(data);
      reader = undefined;
    } else queue.push(data);
    if (data.type === 'end') settle({});
  };
  signal?.addEventListener('abort', abort, { once: true });
  ended.addEventListener('abort', die, { once: true });
  if (signal?.aborted) settle({ failure: signal.reason });
  else start({ ...request, cancelFlag: flag }, port2).catch((error: unknown) => settle({ failure: error }));

  return {
    next() {
      const message = queue.shift();
      if (message) return Promise.resolve(message);
      if (!outcome) {
        return new Promise((resolve, reject) => {
          reader = { resolve, reject };
        });
      }
      return 'failure' in outcome ? Promise.reject(outcome.failure) : Promise.resolve(undefined);
    },
    cancel: () => cancel({}),
  };
}

/** Shared memory is there to be sent only where the page is isolated. */
function sharedFlag(): SharedArrayBuffer | null {
  // WebKitGTK calls a page isolated and has no shared memory all the same.
  const isShareable = globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer !== 'undefined';
  return isShareable ? new SharedArrayBuffer(4) : null;
}
