/**
 * The target as its own drafter over the real kernels: with drafts of any length, accepted or refused, its tokens are those of
 * plain decoding and its cache holds the same bits.
 */
import { afterAll, expect, test } from 'vitest';
import { GREEDY } from '../backend/greedy.ts';
import { someIds } from '../../test/kernels/feeding.ts';
import { madeModel } from '../../test/kernels/made-model.ts';
import { kernelRoom } from '../../test/kernels/remote-session.ts';
import type { RemoteSession } from '../../test/kernels/remote-session.ts';
import { seeded } from '../../test/models/random.ts';
import type { KvCache, SessionOptions } from '../backend/session.ts';
import { createSelfDrafter } from './self-drafter.ts';

const room = kernelRoom();
afterAll(() => room.close());

/** Scores are large, so that four bits of a key choose other positions now and then. */
const MODEL = madeModel({
  shape: { layerCount: 4, scales: { embedding: 1, attention: 3, residual: 1, logits: 1 } },
  with: ['query-bias'],
  biasSpread: 2,
});
const PROMPT = someIds(250);
const COUNT = 90;

interface Spoken {
  said: number[];
  cache: KvCache;
  drafted: number;
  accepted: number;
}

/** The answer to the prompt; `lengths` of the drafts before each step, none for plain decoding. */
async function speak(session: RemoteSession, temperature: number, lengths?: () => number): Promise<Spoken> {
  const sampling = { ...GREEDY, temperature, seed: 5 };
  const cache = session.createCache();
  const drafter = createSelfDrafter({
    session,
    liveCache: () => cache,
    endTokens: new Set<number>(),
    now: () => 0,
  });
  const said: number[] = [];
  let [drafted, accepted] = [0, 0];
  await session.step(PROMPT.slice(0, 128), cache, []);
  await session.step(PROMPT.slice(128, -1), cache, []);
  drafter.observe(PROMPT);
  for (let last = PROMPT.at(-1)!; said.length < COUNT;) {
    const position = PROMPT.length + said.length;
    const context = { sampling, position, free: new Int32Array(), goesOn: () => true };
    const most = Math.min(lengths?.() ?? 0, COUNT - said.length - 1);
    const guesses = most > 0 ? ((await drafter.propose(context, most))?.ids ?? []) : [];
    const fed = [last, ...guesses];
    const picks = await session.step(
      fed,
      cache,
      fed.map((_, row) => ({ row, sampling })),
    );
    let right = 0;
    while (right < guesses.length && guesses[right] === picks[right]!.id) right += 1;
    const committed = picks.slice(0, right + 1).map(({ id }) => id);
    cache.rewind(position + right);
    drafter.observe(committed);
    said.push(...committed);
    last = committed.at(-1)!;
    drafted += guesses.length;
    accepted += right;
  }
  return { said, cache, drafted, accepted };
}

function blocksOf(session: RemoteSession, cache: KvCache): Promise<Uint8Array[]> {
  const { positions } = session.blocks;
  return Promise.all(
    Array.from({ length: Math.ceil(cache.length / positions) }, (_, i) =>
      cache.exportBlock(i, Math.min(positions, cache.length - i * positions)),
    ),
  );
}

const WAYS: Partial<SessionOptions>[] = [{ threads: 1 }, { threads: 2 }, { threads: 1, simd: 'plain' }];

test.each(WAYS)('tokens and cache are those of plain decoding: %j', async (options) => {
  const session = await room.open(MODEL, options);
  for (const temperature of [0, 0.8]) {
    const plain = await speak(session, temperature);
    const { below } = seeded(9);
    const ahead = await speak(session, temperature, () => below(6));
    expect(ahead.said).toEqual(plain.said);
    expect(await blocksOf(session, ahead.cache)).toEqual(await blocksOf(session, plain.cache));
    // Some are right and some are not, so both ways were gone.
    expect(ahead.accepted).toBeGreaterThan(10);
    expect(ahead.accepted).toBeLessThan(ahead.drafted);
  }
  session.dispose();
});
