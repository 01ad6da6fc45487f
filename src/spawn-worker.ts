/**
 * The one place that makes the engine's worker. The URL is written so that bundlers see it, and this file lies
 * where `../workers/engine.js` is right in the source tree and in the built package alike.
 */
import { SelvedgeError } from './errors.ts';

export interface SpawnedWorker {
  worker: Worker;
  scriptUrl: string;
}

/** Where the script is unless a bundler moved it: for error messages. */
const SCRIPT = '../workers/engine.js';

/** `workerUrl` is for pages whose bundler does not see the URL below. */
export function spawnWorker(workerUrl: string | undefined): SpawnedWorker {
  const scriptUrl = workerUrl ?? new URL(SCRIPT, import.meta.url).href;
  try {
    return { worker: workerUrl === undefined ? defaultWorker() : givenWorker(workerUrl), scriptUrl };
  } catch (error) {
    throw new SelvedgeError(
      'worker_crashed',
      `The browser refuses to make a worker of ${scriptUrl}: ${error instanceof Error ? error.message : String(error)} ` +
        `Serve dist/workers/engine.js from your own origin, pass its address as workerUrl, and allow it in worker-src.`,
      { cause: error, details: { scriptUrl } },
    );
  }
}

function defaultWorker(): Worker {
  // prettier-ignore
  return new Worker(new URL("../workers/engine.js", import.meta.url), { type: "module" });
}

function givenWorker(workerUrl: string): Worker {
  return new Worker(workerUrl, { type: 'module', name: 'selvedge' });
}
