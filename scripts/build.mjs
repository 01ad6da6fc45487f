/**
 * Builds everything into dist/: the kernels, the library and its worker (rolldown), the declarations (tsc),
 * and the demo page (Vite; left out with --library).
 *
 * The library and the worker are two self-contained modules, so that they also work in a plain page without
 * a bundler. What only some pages need is imported when it is used: modules beside the library, which take what they
 * share with it from it. Bundlers recognise the worker by the literal `new Worker(new URL("../workers/engine.js",
 * import.meta.url), …)` and those modules by `import("./name.js")`, which a minifier rewrites: they are put back.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, parse } from 'node:path';
import { mustRun } from './lib/command.mjs';
import { root } from './lib/paths.mjs';

const MINIFIED_WORKER = 'new Worker(new URL(`../workers/engine.js`,import.meta.url),{type:`module`})';
const WORKER_LITERAL = 'new Worker(new URL("../workers/engine.js", import.meta.url), { type: "module" })';
const withDemo = !process.argv.includes('--library');
const tool = (path) => join(root, 'node_modules', path);

if (existsSync(join(root, 'scripts/build-kernels.mjs'))) {
  await mustRun('build the kernels', process.execPath, ['scripts/build-kernels.mjs']);
}
rmSync(join(root, 'dist'), { recursive: true, force: true });
await buildModule('src/index.ts', 'dist/lib/index.js', { isSplit: true });
await buildModule('workers/engine.ts', 'dist/workers/engine.js');
restoreWorkerLiteral();
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

async function buildModule(input, file, { isSplit = false } = {}) {
  const { build } = await import('rolldown');
  const { dir, base } = parse(join(root, file));
  await build({
    input: join(root, input),
    cwd: root,
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

/** Without the literal a consumer's bundler leaves the worker behind, and nothing fails until it runs. */
function restoreWorkerLiteral() {
  const file = join(root, 'dist/lib/index.js');
  const [before, after, ...more] = readFileSync(file, 'utf8').split(MINIFIED_WORKER);
  if (after === undefined || more.length > 0) {
    throw new Error(
      `dist/lib/index.js does not contain ${MINIFIED_WORKER} once; bundlers would not find the worker.`,
    );
  }
  writeFileSync(file, before + WORKER_LITERAL + after);
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
