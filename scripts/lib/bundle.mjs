/**
 * Bundles a script's own code, with what it names of the library and its tests, into one module.
 */
import { join } from 'node:path';
import { build } from 'rolldown';
import { root } from './paths.mjs';

/** @param {string} input in the repository @param {string} file @param {'browser' | 'node'} platform */
export async function bundle(input, file, platform) {
  await build({
    input: join(root, input),
    cwd: root,
    platform,
    logLevel: 'warn',
    resolve: { tsconfigFilename: join(root, 'tsconfig.base.json') },
    output: { file, format: 'esm', codeSplitting: false },
  });
}
