/**
 * The door to all that only pages with a cloud need: router, privacy, endpoints. It is a module of its own, which is
 * fetched when it is first used; pages without a cloud never do.
 */
import { SelvedgeError } from '../errors.ts';
import type { Decision, DecisionRecord } from '../router/decision.ts';
import type * as routed from './routed.ts';

type Routed = typeof routed;

export async function loadRouted(): Promise<Routed> {
  try {
    return await import('./routed.ts');
  } catch (error) {
    throw new SelvedgeError(
      'cloud_failed',
      `The part of the library that decides could not be loaded: ${String(error)} Serve all of dist/lib together.`,
      { cause: error, retryable: true },
    );
  }
}

/** The decision that a record was of: the same, byte by byte. */
export async function replay(record: DecisionRecord): Promise<Decision> {
  return (await loadRouted()).replay(record);
}
