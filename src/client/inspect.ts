/**
 * Asks what a model is without loading it: before there is a client, by a worker that lives for the question, or
 * through a client's own worker (`client.models.inspect`).
 */
import type { ModelRequest, ModelInspection } from '../rpc/protocol.ts';
import { askWorker } from './ask-worker.ts';
import { readClientOptions } from './options.ts';
import type { ClientOptions } from './options.ts';

/** As the model would be loaded: memory and speed depend on it. */
export type InspectOptions = Pick<ClientOptions, 'contextLength' | 'kv' | 'threads'>;

export type InspectModelOptions = InspectOptions & Pick<ClientOptions, 'workerUrl' | 'worker' | 'signal'>;

export function readInspection(model: ClientOptions['model'], options: InspectOptions): ModelRequest {
  const { source, options: loadOptions } = readClientOptions({ ...options, model }).load;
  return { source, options: loadOptions };
}

/**
 * What a model is, whether it fits and how fast it is likely to be here, from its header alone. Rejects when it cannot
 * be fetched or is not a model; a model that cannot be run says why in `reason`.
 */
export async function inspectModel(
  model: ClientOptions['model'],
  options: InspectModelOptions = {},
): Promise<ModelInspection> {
  const { load, ...workerOptions } = readClientOptions({ ...options, model });
  const request = { source: load.source, options: load.options };
  return askWorker(workerOptions, ({ inspect }) => inspect(request));
}
