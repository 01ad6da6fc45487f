/**
 * What is on the disk of what was said, in a real profile of real Chromium: nothing of a secret in any file; of the rest
 * nothing to read without the key; and after it was deleted neither it nor the key, so that what the browser has left of
 * records says nothing to anybody. Each search is tried on what it has to find.
 */
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import type { CompletionParams } from '../../src/index.ts';
import {
  ask,
  bitsOf,
  contentsOf,
  it,
  keyOf,
  list,
  openTab,
  recordsOf,
  settle,
  words,
} from '../fixtures/profile.ts';

const IN_PRIVATE: Partial<CompletionParams> = { selvedge: { privacy: 'secret' } };
const CANARY = 'Zebulon keeps 7 amber keys under the third stone. ';

const foundIn = (files: Buffer[], needles: Iterable<Buffer>): Buffer[] =>
  [...needles].filter((needle) => files.some((file) => file.includes(needle)));

/** A few places of every one. */
function piecesOf(contents: Iterable<Buffer>): Buffer[] {
  return [...contents].flatMap((bytes) =>
    [0.1, 0.3, 0.6, 0.9].map((part) => bytes.subarray(Math.floor(part * bytes.length)).subarray(0, 24)),
  );
}

/** What was said and all that was computed from it, to who can read the page's stores. */
async function canariesOf(page: Page, text: string, tenant?: string): Promise<Buffer[]> {
  const ids = await page.evaluate((said) => client.tokenize(said), text);
  const blocks = [...(await contentsOf(page, 'prefix-blocks', tenant)).values()];
  const answers = [...(await contentsOf(page, 'past-outputs', tenant)).values()];
  expect(blocks.length).toBeGreaterThan(1);
  expect(answers.length).toBeGreaterThan(0);
  return [
    ...(['utf8', 'utf16le'] as const).map((form) => Buffer.from(text.slice(8, 22), form)),
    ...[Uint16Array, Int32Array].map((Words) => Buffer.from(Words.from(ids.slice(2, 8)).buffer)),
    ...answers,
    ...piecesOf(blocks),
  ];
}

it('nothing of a secret is in any file of the profile, whatever was done', async ({
  profile,
  server,
  browser,
}) => {
  const secret = CANARY.repeat(8);
  const going = `${secret} And so on.`;

  // What it would leave, from a profile in memory where it is no secret.
  const leaky = await openTab({ context: await browser.newContext() }, server);
  await ask(leaky, secret);
  await ask(leaky, going);
  await settle(leaky);
  const canaries = await canariesOf(leaky, CANARY);
  await leaky.context().close();

  const tab = await openTab(profile, server);
  await ask(tab, words(300));
  await settle(tab);
  const kept = [await recordsOf(tab, 'prefix-blocks'), await recordsOf(tab, 'past-outputs')];
  await ask(tab, secret, IN_PRIVATE);
  await ask(tab, going);
  await settle(tab);
  expect([await recordsOf(tab, 'prefix-blocks'), await recordsOf(tab, 'past-outputs')]).toEqual(kept);
  const files = await profile.files();
  expect(foundIn(files, canaries)).toEqual([]);
  // What is no secret is found in the same way, sealed, so that finding nothing means something.
  const sealed = kept.flatMap((records) => piecesOf(records.values()));
  expect(foundIn(files, sealed).length).toBeGreaterThan(sealed.length / 2);
});

it('what was deleted is gone, though the browser has not written over it', async ({ profile, server }) => {
  const said = CANARY.repeat(8);
  const [alice, bob] = [{ tenant: 'alice' }, { tenant: 'bob' }];
  const tab = await openTab(profile, server, alice);
  await ask(tab, said);
  await ask(tab, `${said} And so on.`);
  await settle(tab);
  const canaries = await canariesOf(tab, CANARY, 'alice');
  const key = await keyOf(tab, 'alice');
  const answers = [...(await recordsOf(tab, 'past-outputs')).values()];
  const blocks = [...(await recordsOf(tab, 'prefix-blocks')).values()];
  const other = await openTab(profile, server, bob);
  await ask(other, words(300));
  await settle(other);
  const bobsKey = await keyOf(other, 'bob');
  const used = await profile.files();
  expect(foundIn(used, canaries)).toEqual([]);
  // Who has the files has all of it: the records, and the key that `canariesOf` opened them with.
  expect(foundIn(used, [key, bobsKey, ...answers])).toEqual([key, bobsKey, ...answers]);

  const last = await openTab(profile, server, alice);
  await last.evaluate(() => client.prefixes.clear());
  expect(await list(last)).toEqual([]);
  const emptied = await profile.files();
  expect(foundIn(emptied, [key, ...canaries])).toEqual([]);
  // Small records the browser keeps in a log for a while, sealed under a key that nobody has; whole blocks are files.
  const whole = blocks.filter(({ length }) => length > 200_000);
  expect(whole.length).toBeGreaterThan(1);
  expect(foundIn(used, piecesOf(whole)).length).toBeGreaterThan(whole.length);
  expect(foundIn(emptied, piecesOf(whole))).toEqual([]);

  const again = await openTab(profile, server, alice);
  expect(await keyOf(again, 'alice')).not.toEqual(key);
  expect((await ask(again, said)).cached).toBe(0);
  await settle(again);
  const bobs = await openTab(profile, server, bob);
  expect((await ask(bobs, words(300))).cached).toBeGreaterThan(0);
  await bobs.evaluate(() => client.prefixes.clear({ everyTenant: true }));
  expect([...(await recordsOf(bobs, 'prefix-blocks')), ...(await recordsOf(bobs, 'past-outputs'))]).toEqual(
    [],
  );
  expect(foundIn(await profile.files(), [bobsKey])).toEqual([]);
});

it('with a passphrase a secret is kept, found again with it only, and in no file as it is', async ({
  profile,
  server,
  browser,
}) => {
  const secret = words(300, 7);
  const open = await openTab({ context: await browser.newContext() }, server);
  const expected = await ask(open, secret);
  await settle(open);
  const canaries = await canariesOf(open, secret);
  await open.context().close();

  const passphrase = 'correct horse battery staple';
  const tab = await openTab(profile, server, { passphrase });
  await ask(tab, secret, IN_PRIVATE);
  await settle(tab);
  expect((await recordsOf(tab, 'prefix-blocks')).size).toBeGreaterThan(6);
  expect((await recordsOf(tab, 'past-outputs')).size).toBe(1);
  // The key on the disk is the salt, and opens nothing.
  expect((await contentsOf(tab, 'prefix-blocks')).size).toBe(0);
  expect(foundIn(await profile.files(), [...canaries, Buffer.from(passphrase)])).toEqual([]);

  const other = await openTab(profile, server, { passphrase: 'another' });
  expect((await ask(other, secret, IN_PRIVATE)).cached).toBe(0);
  const again = await openTab(profile, server, { passphrase });
  const answer = await ask(again, secret, IN_PRIVATE);
  expect([answer.cached, bitsOf(answer)]).toEqual([expected.promptTokens - 1, bitsOf(expected)]);
});

it('where there is no place for a key, nothing is kept', async ({ profile, server }) => {
  const tab = await openTab(profile, server, { workerUrl: '/without-opfs.js' });
  await ask(tab, words(300));
  await settle(tab);
  expect([...(await recordsOf(tab, 'prefix-blocks')), ...(await recordsOf(tab, 'past-outputs'))]).toEqual([]);
  const later = await openTab(profile, server, { workerUrl: '/without-opfs.js' });
  expect((await ask(later, words(300))).cached).toBe(0);
});
