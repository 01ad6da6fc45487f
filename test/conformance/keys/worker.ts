/** Content keys in a worker, for the page of a test: only workers can write over a file. */
import { openContentKeys } from '../../../src/storage/opfs-keys.ts';
import type { KeysCall } from './call.ts';

declare const self: DedicatedWorkerGlobalScope;

self.addEventListener('message', ({ data, ports: [port] }: MessageEvent<KeysCall>) => {
  void answer(data).then((key) => port!.postMessage(key));
});

async function answer({ call, tenant }: KeysCall): Promise<unknown> {
  const keys = await openContentKeys();
  if (!keys) throw new Error('this browser has no file system');
  return call === 'removeAll' ? keys.removeAll() : keys[call](tenant);
}
