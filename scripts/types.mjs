/**
 * Checks the types of the programs: the page (DOM), the worker (no DOM), and their tests, which also see Node.
 * They are separate because a browser page and a worker have different globals, and one program would see both.
 * `worker.ts` is the name of worker code outside src/.
 */
import { join } from 'node:path';
import { run } from './lib/command.mjs';
import { root } from './lib/paths.mjs';

let failed = false;
for (const program of ['page', 'worker', 'worker-tests', 'node']) {
  const code = await run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '--project',
    join(root, `tsconfig.${program}.json`),
  ]);
  console.log(`types of the ${program} program: ${code === 0 ? 'fine' : 'FAILED'}`);
  failed ||= code !== 0;
}
process.exit(failed ? 1 : 0);
