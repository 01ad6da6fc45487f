/**
 * The speculator against a clock that only steps and drafts move: what it decides can be held against what it could have
 * decided. Time is exact here, so its promise is held exactly too.
 */
import { GREEDY } from '../backend/greedy.ts';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../test/models/random.ts';
import type { Draft, DraftContext, Drafter, ModelDrafter } from './drafter.ts';
import { Speculator } from './speculator.ts';

const STEP = 3;
/** T(M) / T(1), by width: two rows in one step save a little, many save half. */
const steep = (width: number): number => (width === 1 ? 1 : 0.4 + 0.5 * width);
const flat = (width: number): number => 1 + 0.1 * (width - 1);
const useless = (width: number): number => width;

interface World {
  clock: { ms: number };
  /** The answer's tokens; guesses see them through a chance of being right. */
  truth: number[];
}

function worldOf(tokens: number): World {
  const random = seeded(9);
  return { clock: { ms: 0 }, truth: Array.from({ length: tokens }, () => random.below(1000)) };
}

interface GuesserOptions {
  /** What each drafted token takes; a free drafter takes none. */
  ms?: number;
  /** Tokens of each prompt that it has to read first, at a fifth of that. */
  owes?: number;
  /** What being asked takes, whatever comes of it. */
  askMs?: number;
  /** Its tokens are certain, or they look like guesses that nothing speaks for. Default: like those behind a long match. */
  looks?: 'certain' | 'doubtful';
}

/** Each of its tokens is right with the chance at its request's place. */
function guesserOf(
  world: World,
  chance: (at: number) => number,
  { ms = 0, owes = 0, askMs = 0, looks }: GuesserOptions = {},
): ModelDrafter {
  const random = seeded(4);
  let at = 0;
  let owed = 0;
  const drafter = {
    id: ms === 0 ? 'free' : 'model',
    free: ms === 0,
    pendingTokens: () => owed + 1,
    async catchUp(most = 128) {
      const read = Math.min(owed, most);
      owed -= read;
      world.clock.ms += (read * ms) / 5;
      return read > 0;
    },
    propose(context: DraftContext, maxLength: number): Draft | null {
      world.clock.ms += askMs;
      const ids: number[] = [];
      const features: Float32Array[] = [];
      while (
        ids.length < maxLength &&
        at + ids.length < world.truth.length &&
        (ms === 0 || context.goesOn(features))
      ) {
        const right = random.next() < chance(at);
        ids.push(right ? world.truth[at + ids.length]! : -1);
        const match = looks ? 1 : 8;
        features.push(ms === 0 ? Float32Array.of(match, 1) : Float32Array.of(right ? 0.8 : 0.5, 0.5, 0));
        world.clock.ms += ms;
      }
      if (ids.length === 0) return null;
      return {
        ids: Int32Array.from(ids),
        features,
        forced: looks === 'certain' ? ids.length : 0,
        estMs: ms * ids.length,
      };
    },
    observe(committed: ArrayLike<number>) {
      at += committed.length;
    },
    rewind(length: number) {
      at = length;
    },
    reset() {
      at = 0;
      owed = owes;
    },
  };
  return drafter as ModelDrafter;
}

interface Outcome {
  speedUp: number;
  ms: number;
  plainMs: number;
  widest: number;
  speculator: Speculator;
}

interface RunOptions {
  requests?: number;
  maxLookahead?: number;
  /** Costs were measured before the first request. */
  knows?: boolean;
}

/** Decodes the truth, `requests` times. The prompt is empty, so that drafters count answer tokens. */
async function run(
  world: World,
  drafters: Drafter[],
  cost: (width: number) => number,
  { requests = 1, maxLookahead = 15, knows = false }: RunOptions = {},
): Promise<Outcome> {
  const { clock, truth } = world;
  const speculator = new Speculator({ drafters, maxLookahead, now: () => clock.ms });
  if (knows) for (const width of [1, 2, 4, 8, 16]) speculator.curve.observe(width, STEP * cost(width));
  const begun = clock.ms;
  let widest = 0;
  for (let request = 0; request < requests; request++) {
    speculator.begin([]);
    speculator.beginChoice(GREEDY, truth[0]!);
    for (let given = 1; given < truth.length;) {
      const draft = await speculator.draft(truth.length - given - 1);
      let right = 0;
      while (right < draft.length && draft[right] === truth[given + right]) right += 1;
      clock.ms += STEP * cost(1 + draft.length);
      widest = Math.max(widest, 1 + draft.length);
      speculator.settle(truth.slice(given, given + right + 1));
      given += right + 1;
    }
  }
  const ms = clock.ms - begun;
  const plainMs = requests * STEP * (truth.length - 1);
  return { speedUp: plainMs / ms, ms, plainMs, widest, speculator };
}

const curves = { steep, flat, useless };

