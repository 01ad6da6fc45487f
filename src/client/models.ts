/**
 * The list of models as OpenAI's `/v1/models` shows it: what this browser keeps, and what this client runs.
 */
import type { EngineCalls } from '../rpc/connect.ts';
import type { EngineInfo } from '../rpc/protocol.ts';
import type { Model, ModelList } from './types.ts';

export async function listModels(
  calls: Pick<EngineCalls, 'listModels'>,
  { model }: EngineInfo,
): Promise<ModelList> {
  const stored = await calls.listModels();
  const data = stored.map(({ id, lastUsed, storedBytes, complete }): Model => ({
    ...describe(id, lastUsed),
    loaded: id === model.id,
    stored_bytes: storedBytes,
    complete,
  }));
  if (!data.some(({ loaded }) => loaded)) {
    data.unshift({ ...describe(model.id, Date.now()), loaded: true, stored_bytes: 0, complete: true });
  }
  return { object: 'list', data };
}

function describe(id: string, created: number): Pick<Model, 'id' | 'object' | 'created' | 'owned_by'> {
  return { id, object: 'model', created: Math.floor(created / 1000), owned_by: 'selvedge' };
}
