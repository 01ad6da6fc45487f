/**
 * The door to all that only pages with a cloud need: a module of its own, fetched when it is first used
 * (load-routed.ts).
 */
import { mergeOverlaps } from '../privacy/detect-merge.ts';
import { recognise } from '../privacy/detect-recognise.ts';
import { createTermMatcher } from '../privacy/detect-terms.ts';
import { viewOf } from '../privacy/detect-normalise.ts';
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
  return (parts) =>
    createRouting(options, {
      ...parts,
      openDetector: async () => recognisers,
      clock: systemClock,
      random: Math.random,
      isOnline: () => globalThis.navigator?.onLine !== false,
    });
}

/** They know numbers, addresses of mail and the like, but no names: how much is left is not known, so what is personal stays. */
const recognisers: Detector = {
  detect: async (text, { terms = [] } = {}) => ({
    findings: mergeOverlaps(recognise(viewOf(text), { terms: createTermMatcher(terms), more: [] })),
    residualRisk: 1,
  }),
};
