/** One question to a worker that lives for it: what needs no model, and so no client. */
import { SelvedgeError } from '../errors.ts';
import { connect } from '../rpc/connect.ts';
import type { EngineCalls } from '../rpc/connect.ts';
import { spawnWorker } from '../spawn-worker.ts';
import type { WorkerOptions } from './options.ts';

export async function askWorker<T>(
  { worker, workerUrl, signal }: WorkerOptions,
  ask: (calls: EngineCalls) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const spawned = worker ? { worker, scriptUrl: undefined } : spawnWorker(workerUrl);
  const connection = await connect(spawned.worker, { scriptUrl: spawned.scriptUrl, signal });
  const abort = (): void => connection.close(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await ask(connection.calls);
  } finally {
    signal?.removeEventListener('abort', abort);
    connection.close(new SelvedgeError('closed', 'The question was answered.'));
  }
}
