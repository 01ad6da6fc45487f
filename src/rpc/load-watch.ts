/**
 * The page's end of a load's port: progress while it lasts, then the outcome, in order. An abort rejects at once
 * and tells the engine.
 */
import type { EngineInfo, LoadMessage, PortRequest } from './protocol.ts';
import { fromWire } from './wire.ts';

export type LoadProgress = Extract<LoadMessage, { type: 'progress' }>['progress'];

export interface LoadOptions {
  signal: AbortSignal | undefined;
  onProgress: ((progress: LoadProgress) => void) | undefined;
  /** Aborts when the connection ends. */
  ended: AbortSignal;
  start(port: MessagePort): Promise<void>;
}

export async function watchLoad({ signal, onProgress, ended, start }: LoadOptions): Promise<EngineInfo> {
  signal?.throwIfAborted();
  const { port1: port, port2 } = new MessageChannel();
  const done = new AbortController();
  const until = { once: true, signal: done.signal };
  try {
    return await new Promise((resolve, reject) => {
      port.onmessage = ({ data }: MessageEvent<LoadMessage>) => {
        if (data.type === 'progress') onProgress?.(data.progress);
        else if (data.type === 'loaded') resolve(data.info);
        else reject(fromWire(data.error));
      };
      const abort = (): void => {
        port.postMessage({ type: 'cancel' } satisfies PortRequest);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, until);
      ended.addEventListener('abort', () => reject(ended.reason), until);
      start(port2).catch(reject);
    });
  } finally {
    done.abort();
    port.close();
  }
}
