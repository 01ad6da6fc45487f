/**
 * Compiles the CPU kernels (AssemblyScript) twice, with relaxed and with plain SIMD, and writes each compressed into a
 * TypeScript module. The relaxed twin is part of the worker, the plain one a file beside it.
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
/** Written last. */
const stamp = path.join(output, 'sources.ts');

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

/** A module of its own for each twin, so that the worker holds one of them and loads the other where it is needed. */
async function writeTwin(name, flags) {
  const bytes = await compile(name, flags);
  const packed = Buffer.from(compress(bytes, STRONGEST)).toString('base64');
  await writeFile(
    path.join(output, `${name}.ts`),
    `/** Made by scripts/build-kernels.mjs: a module in LZMA and base64, and its length. */\n` +
      `export const LENGTH = ${bytes.length};\nexport const PACKED =\n  '${packed}';\n`,
  );
  return `${name} ${bytes.length} bytes`;
}

const sources = await sourceHash();
const built = await readFile(stamp, 'utf8').catch(() => '');
if (!built.includes(sources)) {
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const sizes = [await writeTwin('relaxed', ['--enable', 'relaxed-simd']), await writeTwin('plain', [])];
  await writeFile(
    stamp,
    `/** Made by scripts/build-kernels.mjs: changes whenever the kernels do. */\nexport const SOURCES = '${sources}';\n`,
  );
  console.log(`kernels: ${sizes.join(', ')}`);
}
