/**
 * Compiles the CPU kernels (AssemblyScript) twice, with relaxed and with plain SIMD, and writes them compressed into one
 * TypeScript module, so that the worker is a single file wherever it is hosted.
 *
 * -O0 on purpose: Binaryen's optimiser sinks chains of dots into expression trees that V8 then spills; measured, it costs
 * a third of the speed. V8 does the optimising. A few passes that move nothing tidy up behind the compiler's inlining: what
 * conditions are known, blocks and locals that only pass values on. They cost no speed and take away half of the bytes.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compress } from 'lzma1';
import path from 'node:path';

const kernels = fileURLToPath(new URL('../src/backend/wasm/kernels/', import.meta.url));
const output = path.join(kernels, 'build');
const target = path.join(output, 'modules.ts');

const COMMON = [
  '-O0',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '2',
  '--maximumMemory',
  '65536',
  '--memoryBase',
  '65536',
  '--disableWarning',
  '112',
  '--enable',
  'simd',
  '--enable',
  'threads',
  '--enable',
  'bulk-memory',
  '--runPasses',
  'simplify-globals,precompute-propagate,remove-unused-names,merge-blocks,remove-unused-brs,coalesce-locals,reorder-locals,vacuum,duplicate-function-elimination,remove-unused-module-elements',
];

/** Of all sources and of this script: times of files say nothing after a checkout. */
async function sourceHash() {
  const names = (await readdir(kernels)).filter((name) => name.endsWith('.ts')).sort();
  const hash = createHash('sha256');
  for (const file of [...names.map((name) => path.join(kernels, name)), fileURLToPath(import.meta.url)]) {
    hash.update(await readFile(file));
  }
  return hash.digest('hex');
}

async function compile(name, flags) {
  const { default: asc } = await import('assemblyscript/asc');
  const file = path.join(output, `${name}.wasm`);
  const { error, stderr } = await asc.main([path.join(kernels, 'index.ts'), '-o', file, ...COMMON, ...flags]);
  if (error) throw new Error(`${stderr}\n${error.message}`);
  const bytes = await readFile(file);
  await rm(file);
  return bytes;
}

/** Of the levels of LZMA. */
const STRONGEST = 9;

const sources = await sourceHash();
const built = await readFile(target, 'utf8').catch(() => '');
if (!built.includes(sources)) {
  await mkdir(output, { recursive: true });
  const relaxed = await compile('relaxed', ['--enable', 'relaxed-simd']);
  const plain = await compile('plain', []);
  const packed = compress(Buffer.concat([relaxed, plain]), STRONGEST);
  await writeFile(
    target,
    `/** Made by scripts/build-kernels.mjs: both modules, the relaxed one first, in LZMA and base64. Sources: ${sources} */\n` +
      `export const LENGTHS = { relaxed: ${relaxed.length}, plain: ${plain.length} };\n` +
      `export const TWINS =\n  '${Buffer.from(packed).toString('base64')}';\n`,
  );
  console.log(`kernels: relaxed ${relaxed.length} bytes, plain ${plain.length} bytes`);
}