describe('the speculator', () => {
  it.each(Object.keys(curves) as (keyof typeof curves)[])(
    'loses at most a hundredth and a step to a drafter that is always wrong and sure of itself: %s',
    async (curve) => {
      for (const tokens of [4, 20, 128, 1000]) {
        const world = worldOf(tokens);
        const { ms, plainMs } = await run(world, [guesserOf(world, () => 0)], curves[curve], { requests: 5 });
        expect(ms).toBeLessThanOrEqual(1.01 * plainMs + STEP);
      }
    },
  );

  it('loses no more where asking alone takes a twentieth of a step', async () => {
    const world = worldOf(1000);
    const slow = guesserOf(world, () => 0, { askMs: STEP / 20 });
    const { ms, plainMs } = await run(world, [slow], steep, { requests: 5 });
    expect(ms).toBeLessThanOrEqual(1.01 * plainMs + STEP + STEP / 20);
  });

  it('loses no more to one that was right until it is trusted', async () => {
    const world = worldOf(2000);
    const drafter = guesserOf(world, (at) => (at < 1000 ? 1 : 0));
    const { ms, plainMs } = await run(world, [drafter], steep);
    const gained = 999 * STEP * (1 - steep(16) / 16);
    expect(ms).toBeLessThan(plainMs - gained / 2);
    const alone = worldOf(2000);
    const again = guesserOf(alone, (at) => (at < 1000 ? 0 : 1));
    expect((await run(alone, [again], steep)).speedUp).toBeGreaterThan(1.2);
  });

  it('loses no more to a model that drafts in vain', async () => {
    for (const ms of [0.3, 1, 3]) {
      const world = worldOf(1000);
      const {
        ms: taken,
        plainMs,
        speculator,
      } = await run(world, [guesserOf(world, () => 0, { ms })], steep, { requests: 3 });
      expect(taken).toBeLessThanOrEqual(1.01 * plainMs + STEP);
      expect(speculator.ledger.gained).toBeLessThanOrEqual(0);
    }
  });

  it('is as fast as steps allow with a drafter that is always right', async () => {
    const world = worldOf(1000);
    const { speedUp, widest } = await run(world, [guesserOf(world, () => 1)], steep);
    expect(widest).toBe(16);
    // One step in 64 tokens stays plain, and the first ones are.
    expect(speedUp).toBeGreaterThan(0.85 * (16 / steep(16)));
  });

  it('chooses the width by what is right and what it costs', async () => {
    const widest = async (chance: number, cost: (width: number) => number): Promise<number> => {
      const world = worldOf(600);
      return (await run(world, [guesserOf(world, () => chance)], cost, { knows: true })).widest;
    };
    expect(await widest(1, useless)).toBe(1);
    expect(await widest(0.05, steep)).toBeLessThanOrEqual(2);
    expect(await widest(0.9, flat)).toBeGreaterThan(await widest(0.5, flat));
  });

  it('uses tokens that are certain from the first step on, and all of them', async () => {
    const world = worldOf(17);
    const certain = guesserOf(world, () => 1, { looks: 'certain' });
    const { ms } = await run(world, [certain], steep, { knows: true });
    expect(ms).toBe(STEP * steep(16));
    const again = worldOf(17);
    const doubtful = guesserOf(again, () => 1, { looks: 'doubtful' });
    expect((await run(again, [doubtful], steep, { knows: true })).ms).toBeGreaterThan(STEP * steep(16));
  });

  it('guesses no further than it is told', async () => {
    const world = worldOf(300);
    const { widest } = await run(world, [guesserOf(world, () => 1)], flat, { maxLookahead: 3 });
    expect(widest).toBe(4);
  });

  it('asks a model that drafts well, and lets a better free guess go first', async () => {
    const cheap = worldOf(600);
    const alone = await run(cheap, [guesserOf(cheap, () => 0.9, { ms: 0.3 })], flat, { requests: 2 });
    expect(alone.speedUp).toBeGreaterThan(1.5);
    const both = worldOf(600);
    const drafters = [guesserOf(both, () => 1), guesserOf(both, () => 0.9, { ms: 0.3 })];
    const { speculator } = await run(both, drafters, flat, { requests: 2 });
    const { byDrafter } = speculator.counts();
    expect(byDrafter['free']!.accepted).toBeGreaterThan(5 * (byDrafter['model']?.accepted ?? 0));
  });

  it('lets a model read a prompt that its drafts may repay, and stakes no more than eight steps on it', async () => {
    const repaid = worldOf(128);
    const good = guesserOf(repaid, () => 0.9, { ms: 0.3, owes: 60 });
    expect((await run(repaid, [good], flat, { requests: 4, knows: true })).speedUp).toBeGreaterThan(1.2);
    for (const owes of [50, 1000]) {
      const world = worldOf(128);
      const bad = guesserOf(world, () => 0, { ms: 1, owes });
      const { ms, plainMs } = await run(world, [bad], flat, { requests: 20, knows: true });
      expect(ms).toBeLessThanOrEqual(1.01 * plainMs + STEP + 8 * STEP);
    }
  });

  it('counts what was guessed, what was right and what it won', async () => {
    const world = worldOf(400);
    const { speculator, ms, plainMs } = await run(world, [guesserOf(world, () => 0.95)], flat);
    const { drafted, accepted, byDrafter, gainedMs } = speculator.counts();
    expect(byDrafter).toEqual({ free: { drafted, accepted } });
    expect(accepted).toBeGreaterThan(200);
    expect(gainedMs).toBeCloseTo(plainMs - ms, -1);
  });
});
