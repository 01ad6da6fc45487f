/**
 * A client over an in-process engine with the byte model: everything but the browser and the arithmetic is real.
 */
import { createClient } from '../../src/client/client.ts';
import type { Client } from '../../src/client/client.ts';
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
  parts: Omit<InProcessOptions, 'model'> = {},
): Promise<FakeClient> {
  const model = createByteModel(options);
  const process = startInProcess({ model, ...parts });
  const client = await createClient({ model: 'https://models.test/byte-model.gguf', worker: process.worker });
  return { client, model, process };
}
