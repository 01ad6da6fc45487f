/**
 * Who guesses ahead for a loaded model: puts together the drafters that were asked for, and measures in idle time what steps
 * of several rows take.
 */
import type { KvCache } from '../backend/session.ts';
import type { DrafterName, SpeculationSettings } from '../rpc/protocol.ts';
import type { Drafter, ModelDrafter } from '../speculation/drafter.ts';
import { createModelDrafter } from '../speculation/model-drafter.ts';
import { createSelfDrafter } from '../speculation/self-drafter.ts';
import { Speculator } from '../speculation/speculator.ts';
import { createSuffixDrafter } from '../speculation/suffix-drafter.ts';
import { createDraftCaches } from './draft-caches.ts';
import type { IdleQueue } from './idle-queue.ts';
import type { LoadedModel } from './loaded-model.ts';
import { createStepCosts } from './step-costs.ts';

/** Requests after which steps are timed once more: what disturbed an earlier time may be over. */
const MEASURED_AFTER: ReadonlySet<number> = new Set([1, 2, 4, 8, 16, 32]);

export interface Speculation {
  speculator: Speculator;
  /** A request's cache, whose sequence is guessed ahead of. */
  follow(cache: KvCache): void;
  /** The request has ended: models that draft read it while nobody waits, so that the next turn finds them ready. */
  rest(): void;
}

export interface SpeculationParts {
  model: LoadedModel;
  /** Of past answers. */
  past: Drafter;
  queue: IdleQueue;
  now: () => number;
}

export function openSpeculation(settings: SpeculationSettings, parts: SpeculationParts): Speculation {
  const { model, queue, now } = parts;
  let live: KvCache | undefined;
  let isReading = false;
  const drafters = settings.drafters
    .map((name) => drafterOf(name, parts, () => live))
    .filter((drafter) => drafter !== undefined);
  const speculator = new Speculator({ drafters, maxLookahead: settings.maxLookahead, now });
  const measure = createStepCosts(model.session, speculator.curve, now);
  /** Without it the costs are learned from the steps of requests. */
  const measureInBackground = (): void => {
    queue.add(measure).catch(() => undefined);
  };
  let requests = 0;
  measureInBackground();
  return {
    speculator,
    follow(cache) {
      live = cache;
    },
    rest() {
      requests += 1;
      if (MEASURED_AFTER.has(requests)) measureInBackground();
      if (isReading) return;
      isReading = true;
      queue
        .add(async (idle) => {
          do await idle();
          while (await speculator.readAhead());
        })
        .catch(() => undefined)
        .finally(() => (isReading = false));
    },
  };
}

/** Undefined where there is nothing to draft from. */
function drafterOf(
  name: DrafterName,
  { model, past, now }: SpeculationParts,
  liveCache: () => KvCache | undefined,
): Drafter | ModelDrafter | undefined {
  const { session, endTokens, draft } = model;
  switch (name) {
    case 'suffix':
      return createSuffixDrafter();
    case 'past':
      return past;
    case 'self':
      return createSelfDrafter({ session, liveCache, endTokens, now });
    case 'draft': {
      if (!draft) return undefined;
      const { session: drafting, vocabSize } = draft;
      return createModelDrafter({
        session: drafting,
        acquireKv: createDraftCaches(drafting),
        endTokens,
        vocabSize,
        now,
      });
    }
  }
}
