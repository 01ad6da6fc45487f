/**
 * Serves the built page (dist/demo) and the models (public/models). `--port N` picks the port, default 8080;
 * when it is taken by another program, the next free one of ten is used unless `--strict-port` is given.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { modelsFolder, root } from './lib/paths.mjs';
import { serveFolders } from './lib/static-server.mjs';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '8080' }, 'strict-port': { type: 'boolean', default: false } },
});
const demo = join(root, 'dist', 'demo');
if (!existsSync(join(demo, 'index.html'))) {
  console.error(`There is no built page in ${demo}. Run "npm run build" first.`);
  process.exit(1);
}

const firstPort = Number(values.port);
const lastPort = values['strict-port'] ? firstPort : firstPort + 9;
for (let port = firstPort; port <= lastPort; port++) {
  try {
    const server = await serveFolders({
      mounts: [
        ['/models/', modelsFolder],
        ['/', demo],
      ],
      port,
    });
    console.log(`selvedge is at ${server.address}  (Ctrl+C ends it)`);
    break;
  } catch (error) {
    if (error.code !== 'EADDRINUSE' || port === lastPort) throw error;
  }
}
