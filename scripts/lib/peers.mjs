/**
 * The peers that selvedge is measured against and checked with, in the formats they like best. They lie in the
 * cache folder beside the default model, from which they are made: scripts/make-peers.mjs.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheFolder, peersFolder } from './paths.mjs';

export const peerFiles = {
  /** As the default model is published. */
  q4_1: join(cacheFolder, 'smollm2-135m-instruct-q4_1.gguf'),
  /** For wllama. */
  q8_0: join(cacheFolder, 'smollm2-135m-instruct-q8_0.gguf'),
  /** For transformers.js: a folder as a repository of the hub has it. */
  onnx: join(cacheFolder, 'smollm2-135m-instruct-onnx'),
};

/** The quantised graph inside the ONNX folder; the last file that its export writes is the tokenizer. */
export const onnxParts = ['onnx/model_quantized.onnx', 'tokenizer.json'];

export function peerFilesExist() {
  return [peerFiles.q8_0, ...onnxParts.map((part) => join(peerFiles.onnx, part))].every((p) => existsSync(p));
}

/** node-llama-cpp's module, or undefined when the peers are not installed. */
export async function importNative() {
  const path = join(peersFolder, 'node_modules/node-llama-cpp/dist/index.js');
  return existsSync(path) ? import(pathToFileURL(path).href) : undefined;
}

/** A native context on one GGUF file. `close` frees it. */
export async function openNative(path, { threads = 1, contextSize = 2048 } = {}) {
  const module = await importNative();
  if (!module) throw new Error(`node-llama-cpp is not installed. Run "npm ci" in ${peersFolder}.`);
  const llama = await module.getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: threads });
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ contextSize, batchSize: 512, threads });
  const sequence = context.getSequence();
  return { model, sequence, close: () => llama.dispose() };
}
