/**
 * `npm run oracle`: is the real model, as selvedge computes it, the model? On sequences that native llama.cpp wrote,
 * every position's logits are compared: selvedge's kernels in Chromium, native llama.cpp, and an f32 computation
 * of the same weights (the reference forward pass of the tests). Writes docs/oracle.md and ends with code 1 when
 * selvedge is farther from f32 than allowed or misses a greedy token that was not a near-tie.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'prettier';
import { bundle } from './lib/bundle.mjs';
import { ensureModel } from './lib/model.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { peersFolder, root } from './lib/paths.mjs';
import { continueNatively, nativeLogits, selvedgeLogits } from './oracle/sides.mjs';

/** Mean Kullback-Leibler divergence from the f32 computation, in nats. */
const ALLOWED_DIVERGENCE = 0.002;
const LENGTH = 56;
const chat = (text) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
const prompts = [
  chat('Explain in one sentence why the sky is blue.'),
  chat('Write a Python function that adds two numbers.'),
  chat('What is 17 times 6? Show your steps.'),
  chat('Translate to French: The train leaves at nine in the morning.'),
  'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
  'The three largest oceans are listed here by their area:\n\n1.',
  'Once upon a time, in a small town by the sea, there lived',
  'Counting: 1, 2, 3, 4, 5,',
];

await ensurePackages(peersFolder);
const path = await ensureModel();
const folder = join(root, 'out', 'oracle');
mkdirSync(folder, { recursive: true });

await bundle('scripts/oracle/worker.ts', join(folder, 'worker.js'), 'browser');
await bundle('scripts/oracle/node-side.ts', join(folder, 'node-side.mjs'), 'node');
const library = await import(pathToFileURL(join(folder, 'node-side.mjs')).href);

const bytes = readFileSync(path);
const header = library.readGgufHeader(bytes);
const tokenizer = library.createTokenizer(header);
const sequences = await continueNatively(
  prompts.map((text) => tokenizer.encode(text, { parseSpecial: true })),
  LENGTH,
);
console.log(`Computing ${sequences.flat().length} positions in f32; this takes a minute or two …`);
const plan = library.planModel(header);
const reference = sequences.flatMap((ids) => library.referenceLogits(plan, bytes, ids));
const native = (await nativeLogits(sequences)).flat();
const results = [compare('native llama.cpp (f16 cache)', native)];
for (const [name, options] of [
  ['selvedge', {}],
  ['selvedge, f32 cache', { kv: 'f32' }],
  ['selvedge, plain SIMD', { simd: 'plain' }],
]) {
  results.push(compare(name, (await selvedgeLogits(sequences, folder, options)).flat()));
}
await report();

/** `margin` of a position where the greedy tokens part: by how much the other side prefers its own. */
function compare(name, logits) {
  const { mean, worst } = library.compareLogits(reference, logits);
  const { perSequence } = sequences.reduce(
    ({ start, perSequence: done }, { length }) => {
      const part = (rows) => rows.slice(start, start + length);
      const { mean: own } = library.compareLogits(part(reference), part(logits));
      return { start: start + length, perSequence: [...done, own] };
    },
    { start: 0, perSequence: [] },
  );
  const partings = (side) =>
    side
      .map((row, i) => row[library.argmax(row)] - row[library.argmax(logits[i])])
      .filter((margin) => margin > 0)
      .sort((x, y) => y - x);
  return { name, mean, worst, perSequence, fromReference: partings(reference), fromNative: partings(native) };
}

async function report() {
  const total = reference.length;
  // Two logits closer than where native itself parts from f32 may change places in any arithmetic.
  const nearTie = Math.max(...results[0].fromReference, 0);
  const own = results.filter(({ name }) => name.startsWith('selvedge'));
  const failed = own.filter(
    ({ mean, fromNative }) => !(mean < ALLOWED_DIVERGENCE) || fromNative.some((margin) => margin > nearTie),
  );
  const partings = (margins) =>
    `${total - margins.length}${margins.length > 0 ? ` (${margins.map((m) => m.toFixed(2)).join(', ')})` : ''}`;
  const lines = results.map(
    (r) =>
      `| ${r.name} | ${r.mean.toFixed(5)} | ${r.perSequence.map((m) => m.toFixed(4)).join(', ')} | ` +
      `${r.worst.toFixed(3)} | ${partings(r.fromReference)} | ${partings(r.fromNative)} |`,
  );
  const text = `# The oracle

\`npm run oracle\` asks whether the default model, as selvedge computes it, is still the model. ${total} positions of
${sequences.length} sequences (a prompt and what native llama.cpp says to it, greedily) are computed by selvedge's
kernels in Chromium, by native llama.cpp, and in f32 from the same weights of the GGUF file. Divergence is
Kullback-Leibler from the f32 computation, in nats: over all positions, for each sequence, and of the worst position.
Equal tokens are teacher-forced: at each position, the most likely next token; in brackets, where they part, by how
much the other side's logit of its own token exceeds its logit of ours.

| | mean divergence | by sequence | worst | tokens equal to f32, of ${total} | to native |
| --- | --- | --- | --- | --- | --- |
${lines.join('\n')}

Native llama.cpp and selvedge both multiply by 8-bit activations, so neither is f32 bit for bit. Asked of selvedge are
a mean divergence below ${ALLOWED_DIVERGENCE} and native's greedy token wherever native's margin exceeds ${nearTie.toFixed(2)}, the
largest with which native itself parts from f32.
${failed.length === 0 ? 'All of it is reached.' : `Not reached by: ${failed.map(({ name }) => name).join('; ')}.`}

Measured ${new Date().toISOString().slice(0, 10)} on ${cpus()[0]?.model ?? 'an unknown processor'}.
`;
  writeFileSync(join(root, 'docs', 'oracle.md'), await format(text, { parser: 'markdown' }));
  console.log(`\n${text}`);
  for (const { name } of failed) console.log(`FAILED   ${name}`);
  if (failed.length > 0) process.exitCode = 1;
}
