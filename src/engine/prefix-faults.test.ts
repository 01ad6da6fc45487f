/**
 * A store that lies, fails or was left in the middle is a miss and never a wrong answer. Everything that can be wrong with
 * a record or with the index is tried on a stored prompt; then whole histories at random.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWorld } from '../../test/fakes/prefix-engine.ts';
import type { World } from '../../test/fakes/prefix-engine.ts';
import { ask } from '../../test/fakes/requests.ts';
import type { GenerateRequest } from '../rpc/protocol.ts';
import type { PrefixNode, PrefixStore } from '../storage/prefix-store.ts';

const words = (length: number, salt = 0): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(97 + ((i * i + salt * 11 + i) % 26))).join('');

const raw = (prompt: string): GenerateRequest =>
  ask({ kind: 'text', text: prompt }, { maxTokens: 4, topLogprobs: 2 });

const PROMPT = raw(words(200));

async function plain(request: GenerateRequest): Promise<string> {
  return (await (await createWorld().visit({ prefixBytes: 0 })).ask(request)).text;
}

/** A store with the prompt in it; its records in the order of the prompt. */
async function storedWorld(): Promise<{ world: World; keys: string[] }> {
  const world = createWorld();
  const visit = await world.visit();
  await visit.ask(PROMPT);
  await visit.settle();
  const nodes = [...world.store.nodes.values()].sort(
    (a, b) => a.start - b.start || a.positions - b.positions,
  );
  return { world, keys: nodes.map(({ key }) => key) };
}

const [NONCE_BYTES, TAG_BYTES] = [12, 16];
const RECORD_BYTES = NONCE_BYTES + 64 * 4 + TAG_BYTES;

/** Each with the name of the region it is in. */
const regions: [string, number][] = [
  ...Array.from({ length: NONCE_BYTES }, (_, at): [string, number] => ['nonce', at]),
  ...[12, 13, 14, 15, 79, 80, 200, RECORD_BYTES - 17].map((at): [string, number] => ['content', at]),
  ...Array.from({ length: TAG_BYTES }, (_, at): [string, number] => ['tag', RECORD_BYTES - 1 - at]),
];

describe('a block that is wrong is computed again', () => {
  test.each(regions)('in its %s, byte %i', async (_, at) => {
    const { world, keys } = await storedWorld();
    const record = world.store.records.get(keys[1]!)!;
    expect(record).toHaveLength(RECORD_BYTES);
    record[at]! ^= 0x10;
    const visit = await world.visit();
    const { text, timings } = await visit.ask(PROMPT);
    expect(timings.cachedTokens).toBe(64);
    expect(text).toBe(await plain(PROMPT));
    await visit.settle();
    expect((await (await world.visit()).ask(PROMPT)).timings.cachedTokens).toBe(199);
  });

  test.each([0, 1, 11, 12, 13, 27, 28, 29, RECORD_BYTES - 17, RECORD_BYTES - 1])(
    'cut to %i bytes',
    async (length) => {
      const { world, keys } = await storedWorld();
      world.store.records.set(keys[0]!, world.store.records.get(keys[0]!)!.slice(0, length));
      const { text, timings } = await (await world.visit()).ask(PROMPT);
      expect([text, timings.cachedTokens]).toEqual([await plain(PROMPT), 0]);
    },
  );

  test('torn: the end of it never arrived', async () => {
    const { world, keys } = await storedWorld();
    world.store.records.get(keys[0]!)!.fill(0, RECORD_BYTES >> 1);
    const { text, timings } = await (await world.visit()).ask(PROMPT);
    expect([text, timings.cachedTokens]).toEqual([await plain(PROMPT), 0]);
  });

  test('swapped with another', async () => {
    const { world, keys } = await storedWorld();
    const [first, second] = [world.store.records.get(keys[0]!)!, world.store.records.get(keys[1]!)!];
    world.store.records.set(keys[0]!, second).set(keys[1]!, first);
    const { text, timings } = await (await world.visit()).ask(PROMPT);
    expect([text, timings.cachedTokens]).toEqual([await plain(PROMPT), 0]);
  });

  test('missing, though the index names it', async () => {
    const { world, keys } = await storedWorld();
    world.store.records.delete(keys[2]!);
    const { text, timings } = await (await world.visit()).ask(PROMPT);
    expect([text, timings.cachedTokens]).toEqual([await plain(PROMPT), 128]);
  });

  test('when it is read before the others, which are not asked for then', async () => {
    const world = createWorld();
    const visit = await world.visit();
    const other = await world.visit();
    await other.ask(PROMPT);
    await other.settle();
    const first = [...world.store.nodes.values()].find(({ start }) => start === 0)!;
    world.store.records.get(first.key)![90]! ^= 1;
    const { text, timings } = await visit.ask(PROMPT);
    expect([text, timings.cachedTokens]).toEqual([await plain(PROMPT), 0]);
  });

  test('no buffer at all', async () => {
    const { world } = await storedWorld();
    world.store.read = async (keys) => keys.map((_, i) => [null, 'text', 7, { length: 9 }][i % 4]);
    const { text, timings } = await (await world.visit()).ask(PROMPT);
    expect([text, timings.cachedTokens]).toEqual([await plain(PROMPT), 0]);
  });
});

