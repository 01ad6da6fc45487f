/**
 * Kept prefixes in real Chromium with a real profile on disk: answers and stored bytes after a restart are those of never
 * having stopped, tabs agree, a browser that is killed loses no more than what it was writing, damage is a miss, and a full
 * disk is no error.
 */
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import {
  ask,
  bitsOf,
  contentsOf,
  MODEL_BYTES,
  it,
  list,
  openTab,
  recordsOf,
  serve,
  settle,
  words,
} from '../fixtures/profile.ts';
import { openLibraryPage } from '../fixtures/library-page.ts';

it('after a restart of the browser a conversation goes on as if it had never stopped, bit by bit', async ({
  profile,
  server,
}) => {
  const first = words(300);
  const second = `${first} and then ${words(80, 4)}`;
  const tab = await openTab(profile, server);
  const before = await ask(tab, first);
  await settle(tab);
  await profile.restart();
  const later = await openTab(profile, server);
  const again = await ask(later, first);
  expect([again.cached, bitsOf(again)]).toEqual([before.promptTokens - 1, bitsOf(before)]);
  expect(again.restoreMs).toBeGreaterThan(0);
  const resumed = await ask(later, second);
  await settle(later);

  const elsewhere = await serve();
  const steady = await openTab(profile, elsewhere);
  await ask(steady, first);
  await ask(steady, first);
  expect(bitsOf(await ask(steady, second))).toEqual(bitsOf(resumed));
  await settle(steady);
  // Names and seals are under a key of the origin; what they hold is the same.
  const contents = (page: Page): Promise<string[]> =>
    contentsOf(page, 'prefix-blocks').then((all) =>
      [...all.values()].map((one) => one.toString('hex')).sort(),
    );
  const kept = await contents(later);
  expect(kept.length).toBeGreaterThan(6);
  expect(kept).toHaveLength((await recordsOf(later, 'prefix-blocks')).size);
  expect((await contents(steady)).join() === kept.join()).toBe(true);
  await steady.close();
  await elsewhere.close();
});

it('tabs that compute the same at the same time agree, and a third goes on from it', async ({
  profile,
  server,
}) => {
  const prompt = words(300);
  const tabs = await Promise.all([openTab(profile, server), openTab(profile, server)]);
  const third = await openTab(profile, server);
  const answers = await Promise.all(tabs.map((tab) => ask(tab, prompt)));
  await Promise.all(tabs.map(settle));
  expect(bitsOf(answers[0]!)).toEqual(bitsOf(answers[1]!));
  const answer = await ask(third, prompt);
  expect(answer.cached).toBe(answer.promptTokens - 1);
  expect(bitsOf(answer)).toEqual(bitsOf(answers[0]!));
  const names = await Promise.all(tabs.map(async (tab) => (await list(tab)).map(({ id }) => id).sort()));
  expect(names[0]).toEqual(names[1]);
  expect(names[0]!.length).toBeGreaterThan(1);
});

it('a tab that is closed while it writes leaves what the next can use', async ({ profile, server }) => {
  for (const [i, delayMs] of [0, 255, 265, 290].entries()) {
    const prompt = words(200, i + 1);
    const tab = await openTab(profile, server);
    const before = await ask(tab, prompt);
    await tab.waitForTimeout(delayMs);
    await tab.close();
    const next = await openTab(profile, server);
    expect(bitsOf(await ask(next, prompt)), `closed after ${delayMs} ms`).toEqual(bitsOf(before));
    await settle(next);
    await next.close();
    const last = await openTab(profile, server);
    const again = await ask(last, prompt);
    expect([again.cached, bitsOf(again)]).toEqual([before.promptTokens - 1, bitsOf(before)]);
    await last.close();
  }
});

