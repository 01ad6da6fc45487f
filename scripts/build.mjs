/**
 * Builds everything into dist/: the kernels, the library and its worker (rolldown), the declarations (tsc),
 * and the demo page (Vite; left out with --library).
 *
 * The library and the worker are two self-contained modules, so that they also work in a plain page without
 * a bundler. What only some pages need is imported when it is used: modules beside the library, which take what they
 * share with it from it. Bundlers recognise the worker by the literal `new Worker(new URL("../workers/engine.js",
 * import.meta.url), …)` and those modules by `import("./name.js")`, which a minifier rewrites: they are put back.
 *
 * What the worker loads only in some browsers, and to run models on a GPU, are self-contained modules beside it. Workers of some bundlers cannot be
 * split, so each is a file to copy, by `new URL("./name.js", import.meta.url)`; the comments keep bundlers from following its
 * import.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, parse, relative } from 'node:path';
import { mustRun } from './lib/command.mjs';
import { root } from './lib/paths.mjs';

const MINIFIED_WORKER = 'new Worker(new URL(`../workers/engine.js`,import.meta.url),{type:`module`})';
const WORKER_LITERAL = 'new Worker(new URL("../workers/engine.js", import.meta.url), { type: "module" })';
/** The sources of those modules. */
const BESIDE_WORKER = { plain: 'src/backend/wasm/kernels/build/plain.ts', webgpu: 'workers/webgpu.ts' };
const withDemo = !process.argv.includes('--library');
const tool = (path) => join(root, 'node_modules', path);

if (existsSync(join(root, 'scripts/build-kernels.mjs'))) {
  await mustRun('build the kernels', process.execPath, ['scripts/build-kernels.mjs']);
}
rmSync(join(root, 'dist'), { recursive: true, force: true });
await buildModule('src/index.ts', 'dist/lib/index.js', { isSplit: true });
const external = Object.values(BESIDE_WORKER).map((source) => join(root, source));
await buildModule('workers/engine.ts', 'dist/workers/engine.js', { external });
restoreLiteral('dist/lib/index.js', MINIFIED_WORKER, WORKER_LITERAL);
for (const [name, source] of Object.entries(BESIDE_WORKER)) {
  await buildModule(source, `dist/workers/${name}.js`);
  const url = `new URL("./${name}.js", import.meta.url).href`;
  const literal = `import(/* @vite-ignore */ /* webpackIgnore: true */ ${url})`;
  restoreLiteral('dist/workers/engine.js', `import(\`${fromWorkers(source)}\`)`, literal);
}
restoreImportLiterals();
await mustRun('emit the declarations', process.execPath, [
  tool('typescript/bin/tsc'),
  '--project',
  'tsconfig.build.json',
]);
writeLicences();
if (withDemo)
  await mustRun('build the page', process.execPath, [
    tool('vite/bin/vite.js'),
    'build',
    '--logLevel',
    'warn',
  ]);

async function buildModule(input, file, { isSplit = false, external = [] } = {}) {
  const { build } = await import('rolldown');
  const { dir, base } = parse(join(root, file));
  await build({
    input: join(root, input),
    cwd: root,
    external,
    platform: 'browser',
    resolve: { tsconfigFilename: join(root, 'tsconfig.base.json') },
    // What a later module shares with the first one stays in it, and is exported under a short name.
    ...(isSplit ? { preserveEntrySignatures: 'allow-extension' } : {}),
    output: {
      dir,
      entryFileNames: base,
      chunkFileNames: '[name].js',
      format: 'esm',
      codeSplitting: isSplit,
      comments: false,
      minify: true,
    },
  });
}

function restoreImportLiterals() {
  const folder = join(root, 'dist/lib');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.js'))) {
    const code = readFileSync(join(folder, name), 'utf8');
    writeFileSync(join(folder, name), code.replace(/\bimport\(`(\.\/[\w-]+\.js)`\)/g, 'import("$1")'));
  }
}

/** As the built worker names a source. */
function fromWorkers(source) {
  const path = relative(join(root, 'workers'), join(root, source));
  return path.startsWith('.') ? path : `./${path}`;
}

/** Without the literal a consumer's bundler leaves a file behind, and nothing fails until it is needed. */
function restoreLiteral(path, minified, literal) {
  const file = join(root, path);
  const [before, after, ...more] = readFileSync(file, 'utf8').split(minified);
  if (after === undefined || more.length > 0) {
    throw new Error(`${path} does not contain ${minified} once; bundlers would not find what it names.`);
  }
  writeFileSync(file, before + literal + after);
}

/** The packages bundled into dist/ ask that their licences go along. */
function writeLicences() {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const texts = Object.keys(dependencies).map((name) => {
    const folder = tool(name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = ['LICENSE', 'LICENCE', 'LICENSE.md']
      .map((n) => join(folder, n))
      .find((path) => existsSync(path));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(file, 'utf8').trim() : ''}\n`;
  });
  writeFileSync(join(root, 'dist/THIRD-PARTY-LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
}
