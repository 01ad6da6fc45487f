/**
 * `npm start`: from a fresh clone to a page one can chat on. Needs nothing but Node and a network; what is
 * there already is not fetched again.
 */
import { mustRun } from './lib/command.mjs';
import { ensureModel, publishModel } from './lib/model.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { root } from './lib/paths.mjs';

try {
  await ensurePackages(root);
  publishModel(await ensureModel());
  await mustRun('build selvedge', process.execPath, ['scripts/build.mjs']);
} catch (error) {
  console.error(`\n${error.message}`);
  process.exit(1);
}
await import('./serve.mjs');
