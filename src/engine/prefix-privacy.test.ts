/** What is secret leaves no trace in the store, nor does what was computed after it; a passphrase seals everything. */
import { expect, test } from 'vitest';
import { createWorld } from '../../test/fakes/prefix-engine.ts';
import type { World } from '../../test/fakes/prefix-engine.ts';
import { ask } from '../../test/fakes/requests.ts';
import type { GenerateRequest } from '../rpc/protocol.ts';

const SECRET = 'the canary sings at midnight, ';

const text = (prompt: string, more: Partial<GenerateRequest> = {}): GenerateRequest =>
  ask({ kind: 'text', text: prompt }, { maxTokens: 8, ...more });

const filler = (length: number): string => 'abcdefghij'.repeat(length / 10);

/**
 * Whether the table's keys and values of `words`, which are its tokens, are anywhere in the store, to who has the key that
 * lies on the disk.
 */
async function holds({ opened }: World, words: string): Promise<boolean> {
  const needle = Buffer.from(Uint32Array.from(Buffer.from(words)).buffer);
  return [...(await opened()).values()].some((content) => content && Buffer.from(content).includes(needle));
}

test('what is not secret is in the store, so that its absence means something', async () => {
  const world = createWorld();
  const visit = await world.visit();
  await visit.ask(text(SECRET.repeat(5)));
  await visit.settle();
  expect(await holds(world, SECRET)).toBe(true);
});

test('a secret prompt and its answer are not written', async () => {
  const world = createWorld();
  const visit = await world.visit();
  await visit.ask(text(SECRET.repeat(5), { privacy: 'secret' }));
  await visit.settle();
  expect([world.store.records.size, world.store.nodes.size]).toEqual([0, 0]);
});

test('what was known before a secret is kept, what comes after it is not', async () => {
  const world = createWorld();
  const visit = await world.visit();
  const system = filler(200);
  await visit.ask(text(system));
  await visit.settle();
  const secret = system + SECRET.repeat(4);
  await visit.ask(text(secret, { privacy: 'secret' }));
  await visit.ask(text(`${secret} and so on ${filler(100)}`));
  await visit.settle();
  expect(await holds(world, SECRET)).toBe(false);
  expect(await holds(world, 'and so on')).toBe(false);
  // Another conversation of the same beginning is nothing secret.
  await visit.ask(text(`${system} in public ${filler(100)}`));
  await visit.settle();
  expect(await holds(world, 'in public')).toBe(true);
});

test('a secret uses what is stored, and leaves it as it was', async () => {
  const world = createWorld();
  const first = await world.visit();
  await first.ask(text(filler(200)));
  await first.settle();
  const before = new Map(world.store.records);
  const visit = await world.visit();
  const { timings } = await visit.ask(text(filler(200) + SECRET.repeat(4), { privacy: 'secret' }));
  await visit.settle();
  expect(timings.cachedTokens).toBeGreaterThanOrEqual(192);
  expect(world.store.records).toEqual(before);
});

test('a secret cannot be pinned without a passphrase, under whatever label', async () => {
  const world = createWorld();
  const visit = await world.visit();
  const prompt = { kind: 'text' as const, text: SECRET.repeat(5) };
  const refused = { code: 'invalid_request', details: { param: 'selvedge.privacy' } };
  await expect(visit.engine.pinPrefix(prompt, 'secret')).rejects.toMatchObject(refused);
  await visit.ask(ask(prompt, { maxTokens: 2, privacy: 'secret' }));
  await expect(visit.engine.pinPrefix(prompt, 'personal')).rejects.toMatchObject(refused);
  await visit.settle();
  expect(world.store.records.size).toBe(0);
});

test('with a passphrase secrets are kept, and nothing in the store can be read', async () => {
  const world = createWorld();
  const passphrase = 'correct horse';
  const visit = await world.visit({ passphrase });
  await visit.ask(text(SECRET.repeat(5), { privacy: 'secret' }));
  await visit.ask(text(filler(200)));
  await visit.settle();
  expect(world.store.records.size).toBeGreaterThan(4);
  expect([await holds(world, SECRET), await holds(world, filler(20))]).toEqual([false, false]);
  const next = await world.visit({ passphrase });
  expect((await next.ask(text(SECRET.repeat(5)))).timings.cachedTokens).toBe(149);
  const stranger = await world.visit({ passphrase: 'another' });
  expect((await stranger.ask(text(SECRET.repeat(5)))).timings.cachedTokens).toBe(0);
});

test('deleting everything takes what waits to be written with it', async () => {
  const world = createWorld();
  const visit = await world.visit();
  await visit.ask(text(SECRET.repeat(5)));
  await visit.engine.prefixes().clear(false);
  await visit.settle();
  expect([world.store.records.size, world.store.nodes.size]).toEqual([0, 0]);
});
