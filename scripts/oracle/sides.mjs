/**
 * The sides that the oracle compares: selvedge's kernels in Chromium, native llama.cpp, and the f32 computation. Each
 * takes sequences of token ids and gives, for each, one Float32Array of logits per position.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { chromium } from '@playwright/test';
import { chromiumFlags, ensureChromium } from '../lib/chromium.mjs';
import { cacheFolder, root } from '../lib/paths.mjs';
import { openNative, peerFiles } from '../lib/peers.mjs';
import { serveFolders } from '../lib/static-server.mjs';

/** Greedy continuations by native, so that the sequences are what a model of this size really says. */
export async function continueNatively(prompts, length) {
  const native = await openNative(peerFiles.q4_1);
  const sequences = [];
  for (const ids of prompts) {
    await native.sequence.clearHistory();
    const all = [...ids];
    for await (const id of native.sequence.evaluate(ids, { temperature: 0 })) {
      all.push(Number(id));
      if (all.length >= length) break;
    }
    sequences.push(all);
  }
  await native.close();
  return sequences;
}

export async function nativeLogits(sequences) {
  const native = await openNative(peerFiles.q4_1);
  const answers = [];
  for (const ids of sequences) {
    await native.sequence.clearHistory();
    const asked = ids.map((id) => [id, { generateNext: { probabilities: false, logits: true } }]);
    const rows = await native.sequence.controlledEvaluate(asked);
    answers.push(rows.map((row) => toRow(row.next.logits)));
  }
  await native.close();
  return answers;
}

function toRow(logits) {
  const row = new Float32Array(logits.size);
  for (const [id, logit] of logits) row[id] = logit;
  return row;
}

/** `bundleFolder` holds worker.js. @param {'q8' | 'f32'} kv of keys and values @param {'auto' | 'plain'} simd */
export async function selvedgeLogits(
  sequences,
  bundleFolder,
  { kv = 'q8', simd = 'auto', threads = 2 } = {},
) {
  const server = await serveFolders({
    mounts: [
      ['/worker.js', join(bundleFolder, 'worker.js')],
      ['/page.html', join(root, 'scripts/oracle/page.html')],
      ['/files/', cacheFolder],
    ],
  });
  const profile = mkdtempSync(join(tmpdir(), 'selvedge-oracle-'));
  const launch = { headless: true, executablePath: await ensureChromium(), args: chromiumFlags };
  const context = await chromium.launchPersistentContext(profile, launch);
  try {
    const page = await context.newPage();
    await page.goto(`${server.address}/page.html`);
    const request = {
      url: `/files/${basename(peerFiles.q4_1)}`,
      options: { threads, simd, kv, contextLength: 2048 },
      sequences,
    };
    const encoded = await page.evaluate(askWorker, request);
    return encoded.map((text, i) => splitRows(text, sequences[i].length));
  } finally {
    await context.close();
    await server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Runs on the page. Logits come back in base64: tens of megabytes of JSON numbers would take minutes. */
async function askWorker(request) {
  const worker = new Worker('/worker.js', { type: 'module' });
  const answers = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result));
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(request);
  });
  worker.terminate();
  const encode = (values) =>
    new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
      reader.readAsDataURL(new Blob([values]));
    });
  const encoded = [];
  for (const values of answers) encoded.push(await encode(values));
  return encoded;
}

function splitRows(base64, count) {
  const bytes = Buffer.from(base64, 'base64');
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const size = values.length / count;
  return Array.from({ length: count }, (_, i) => values.subarray(i * size, (i + 1) * size));
}
