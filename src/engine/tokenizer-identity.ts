/** A hash of all tokens of a model: models with equal ones mean the same by the same ids. */
import { toHex } from '../storage/chunks.ts';
import { Sha256 } from '../storage/sha256.ts';
import type { LoadedModel } from './loaded-model.ts';

/** Between two pauses: about a millisecond. */
const SLICE_TOKENS = 1024;

export async function tokenizerIdentity(
  { info, tokenBytes }: Pick<LoadedModel, 'info' | 'tokenBytes'>,
  pause: () => Promise<void>,
): Promise<string> {
  const sha256 = new Sha256();
  for (let id = 0; id < info.vocabSize; id++) {
    if (id % SLICE_TOKENS === 0) await pause();
    const bytes = tokenBytes(id);
    sha256.update(new Uint8Array(Uint32Array.of(bytes.length).buffer));
    sha256.update(bytes);
  }
  return toHex(sha256.finish());
}
