/**
 * Runs a script that is written in TypeScript, with what it imports of the library. Packages stay where they are: some read
 * files beside them.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'rolldown';
import { root } from './paths.mjs';

/** @param {string} input in the repository @returns {Promise<Record<string, unknown>>} what it exports */
export async function runTypeScript(input) {
  const name = input.replaceAll('/', '-').replace(/\.ts$/, '.mjs');
  await build({
    input: join(root, input),
    cwd: root,
    platform: 'node',
    logLevel: 'warn',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
    resolve: { tsconfigFilename: join(root, 'tsconfig.base.json') },
    output: {
      dir: join(root, 'out', 'scripts'),
      entryFileNames: name,
      chunkFileNames: '[name].mjs',
      format: 'esm',
    },
  });
  return import(pathToFileURL(join(root, 'out', 'scripts', name)).href);
}
