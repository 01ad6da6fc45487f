/**
 * Kept prefixes by what requests see of them: how much was not computed again, and that answers are what they would have
 * been. In the table session a wrong block changes every token after it.
 */
import { describe, expect, test } from 'vitest';
import { textIds } from '../../test/fakes/byte-model.ts';
import { createWorld } from '../../test/fakes/prefix-engine.ts';
import type { Asked, Visit, World } from '../../test/fakes/prefix-engine.ts';
import { ask, chat } from '../../test/fakes/requests.ts';
import type { GenerateRequest, Prompt } from '../rpc/protocol.ts';

/** Text of which every byte is a token, the same at every call. */
const text = (length: number, salt = 0): string =>
  Array.from({ length }, (_, i) =>
    String.fromCharCode(97 + ((Math.imul(i + 1 + salt * 8191, 2654435761) >>> 9) % 26)),
  ).join('');

const raw = (prompt: string, more: Partial<GenerateRequest> = {}): GenerateRequest =>
  ask({ kind: 'text', text: prompt }, { maxTokens: 8, ...more });

/** What a visit that keeps nothing answers. */
async function plain(request: GenerateRequest): Promise<string> {
  return (await (await createWorld().visit({ prefixBytes: 0 })).ask(request)).text;
}

/** Asked, and written. */
async function stored(visit: Visit, request: GenerateRequest): Promise<Asked> {
  const asked = await visit.ask(request);
  await visit.settle();
  return asked;
}

const computed = (visit: Visit): number => visit.model.session.steps.flat().length;

describe('after a reload', () => {
  test.each([64, 65, 127, 128, 129, 200])(
    'a prompt of %i tokens again computes one token',
    async (length) => {
      const world = createWorld();
      const request = raw(text(length), { maxTokens: 1 });
      const first = await stored(await world.visit(), request);
      expect(first.timings).toMatchObject({ cachedTokens: 0, restoreMs: 0 });
      const visit = await world.visit();
      const again = await visit.ask(request);
      expect(again.timings.cachedTokens).toBe(length - 1);
      expect(computed(visit)).toBe(1);
      expect(again.text).toBe(first.text);
    },
  );

  test('the next turn computes what is new, not the answer before it', async () => {
    const world = createWorld();
    const turn = (content: string, before: Prompt & { kind: 'chat' }, answer: string): Prompt => ({
      ...before,
      messages: [...before.messages, { role: 'assistant', content: answer }, { role: 'user', content }],
    });
    const answer = text(90, 4);
    const options = { answer: () => textIds(answer) };
    const question = chat(text(300)) as Prompt & { kind: 'chat' };
    await stored(await world.visit({}, options), ask(question));
    const visit = await world.visit({}, options);
    const { timings } = await visit.ask(ask(turn('and now?', question, answer)));
    // All but what follows the answer's last token.
    expect(timings.promptTokens - timings.cachedTokens).toBeLessThan(40);
    expect(timings.cachedTokens).toBeGreaterThan(390);
  });

  test('another prompt computes what comes behind the blocks that they share', async () => {
    const world = createWorld();
    await stored(await world.visit(), raw(text(200)));
    const visit = await world.visit();
    const request = raw(text(150) + text(50, 1));
    const { timings, text: answer } = await visit.ask(request);
    expect(timings.cachedTokens).toBe(128);
    expect(answer).toBe(await plain(request));
    expect(visit.events('prefix-restore')).toMatchObject([{ tokens: 128, byteLength: expect.any(Number) }]);
  });

  test('a longer prompt goes on from the tail of a shorter one', async () => {
    const world = createWorld();
    await stored(await world.visit(), raw(text(150), { maxTokens: 1 }));
    const visit = await world.visit();
    const request = raw(text(200));
    const { timings, text: answer } = await visit.ask(request);
    expect(timings.cachedTokens).toBe(150);
    expect(answer).toBe(await plain(request));
  });

  test('what is read while the model loads is not read again', async () => {
    const world = createWorld();
    await stored(await world.visit(), raw(text(300)));
    const visit = await world.visit();
    const before = world.store.reads.length;
    expect(before).toBeGreaterThan(0);
    expect((await visit.ask(raw(text(300)))).timings.cachedTokens).toBe(299);
    expect(world.store.reads).toHaveLength(before);
  });

  test('says what reading took', async () => {
    const world = createWorld();
    const [one, other] = [await world.visit(), await world.visit()];
    await stored(one, raw(text(300)));
    const { timings } = await other.ask(raw(text(300)));
    expect(timings.restoreMs).toBeGreaterThan(0);
    expect(timings.cachedTokens).toBe(299);
    expect(timings.promptMs).toBe(1);
  });
});