describe('an index that is wrong', () => {
  const changes: [string, Partial<PrefixNode>][] = [
    ['positions', { positions: 63 }],
    ['start', { start: 0 }],
    ['parent', { parent: 'nobody' }],
    ['cost', { computeMs: 1e9, byteLength: 1 }],
  ];

  test.each(changes)('about the %s of a block gives the right answer', async (_, change) => {
    const { world, keys } = await storedWorld();
    world.store.nodes.set(keys[1]!, { ...world.store.nodes.get(keys[1]!)!, ...change });
    expect((await (await world.visit()).ask(PROMPT)).text).toBe(await plain(PROMPT));
  });

  test('names a block that was cut off before it was written: it is a miss', async () => {
    const { world, keys } = await storedWorld();
    for (const key of keys) world.store.records.delete(key);
    const visit = await world.visit();
    expect((await visit.ask(PROMPT)).timings.cachedTokens).toBe(0);
  });

  test('does not name what a closed tab left: it is swept away', async () => {
    const { world } = await storedWorld();
    world.store.records.set('left', new Uint8Array(50));
    const visit = await world.visit();
    await visit.settle();
    expect(world.store.records.has('left')).toBe(false);
  });
});

test.each(['index', 'read', 'write', 'amend', 'remove', 'sweep'] as const)(
  'a store whose %s fails changes no answer',
  async (broken) => {
    const { world, keys } = await storedWorld();
    world.store.records.get(keys[1]!)![100]! ^= 1;
    const { before } = world.store;
    world.store.before = (call: keyof PrefixStore, names) => {
      if (call === broken) throw new DOMException('gone', 'InvalidStateError');
      return before(call, names);
    };
    const visit = await world.visit();
    for (const request of [PROMPT, raw(words(200, 1)), PROMPT]) {
      expect((await visit.ask(request)).text).toBe(await plain(request));
    }
    await visit.settle();
  },
);

test('whatever is asked, stored, broken, deleted and reloaded, in any order, answers are those of an engine that keeps nothing', async () => {
  const prompt = fc
    .record({
      shared: fc.constantFrom(0, 64, 100, 190),
      own: fc.integer({ min: 1, max: 150 }),
      salt: fc.nat(3),
    })
    .map(({ shared, own, salt }) => raw(words(shared) + words(own, salt + 1)));
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('ask' as const), request: prompt, settle: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('reload' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('break' as const), which: fc.nat(20), at: fc.nat(400) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  );
  const answers = new Map<string, string>();
  let restored = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      const world = createWorld();
      const content = { prefixBytes: 6000 };
      let visit = await world.visit(content);
      for (const one of steps) {
        const keys = [...world.store.records.keys()];
        if (one.do === 'ask') {
          const { text } = await visit.ask(one.request);
          const name = JSON.stringify(one.request.prompt);
          const expected = answers.get(name) ?? (await plain(one.request));
          answers.set(name, expected);
          expect(text).toBe(expected);
          restored += visit.events('prefix-restore').at(-1)?.tokens ?? 0;
          if (one.settle) await visit.settle();
        } else if (one.do === 'reload') visit = await world.visit(content);
        else if (one.do === 'clear') await visit.engine.prefixes().clear(false);
        else if (keys.length > 0) {
          const key = keys[one.which % keys.length]!;
          const record = world.store.records.get(key)!;
          if (one.do === 'lose') world.store.records.delete(key);
          else record[one.at % record.length]! ^= 0x40;
        }
      }
      await visit.settle();
    }),
    { numRuns: 150, seed: 5 },
  );
  // It has been about something.
  expect(restored).toBeGreaterThan(2000);
});
