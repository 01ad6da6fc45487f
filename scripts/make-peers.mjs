/**
 * `node scripts/make-peers.mjs`: makes from the default model the files that its peers run fastest: a Q8_0 GGUF
 * for wllama and an 8-bit ONNX export for transformers.js. Both come from the same weights, so that the engines
 * do the same work. Needs Python 3 with venv; its packages go into a folder of the cache. Existing files are
 * kept unless --force is given.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { mustRun } from './lib/command.mjs';
import { ensureModel } from './lib/model.mjs';
import { cacheFolder, root } from './lib/paths.mjs';
import { importNative, openNative, peerFiles, peerFilesExist } from './lib/peers.mjs';

const environment = join(cacheFolder, 'peers-venv');
const python = join(environment, 'bin', 'python');
const script = (name) => join(root, 'scripts/peers', name);
/** A prompt on which the model is sure of itself: near-ties may fall either way in another arithmetic. */
const prompt = 'Count to one hundred: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,';
const CHECKED_TOKENS = 24;

/** Makes what is missing. */
export async function makePeers({ force = false } = {}) {
  if (peerFilesExist() && !force) return;
  const source = await ensureModel();
  await ensurePython();
  const temporary = mkdtempSync(join(cacheFolder, 'making-'));
  try {
    await make('the Q8_0 file', 'make_q8_gguf.py', source, join(temporary, 'gguf'), peerFiles.q8_0);
    await make('the ONNX export', 'export_onnx.py', source, join(temporary, 'onnx'), peerFiles.onnx);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  await compareWithNative();
}

/** A file appears under its name only when it is whole. */
async function make(what, name, source, made, target) {
  console.log(`Making ${what} …`);
  await mustRun(`make ${what}`, python, [script(name), source, made], { env: { PYTHONWARNINGS: 'ignore' } });
  rmSync(target, { recursive: true, force: true });
  renameSync(made, target);
}

async function ensurePython() {
  if (!existsSync(python)) {
    await mustRun('make a Python environment', 'python3', ['-m', 'venv', environment]);
  }
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '-r',
    script('requirements.txt'),
  ];
  await mustRun('install the Python packages', python, pip);
}

/** A wrong export would be an easy peer to beat: its greedy tokens must begin as native llama.cpp's do. */
async function compareWithNative() {
  if (!(await importNative())) {
    console.warn('node-llama-cpp is not installed: the export was not compared with native llama.cpp.');
    return;
  }
  const native = await openNative(peerFiles.q4_1);
  const ids = native.model.tokenize(prompt);
  const expected = [];
  for await (const id of native.sequence.evaluate(ids, { temperature: 0 })) {
    if (expected.push(Number(id)) === CHECKED_TOKENS) break;
  }
  await native.close();
  const count = String(expected.length);
  const answer = execFileSync(python, [script('check_onnx.py'), peerFiles.onnx, JSON.stringify(ids), count]);
  const chosen = JSON.parse(answer.toString());
  const parting = expected.findIndex((id, i) => id !== chosen[i]);
  if (parting >= 0 && parting < CHECKED_TOKENS / 2) {
    throw new Error(`The ONNX export and native llama.cpp part at token ${parting}: the export is wrong.`);
  }
  const same = parting < 0 ? expected.length : parting;
  console.log(`The ONNX export chooses the same ${same} of ${expected.length} tokens as native llama.cpp.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await makePeers({ force: process.argv.includes('--force') });
  console.log(`The peers' files are in ${cacheFolder}.`);
}