describe('the longest beginning wins', () => {
  test('of a conversation in memory, which nothing is read for', async () => {
    const world = createWorld();
    const visit = await world.visit();
    await stored(visit, raw(text(200)));
    const reads = world.store.reads.length;
    expect((await visit.ask(raw(text(200) + 'x'))).timings.cachedTokens).toBe(200);
    expect(world.store.reads).toHaveLength(reads);
  });

  test('of a store that has more, from the middle of a block on', async () => {
    const world = createWorld();
    const tab = await world.visit();
    await stored(tab, raw(text(100), { maxTokens: 1 }));
    await stored(await world.visit(), raw(text(300)));
    const request = raw(text(300));
    const { timings, text: answer } = await tab.ask(request);
    expect(timings.cachedTokens).toBe(299);
    expect(answer).toBe(await plain(request));
  });
});

describe('what is not the same', () => {
  test.each([
    ['another tenant', { tenant: 'b' }, {}],
    ['another model', {}, { id: 'other' }],
    ['another format', {}, { format: 'other' }],
    ['a passphrase', { passphrase: 'one' }, {}],
  ] as const)('is a miss: %s', async (_, content, options) => {
    const world = createWorld();
    await stored(await world.visit({ tenant: 'a' }), raw(text(200)));
    const visit = await world.visit({ tenant: 'a', ...content }, options);
    const { timings } = await visit.ask(raw(text(200)));
    expect(timings).toMatchObject({ cachedTokens: 0, restoreMs: 0 });
    await visit.settle();
    expect((await visit.ask(raw(text(200)))).timings.cachedTokens).toBe(199);
  });

  test('a tenant sees, deletes and counts its own only', async () => {
    const world = createWorld();
    const a = await world.visit({ tenant: 'a' });
    const b = await world.visit({ tenant: 'b' });
    await stored(a, raw(text(200)));
    expect(await b.engine.prefixes().list()).toEqual([]);
    expect(await b.engine.prefixes().usage()).toMatchObject({ byteLength: 0, blockCount: 0 });
    const [prefix] = await a.engine.prefixes().list();
    expect(await b.engine.prefixes().delete(prefix!.id)).toBe(false);
    await b.engine.prefixes().clear(false);
    expect(await a.engine.prefixes().list()).not.toEqual([]);
    await b.engine.prefixes().clear(true);
    expect(await a.engine.prefixes().list()).toEqual([]);
    expect(world.store.records.size).toBe(0);
  });

  test('what was deleted does not open again if it comes back, and what comes after it is kept', async () => {
    const world = createWorld();
    const visit = await world.visit();
    await stored(visit, raw(text(200)));
    const [records, nodes] = [new Map(world.store.records), new Map(world.store.nodes)];
    await visit.engine.prefixes().clear(false);
    await stored(visit, raw(text(200, 1)));
    for (const [key, record] of records) world.store.records.set(key, record);
    for (const [key, node] of nodes) world.store.nodes.set(key, node);
    const next = await world.visit();
    expect((await next.ask(raw(text(200)))).timings.cachedTokens).toBe(0);
    expect((await next.ask(raw(text(200, 1)))).timings.cachedTokens).toBe(199);
  });

  test('the key goes even if the records cannot', async () => {
    const world = createWorld();
    const visit = await world.visit();
    await stored(visit, raw(text(200)));
    const { before } = world.store;
    world.store.before = (call) => {
      if (call === 'remove') throw new DOMException('gone', 'InvalidStateError');
    };
    await expect(visit.engine.prefixes().clear(false)).rejects.toThrow('gone');
    world.store.before = before;
    expect((await (await world.visit()).ask(raw(text(200)))).timings.cachedTokens).toBe(0);
  });
});

