/**
 * The door to all that only pages with a cloud need: a module of its own, fetched when it is first used
 * (load-routed.ts).
 */
import { createDetector } from '../privacy/detector.ts';
import type { Detector } from '../privacy/detection.ts';
import { systemClock } from '../provider/clock.ts';
import { readCloud } from './cloud-option.ts';
import { readPolicy } from './policy-option.ts';
import { createRouting } from './routing.ts';
import type { Routing, RoutingParts } from './routing.ts';

export { replay } from '../router/decide.ts';
export type { Routing };

export type OpenRouting = (parts: Pick<RoutingParts, 'local' | 'emit'>) => Routing;

/** Checks `cloud` and `policy` as the app gave them to `createClient`. */
export function prepareRouting(cloud: unknown, policy: unknown): OpenRouting {
  const options = { endpoints: readCloud(cloud), ...readPolicy(policy) };
  const openDetector = detectorOnce();
  return (parts) => {
    // Fetched before it is needed, so that the first search has its time for itself. What fails is tried again.
    if (options.endpoints.length > 0 && options.policy.cloud === 'allow') openDetector().catch(() => {});
    return createRouting(options, {
      ...parts,
      openDetector,
      clock: systemClock,
      random: Math.random,
      isOnline: () => globalThis.navigator?.onLine !== false,
    });
  };
}

/** Makes one detector, when it is first asked for. One that could not be loaded is tried again by the next request. */
function detectorOnce(): () => Promise<Detector> {
  let detector: Promise<Detector> | null = null;
  return () =>
    (detector ??= createDetector().catch((error: unknown) => {
      detector = null;
      throw error;
    }));
}
