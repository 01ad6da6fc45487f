/**
 * A client over an in-process engine with the byte model: everything but the browser and the arithmetic is real.
 */
import { createClient } from '../../src/client/client.ts';
import type { Client } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import { createByteModel } from './byte-model.ts';
import type { ByteModel, ByteModelOptions } from './byte-model.ts';
import { startInProcess } from './in-process.ts';
import type { InProcess, InProcessOptions } from './in-process.ts';

export interface FakeClient {
  client: Client;
  model: ByteModel;
  process: InProcess;
}

export async function openClient(
  options: ByteModelOptions = {},
  parts: Omit<InProcessOptions, 'model'> & Pick<ClientOptions, 'speculation'> = {},
): Promise<FakeClient> {
  // Off by default: tests count the session's steps.
  const { speculation = 'off', ...rest } = parts;
  const model = createByteModel(options);
  const process = startInProcess({ model, ...rest });
  const address = 'https://models.test/byte-model.gguf';
  const client = await createClient({ model: address, worker: process.worker, speculation });
  return { client, model, process };
}