describe('two tabs', () => {
  test('that keep the same at the same time agree, byte for byte', async () => {
    const world = createWorld();
    const tabs = [await world.visit(), await world.visit()];
    const request = raw(text(300), { maxTokens: 1 });
    await Promise.all(tabs.map((tab) => tab.ask(request)));
    await Promise.all(tabs.map((tab) => tab.settle()));
    const both = await world.opened();
    const alone = createWorld();
    await stored(await alone.visit(), request);
    expect(both.size).toBeGreaterThan(4);
    expect([...both.values()]).not.toContain(undefined);
    expect(both).toEqual(await alone.opened());
  });

  test('see what the other has written', async () => {
    const world = createWorld();
    const [one, other] = [await world.visit(), await world.visit()];
    await stored(one, raw(text(300)));
    expect((await other.ask(raw(text(300)))).timings.cachedTokens).toBe(299);
  });

  test('do without what the other has deleted', async () => {
    const world = createWorld();
    await stored(await world.visit(), raw(text(300)));
    const [one, other] = [await world.visit(), await world.visit()];
    await other.engine.prefixes().clear(true);
    const request = raw(text(300));
    const { text: answer, timings } = await one.ask(request);
    expect([answer, timings.cachedTokens]).toEqual([await plain(request), 0]);
  });
});

describe('nobody waits for the store', () => {
  test('nothing is written while requests run or wait', async () => {
    const world = createWorld();
    let running = 0;
    let during = 0;
    const { before } = world.store;
    world.store.before = (call, keys) => {
      if (call !== 'read' && call !== 'index' && running > 0) during += 1;
      return before(call, keys);
    };
    const visit = await world.visit();
    await visit.settle();
    const all = Array.from({ length: 4 }, async (_, i) => {
      running += 1;
      await visit.ask(raw(text(300, i)));
      running -= 1;
    });
    await Promise.all(all);
    expect([during, world.store.writes.length]).toEqual([0, 0]);
    await visit.settle();
    expect(world.store.writes.length).toBeGreaterThanOrEqual(4);
  });

  test('reading is left when it is slower than computing, by what it took before', async () => {
    const world = createWorld({ tokenMs: 0.01, readMs: 50 });
    await stored(await world.visit(), raw(text(300)));
    const visit = await world.visit();
    await stored(await world.visit(), raw(text(300, 1)));
    const reads = world.store.reads.length;
    const { timings } = await visit.ask(raw(text(300, 1)));
    expect(timings.cachedTokens).toBe(0);
    expect(world.store.reads).toHaveLength(reads);
  });

  test('a reading that turns out slow ends where computing the rest is quicker', async () => {
    const world = createWorld({ tokenMs: 0.1, readMs: 100 });
    const visit = await world.visit();
    await visit.ask(raw(text(70, 9)));
    await stored(await world.visit(), raw(text(600)));
    const request = raw(text(600));
    const { timings, text: answer } = await visit.ask(request);
    // One block was read to find out.
    expect(timings.cachedTokens).toBe(64);
    expect(answer).toBe(await plain(request));
  });
});

