/**
 * Makes the engine of a dedicated worker and binds the worker to it. The only file of `rpc/` that holds the
 * engine itself.
 */
import type { Endpoint } from 'comlink';
import { createEngine } from '../engine/engine.ts';
import { QUIET_MS } from '../engine/idle-queue.ts';
import { createModelLoader } from '../engine/load.ts';
import type { WebGpuModule } from '../engine/placement.ts';
import { exposeEngine } from './expose.ts';
import { createTurn } from './turn.ts';

/** `loadWebGpu`: the module beside this one, which only the entry can name so that bundlers see it. */
export function serve(scope: Endpoint, loadWebGpu: () => Promise<WebGpuModule>): void {
  const engine = createEngine({
    ...createModelLoader(undefined, undefined, { loadWebGpu }),
    turn: createTurn(),
    quiet: () => new Promise((resolve) => setTimeout(resolve, QUIET_MS)),
    now: () => performance.timeOrigin + performance.now(),
    drawSeed: () => crypto.getRandomValues(new Uint32Array(1))[0]!,
  });
  exposeEngine(scope, engine);
}
