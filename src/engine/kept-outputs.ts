/**
 * Past answers, as the rest of the engine sees them: a drafter that guesses from them, and what is kept of them for later
 * visits. An answer is learnt when its request is over, and written in idle time. All of it may fail without harm: an
 * answer that cannot be read or written is not guessed from.
 */
import type { ContentSettings, Privacy } from '../rpc/protocol.ts';
import type { Drafter } from '../speculation/drafter.ts';
import { createPastOutputs, MOST_TOKENS } from '../speculation/past-outputs.ts';
import { isNoSecret } from '../storage/content-rule.ts';
import type { ContentRule } from '../storage/content-rule.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { rootKey, tenantTag } from '../storage/prefix-keys.ts';
import type { IdleQueue } from './idle-queue.ts';
import type { LoadedModel } from './loaded-model.ts';
import { createOutputShelf } from './output-shelf.ts';
import type { OutputShelf } from './output-shelf.ts';
import { tokenizerIdentity } from './tokenizer-identity.ts';

export interface KeptOutputs {
  drafter: Drafter;
  /** The answer of a request that is over, from its first token to its last. */
  add(ids: readonly number[], privacy: Privacy): void;
  /** Deletes this tenant's, or everybody's. */
  clear(everyTenant: boolean): Promise<void>;
}

export interface KeptOutputParts {
  /** Undefined where the browser keeps nothing. */
  kept: { store: OutputStore; rule: ContentRule } | undefined;
  settings: ContentSettings;
  /** Whether anybody guesses by them: otherwise nothing is learnt or kept. */
  isUsed: boolean;
  model: LoadedModel;
  queue: IdleQueue;
  now: () => number;
}

const FORMAT = 'past outputs 1';
/** Shorter answers are guessed in no time, and come again too rarely. */
const SHORTEST = 8;
/** Under one root: what is learnt of it leaves half of the room to what is to come. */
const ROOT_BYTES = (MOST_TOKENS / 2) * Int32Array.BYTES_PER_ELEMENT;
const TOTAL_BYTES = 2 << 20;
/** Learnt in one go: about a millisecond. */
const SLICE_TOKENS = 2048;

export function createKeptOutputs(parts: KeptOutputParts): KeptOutputs {
  const { kept, settings, isUsed, model, queue, now } = parts;
  const mayKeep = kept ? kept.rule.mayKeep : isNoSecret;
  const tag = tenantTag(settings.tenant);
  const past = createPastOutputs();
  /** Once the first job ran, unless it failed. */
  let shelf: OutputShelf | undefined;
  /** Changes when all is deleted: what was begun before then is not wanted. */
  let age = 0;

  /** What fails in the background is done without. */
  function inBackground(job: (idle: () => Promise<void>, isWanted: () => boolean) => Promise<unknown>): void {
    const begun = age;
    const isWanted = (): boolean => age === begun;
    queue.add((idle) => job(idle, isWanted)).catch(() => undefined);
  }

  async function learn(idle: () => Promise<void>): Promise<void> {
    do await idle();
    while (past.learn(SLICE_TOKENS));
  }

  async function openShelf(
    { store, rule }: NonNullable<KeptOutputParts['kept']>,
    idle: () => Promise<void>,
  ): Promise<OutputShelf> {
    const identity = await tokenizerIdentity(model, idle);
    const { tenant } = settings;
    return createOutputShelf({
      store,
      rule,
      root: () => rootKey({ model: identity, format: FORMAT, tenant, secret: rule.nameSecret }),
      tag,
      budget: { rootBytes: ROOT_BYTES, totalBytes: Math.min(TOTAL_BYTES, settings.prefixBytes) },
      vocabSize: model.info.vocabSize,
      now,
    });
  }

  if (isUsed && kept && settings.prefixBytes > 0) {
    inBackground(async (idle, isWanted) => {
      shelf = await openShelf(kept, idle);
      const outputs = await shelf.load(idle);
      if (!isWanted()) return;
      for (const ids of outputs) past.add(ids);
      await learn(idle);
    });
  }

  return {
    drafter: past.drafter,
    add(ids, privacy) {
      if (!isUsed || ids.length < SHORTEST || !mayKeep(privacy)) return;
      past.add(ids);
      past.learn(SLICE_TOKENS);
      inBackground(async (idle, isWanted) => {
        await learn(idle);
        await shelf?.save(ids, isWanted);
      });
    },
    async clear(everyTenant) {
      age += 1;
      past.clear();
      if (!kept) return;
      const { store } = kept;
      if (everyTenant) await store.removeAll();
      else await store.remove((await store.keys()).filter(({ tenant }) => tenant === tag));
    },
  };
}
