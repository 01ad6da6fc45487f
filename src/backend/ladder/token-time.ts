/**
 * How long a token would take on a device, from a model of one layer and one of several: the difference is what layers
 * take, the rest is taken once a token, and the head is read as fast as a layer.
 */
import { GREEDY } from '../greedy.ts';
import type { Session, SessionOptions } from '../session.ts';
import type { LayerParts, OpenSink } from './one-layer.ts';

const LAYERS = 5;
/** Tokens before the one that is timed. */
const POSITION = 32;
const WARM_UPS = 3;
const RUNS = 9;

export async function measureToken(
  layer: LayerParts,
  layerCount: number,
  openSink: OpenSink,
  options: SessionOptions,
  now: () => number,
): Promise<number> {
  const one = await timeStep(await layer.open(1, openSink, options), now);
  const several = await timeStep(await layer.open(LAYERS, openSink, options), now);
  const each = Math.max(0, several - one) / (LAYERS - 1);
  const { whole, here } = layer.headBytes;
  return one + (layerCount - 1) * each + ((whole - here) / layer.layerBytes) * each;
}

/** The least of several: what else the machine does makes a step longer, never shorter. Disposes of the session. */
async function timeStep(session: Session, now: () => number): Promise<number> {
  const request = [{ row: 0, sampling: GREEDY }];
  const cache = session.createCache();
  try {
    await session.step(
      Array.from({ length: POSITION }, (_, id) => id),
      cache,
      [],
    );
    let best = Infinity;
    for (let run = -WARM_UPS; run < RUNS; run++) {
      const start = now();
      await session.step([run + WARM_UPS], cache, request);
      if (run >= 0) best = Math.min(best, now() - start);
      cache.rewind(POSITION);
    }
    return best;
  } finally {
    session.dispose();
  }
}
