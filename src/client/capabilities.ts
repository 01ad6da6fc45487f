/** Asks what this device can do, before there is a model or a client. */
import type { Capabilities } from '../rpc/protocol.ts';
import { askWorker } from './ask-worker.ts';
import { invalid, isRecord, show } from './checks.ts';
import { refuseUnknownOptions } from './option-checks.ts';
import { readWorkerOptions } from './options.ts';
import type { ClientOptions } from './options.ts';

export type CapabilitiesOptions = Pick<ClientOptions, 'workerUrl' | 'worker' | 'signal'>;

const KNOWN = new Set(['workerUrl', 'worker', 'signal']);

/** What this browser on this device can do, and in words why not more. Asked in a worker, where models would run. */
export async function capabilities(options: CapabilitiesOptions = {}): Promise<Capabilities> {
  if (!isRecord(options))
    throw invalid('The options of capabilities', `are ${show(options)}; give { workerUrl }.`);
  refuseUnknownOptions(options, KNOWN, '', 'capabilities');
  return askWorker(readWorkerOptions(options), (calls) => calls.capabilities());
}
