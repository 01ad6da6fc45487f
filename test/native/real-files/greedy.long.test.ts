/**
 * The real files against native llama.cpp: SmolLM2 in Q4_1, and three Q4_K_M files, each of several tensor types. Native
 * answers prompts greedily; selvedge's kernels in Chromium follow, and must choose the same token everywhere but where
 * native's two best were nearly equal. Native rounds too, and is sometimes far from the weights' own answer: where it
 * was sure and the two part, an exact computation of the same weights decides. While a large file loads, the memory of
 * the whole browser is watched.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { build } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumFlags, findChromium } from '../../../scripts/lib/chromium.mjs';
import { realModels } from '../../../scripts/lib/model.mjs';
import { cacheFolder, root } from '../../../scripts/lib/paths.mjs';
import { serveFolders } from '../../../scripts/lib/static-server.mjs';
import { planModel } from '../../../src/model/architectures.ts';
import { readGgufHeader } from '../../../src/model/gguf.ts';
import { referenceLogits } from '../../models/reference-forward.ts';
import { hasNative, nativeNote } from '../native-llama.ts';
import { answerNatively, type NativeSequence } from './native-side.ts';
import { watchMemory } from './process-memory.ts';
import type { Followed, Sequence } from './sequences.ts';

const TOKENS = 32;
/** Both sides round activations to 8 bits: logits this close may change places (docs/oracle.md has 0.4). */
const NEAR_TIE = 0.5;

const plain = [
  'The three largest oceans are listed here by their area:\n\n1.',
  'Once upon a time, in a small town by the sea, there lived',
  'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
  'Counting: 1, 2, 3, 4, 5,',
];
const chat = (text: string): string => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
const chats = [
  chat('Explain in one sentence why the sky is blue.'),
  chat('Write a Python function that adds two numbers.'),
];
/** Gemma's begins with a token that the others do not have; the file is a base model. */
const promptsOf = (name: string): string[] =>
  name.startsWith('gemma') ? plain.map((text) => `<bos>${text}`) : [...chats, ...plain];

const executablePath = findChromium();
const canRun = hasNative && executablePath !== undefined;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-real-'));
  await build({
    input: join(root, 'test/native/real-files/worker.ts'),
    cwd: root,
    platform: 'browser',
    logLevel: 'warn',
    resolve: { tsconfigFilename: join(root, 'tsconfig.base.json') },
    output: { file: join(folder, 'worker.js'), format: 'esm', codeSplitting: false },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(Object.entries(realModels))('%s', (name, { name: file, byteLength }) => {
  const isThere = existsSync(join(cacheFolder, file));
  const note = isThere ? nativeNote : `skipped: npm run models -- ${name} fetches ${file}`;

  test.skipIf(!canRun || !isThere)(`says greedily what native llama.cpp says (${note})`, async () => {
    const path = join(cacheFolder, file);
    const sequences = await answerNatively(path, promptsOf(name), TOKENS);
    const { followed, grownBytes } = await followInChromium(file, sequences);
    const partings = sequences.flatMap((sequence, i) =>
      sequence.answer.flatMap((_, at) => partingAt(sequence, at, followed.steps[i]![at]!)),
    );
    const total = followed.steps.flat().length;
    const disputes = partings.filter(({ lead }) => lead > NEAR_TIE);
    const verdicts = disputes.map((parting) => ({ ...parting, exact: exactLead(path, parting) }));
    console.log(
      `${name}: ${total - partings.length} of ${total} tokens equal, native's leads at the others ` +
        `${partings.map(({ lead }) => lead.toFixed(2)).join(', ') || 'none'}; exact leads at disputes ` +
        `${verdicts.map(({ exact }) => exact.toFixed(2)).join(', ') || 'none'}; ` +
        `loaded in ${(followed.loadMs / 1000).toFixed(1)} s, ` +
        `browser grew by ${((grownBytes ?? NaN) / byteLength).toFixed(2)} of the file`,
    );
    expect(verdicts.filter(({ exact }) => exact > NEAR_TIE)).toEqual([]);
    expect(partings.length).toBeLessThanOrEqual(0.05 * total);
    // Not twice the file: once as packed (about 1.05), and for a small file what the browser itself, keys and values take.
    const allowed = 1.1 * byteLength + 256 * 2 ** 20;
    if (grownBytes !== undefined && byteLength > 4e8) expect(grownBytes).toBeLessThan(allowed);
  });
});

/** The token after `ids`, by native and by selvedge; `lead` is by how much native prefers its own. */
interface Parting {
  ids: number[];
  native: number;
  own: number;
  lead: number;
}

function partingAt({ prompt, answer, logits }: NativeSequence, at: number, own: number): Parting[] {
  const native = answer[at]!;
  if (own === native) return [];
  const lead = logits[at]![native]! - logits[at]![own]!;
  return [{ ids: [...prompt, ...answer.slice(0, at)], native, own, lead }];
}

/** By how much an f32 computation of the file's weights prefers native's token. */
function exactLead(path: string, { ids, native, own }: Parting): number {
  const bytes = readFileSync(path);
  const row = referenceLogits(planModel(readGgufHeader(bytes)), bytes, ids).at(-1)!;
  return row[native]! - row[own]!;
}

async function followInChromium(
  file: string,
  sequences: readonly NativeSequence[],
): Promise<{ followed: Followed; grownBytes: number | undefined }> {
  const server = await serveFolders({
    mounts: [
      ['/worker.js', join(folder, 'worker.js')],
      ['/page.html', join(root, 'scripts/oracle/page.html')],
      ['/files/', cacheFolder],
    ],
  });
  // A profile on disk, as users have: elsewhere the browser keeps stored files in memory.
  const profile = mkdtempSync(join(folder, 'profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    headless: true,
    args: chromiumFlags,
    ...(executablePath ? { executablePath } : {}),
  });
  const memory = watchMemory(profile);
  try {
    const page = await context.newPage();
    await page.goto(`${server.address}/page.html`);
    memory.begin();
    const request = {
      url: `/files/${file}`,
      sequences: sequences.map(({ prompt, answer }) => ({ prompt, answer })),
    };
    const followed = await page.evaluate(askWorker, request);
    return { followed, grownBytes: memory.grownBytes() };
  } finally {
    memory.stop();
    await context.close();
    await server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Runs on the page. */
function askWorker(request: { url: string; sequences: Sequence[] }): Promise<Followed> {
  const worker = new Worker('/worker.js', { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result));
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(request);
  });
}
