/**
 * The default model, for tests that need real weights or a real vocabulary. Where it is not on this machine they
 * skip, and their names say what is missing. The folder is that of `npm start`; SELVEDGE_CACHE moves it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const NAME = 'smollm2-135m-instruct-q4_1.gguf';

export const realModelPath = join(
  process.env['SELVEDGE_CACHE'] ?? join(homedir(), '.cache', 'selvedge'),
  NAME,
);

export const hasRealModel = existsSync(realModelPath);

/** For the names of tests. */
export const realModelNote = hasRealModel
  ? NAME
  : `skipped: ${NAME} is not in the model cache (npm start fetches it)`;

export function readRealModel(): Uint8Array {
  return readFileSync(realModelPath);
}