describe('the budget', () => {
  const sizeOf = (world: World): number =>
    [...world.store.records.values()].reduce((sum, { length }) => sum + length, 0);

  test('is never exceeded, and what was used last stays', async () => {
    const world = createWorld();
    const prefixBytes = 4000;
    const visit = await world.visit({ prefixBytes });
    for (let i = 0; i < 6; i++) {
      await stored(visit, raw(text(200, i)));
      expect(sizeOf(world)).toBeLessThanOrEqual(prefixBytes);
      world.clock.ms += 86_400_000;
    }
    const next = await world.visit({ prefixBytes });
    expect((await next.ask(raw(text(200, 5)))).timings.cachedTokens).toBe(199);
    expect((await next.ask(raw(text(200, 0)))).timings.cachedTokens).toBe(0);
  });

  test('too small for a prompt keeps its beginning', async () => {
    const world = createWorld();
    await stored(await world.visit({ prefixBytes: 900 }), raw(text(300)));
    expect(sizeOf(world)).toBeLessThanOrEqual(900);
    const visit = await world.visit();
    expect((await visit.ask(raw(text(300)))).timings.cachedTokens).toBeLessThan(200);
  });

  test('of a browser is found out, and room is made', async () => {
    const world = createWorld();
    const visit = await world.visit();
    await stored(visit, raw(text(200, 1)));
    world.clock.ms += 86_400_000;
    world.store.quotaBytes = sizeOf(world) + 100;
    await stored(visit, raw(text(200, 2)));
    expect(visit.events('prefix-keep').at(-1)).toMatchObject({ outcome: 'done' });
    expect(visit.events('prefix-keep').at(-1)!.evicted).toBeGreaterThan(0);
    expect((await (await world.visit()).ask(raw(text(200, 2)))).timings.cachedTokens).toBe(199);
  });

  test('of a browser that counts late is made room for more than once', async () => {
    const world = createWorld();
    const visit = await world.visit();
    for (let i = 0; i < 3; i++) {
      await stored(visit, raw(text(300, i)));
      world.clock.ms += 86_400_000;
    }
    const writes = world.store.write;
    let [refused, evictions] = [0, 0];
    world.store.before = (call) => {
      if (call === 'remove') evictions += 1;
    };
    world.store.write = async (blocks) => {
      if (refused++ < 2) throw new DOMException('full', 'QuotaExceededError');
      return writes(blocks);
    };
    await stored(visit, raw(text(200, 3)));
    expect(visit.events('prefix-keep').at(-1)).toMatchObject({ outcome: 'done' });
    expect(evictions).toBe(2);
    expect((await (await world.visit()).ask(raw(text(200, 3)))).timings.cachedTokens).toBe(199);
  });

  test('of a browser that has no room for a word does not say that it pinned what is there', async () => {
    const world = createWorld();
    const visit = await world.visit();
    await stored(visit, raw(text(200)));
    world.store.amend = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    await expect(visit.engine.pinPrefix({ kind: 'text', text: text(200) }, 'personal')).rejects.toMatchObject(
      { code: 'storage_full' },
    );
  });

  test('of a browser that has no room at all keeps nothing, and answers', async () => {
    const world = createWorld();
    world.store.quotaBytes = 10;
    const visit = await world.visit();
    const request = raw(text(200));
    expect((await stored(visit, request)).text).toBe(await plain(request));
    expect(visit.events('prefix-keep')).toMatchObject([{ outcome: 'full', blocks: 0 }]);
    expect(world.store.nodes.size).toBe(0);
  });

  test('of 0 reads and writes nothing', async () => {
    const world = createWorld();
    await stored(await world.visit(), raw(text(200)));
    const { reads, writes } = world.store;
    const counts = [reads.length, writes.length];
    const visit = await world.visit({ prefixBytes: 0 });
    expect((await stored(visit, raw(text(200)))).timings.cachedTokens).toBe(0);
    expect([reads.length, writes.length]).toEqual(counts);
    expect(await visit.engine.prefixes().list()).not.toEqual([]);
  });
});

test('memory that is full is taken from what waits to be written', async () => {
  const world = createWorld();
  const visit = await world.visit({}, { memoryTokens: 500 });
  const first = visit.ask(raw(text(200, 1)));
  const second = visit.ask(raw(text(240, 2)));
  expect((await first).text).toBe(await plain(raw(text(200, 1))));
  expect((await second).text).toBe(await plain(raw(text(240, 2))));
  await visit.settle();
  expect(visit.model.session.liveCaches).toBeLessThanOrEqual(2);
});

test('a request that is aborted while its beginning is read leaves a true conversation', async () => {
  const world = createWorld();
  await stored(await world.visit(), raw(text(300)));
  const visit = await world.visit();
  const controller = new AbortController();
  controller.abort();
  await expect(visit.ask(raw(text(300)), controller.signal)).rejects.toThrow();
  const late = new AbortController();
  const { before } = world.store;
  world.store.before = (call, keys) => {
    if (call === 'index') late.abort();
    return before(call, keys);
  };
  await expect(visit.ask(raw(text(300)), late.signal)).rejects.toThrow();
  const request = raw(text(300));
  expect((await visit.ask(request)).text).toBe(await plain(request));
});