it('a browser that is killed while it writes leaves what the next can use', async ({ profile, server }) => {
  const blocks = (tab: Page): Promise<number> =>
    tab.evaluate(async () => (await client.prefixes.usage()).blockCount);
  const moments: Record<string, (tab: Page, known: number) => Promise<unknown>> = {
    'before it is quiet': async () => undefined,
    'about when the first are written': (tab) => tab.waitForTimeout(310),
    'when some are written': (tab, known) =>
      expect.poll(() => blocks(tab), { intervals: [2] }).toBeGreaterThan(known),
    'when all are': settle,
  };
  const computed: number[] = [];
  for (const [i, [moment, wait]] of Object.entries(moments).entries()) {
    const prompt = words(560, i + 1);
    const tab = await openTab(profile, server);
    const known = await blocks(tab);
    const before = await ask(tab, prompt);
    await wait(tab, known);
    await profile.kill();
    const next = await openTab(profile, server);
    const after = await ask(next, prompt);
    expect(bitsOf(after), moment).toEqual(bitsOf(before));
    computed.push(before.promptTokens - after.cached);
    await settle(next);
    await next.close();
  }
  expect(computed[0]).toBeGreaterThan(1);
  expect(computed.at(-1)).toBe(1);
});

it('where the disk is full, what saves least goes, what is pinned stays, and no request fails', async ({
  profile,
  server,
}) => {
  // Before the first look at the quota: the browser remembers what it was.
  const watcher = await profile.context.newPage();
  const session = await profile.context.newCDPSession(watcher);
  const quota = { origin: server.address, quotaSize: MODEL_BYTES + 9_000_000 };
  await session.send('Storage.overrideQuotaForOrigin', quota);
  const tab = await openTab(profile, server);
  const system = words(200, 9);
  const pinned = await tab.evaluate((text) => client.prefixes.pin(text), system);
  for (let i = 0; i < 6; i++) {
    await ask(tab, words(300, i));
    await settle(tab);
  }
  const events = await tab.evaluate(() => client.recentEvents());
  const outcomes = events.flatMap((event) => (event.type === 'prefix-keep' ? [event] : []));
  expect(outcomes.map(({ outcome }) => outcome)).not.toContain('failed');
  expect(outcomes.some(({ outcome, evicted }) => outcome === 'done' && evicted > 0)).toBe(true);
  expect((await list(tab)).filter((prefix) => prefix.pinned)).toMatchObject([{ id: pinned.id }]);
  const later = await openTab(profile, server);
  const answer = await ask(later, system);
  expect(answer.cached).toBe(answer.promptTokens - 1);
});

it('whatever is wrong in the database is computed again', async ({ profile, server }) => {
  const prompt = words(300);
  const tab = await openTab(profile, server);
  const before = await ask(tab, prompt);
  await settle(tab);
  await tab.close();
  for (const damage of ['flip', 'cut', 'swap', 'text', 'version', 'lose', 'nodes'] as const) {
    const breaker = await profile.context.newPage();
    await openLibraryPage(breaker, server.address);
    await breaker.evaluate(async (how) => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open('selvedge');
        request.onsuccess = () => resolve(request.result);
      });
      const transaction = database.transaction(['prefix-blocks', 'prefix-nodes'], 'readwrite');
      const store = transaction.objectStore('prefix-blocks');
      const nodes = transaction.objectStore('prefix-nodes');
      const names = await new Promise<IDBValidKey[]>((resolve) => {
        const request = store.getAllKeys();
        request.onsuccess = () => resolve(request.result);
      });
      const values = await new Promise<ArrayBuffer[]>((resolve) => {
        const request = store.getAll();
        request.onsuccess = () => resolve(request.result);
      });
      for (const [i, name] of names.entries()) {
        const bytes = new Uint8Array(values[i]!);
        if (how === 'flip') bytes[(i * 977 + 90) % bytes.length]! ^= 4;
        if (how === 'version') bytes[4] = 9;
        if (how === 'cut') store.put(bytes.slice(0, bytes.length - 7).buffer, name);
        else if (how === 'swap') store.put(values[(i + 1) % values.length], name);
        else if (how === 'text') store.put('no bytes', name);
        else if (how === 'lose') store.delete(name);
        else if (how === 'nodes') nodes.put({ key: name, positions: 'many' }, name);
        else store.put(bytes.buffer, name);
      }
      await new Promise((resolve) => (transaction.oncomplete = resolve));
      database.close();
    }, damage);
    await breaker.close();
    const next = await openTab(profile, server);
    const answer = await ask(next, prompt);
    expect([answer.cached, bitsOf(answer)], damage).toEqual([0, bitsOf(before)]);
    await settle(next);
    await next.close();
  }
});
