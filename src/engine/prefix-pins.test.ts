/** Prefixes that an app wants to stay: computed once, found by every chat that begins so, the last to go. */
import { expect, test } from 'vitest';
import { createWorld } from '../../test/fakes/prefix-engine.ts';
import { ask } from '../../test/fakes/requests.ts';
import type { ChatMessage, Prompt } from '../rpc/protocol.ts';

const words = (length: number, salt = 0): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(97 + ((i * i + salt * 7 + i) % 26))).join('');

const chatOf = (...messages: ChatMessage[]): Prompt => ({
  kind: 'chat',
  messages,
  templateArguments: {},
  context: 'error',
});
const system = (length: number, salt = 0): ChatMessage => ({ role: 'system', content: words(length, salt) });
const user = (content: string): ChatMessage => ({ role: 'user', content });

test('a system prompt is computed once, and every chat after a reload goes on from all of it', async () => {
  const world = createWorld();
  const visit = await world.visit();
  const pinned = await visit.engine.pinPrefix(chatOf(system(210)), 'personal');
  // The start of a turn and the role come before the words; the next turn's start and role are known too.
  expect(pinned).toMatchObject({ tokens: 8 + 210 + 2 + 6, pinned: true, hits: 0, model: 'm' });
  expect(visit.model.session.steps.flat()).toHaveLength(pinned.tokens);
  const next = await world.visit();
  for (const question of ['what?', 'how?']) {
    const { timings } = await next.ask(ask(chatOf(system(210), user(question)), { maxTokens: 2 }));
    expect(timings.cachedTokens).toBe(pinned.tokens);
  }
});

test('messages that end with the user are the whole prompt', async () => {
  const world = createWorld();
  const { tokens } = await (
    await world.visit()
  ).engine.pinPrefix(chatOf(system(80), user('what?')), 'personal');
  const { timings } = await (
    await world.visit()
  ).ask(ask(chatOf(system(80), user('what?')), { maxTokens: 1 }));
  expect([timings.promptTokens, timings.cachedTokens]).toEqual([tokens, tokens - 1]);
});

test('a raw text can be pinned, and pinning what is there computes one token', async () => {
  const world = createWorld();
  const visit = await world.visit();
  const prompt: Prompt = { kind: 'text', text: words(200) };
  await visit.ask(ask(prompt, { maxTokens: 1 }));
  await visit.settle();
  const before = visit.model.session.steps.flat().length;
  const pinned = await visit.engine.pinPrefix(prompt, 'public');
  expect(visit.model.session.steps.flat().length - before).toBe(1);
  expect(await visit.engine.prefixes().list()).toEqual([
    expect.objectContaining({ id: pinned.id, pinned: true }),
  ]);
});

test('what is pinned stays when everything else has to go, and is refused when it does not fit', async () => {
  const world = createWorld();
  const prefixBytes = 4000;
  const visit = await world.visit({ prefixBytes });
  const pinned = await visit.engine.pinPrefix(chatOf(system(400)), 'personal');
  for (let i = 0; i < 5; i++) {
    await visit.ask(ask(chatOf(user(words(300, i + 1))), { maxTokens: 2 }));
    await visit.settle();
    world.clock.ms += 100 * 86_400_000;
  }
  expect((await visit.engine.prefixes().list()).some(({ id }) => id === pinned.id)).toBe(true);
  await expect(visit.engine.pinPrefix(chatOf(system(600, 3)), 'personal')).rejects.toMatchObject({
    code: 'storage_full',
  });
  expect(await visit.engine.prefixes().delete(pinned.id)).toBe(true);
  await visit.engine.pinPrefix(chatOf(system(600, 3)), 'personal');
});

test('a prefix is deleted with what it shares with no other', async () => {
  const world = createWorld();
  const visit = await world.visit();
  const pinned = await visit.engine.pinPrefix(chatOf(system(200)), 'personal');
  const prompt = chatOf(system(200), user(words(100)));
  await visit.ask(ask(prompt, { maxTokens: 1 }));
  await visit.settle();
  const prefixes = visit.engine.prefixes();
  const list = await prefixes.list();
  const chat = list.find(({ pinned: isPinned }) => !isPinned);
  expect(list).toHaveLength(2);
  expect(await prefixes.delete(chat!.id)).toBe(true);
  expect((await prefixes.list()).map(({ id }) => id)).toEqual([pinned.id]);
  expect(await prefixes.delete(chat!.id)).toBe(false);
  await prefixes.delete(pinned.id);
  expect(await prefixes.usage()).toMatchObject({ byteLength: 0, blockCount: 0 });
  expect(world.store.records.size).toBe(0);
});

test('a beginning that does not fit the context is refused with the numbers', async () => {
  const visit = await createWorld().visit();
  await expect(visit.engine.pinPrefix({ kind: 'text', text: words(1100) }, 'personal')).rejects.toMatchObject(
    {
      code: 'context_length_exceeded',
    },
  );
});

test('where the browser keeps nothing, a pin says so, and the rest is empty', async () => {
  const { startInProcess } = await import('../../test/fakes/in-process.ts');
  const { createByteModel } = await import('../../test/fakes/byte-model.ts');
  const { CONTENT } = await import('../../test/fakes/requests.ts');
  const { engine, worker } = startInProcess({ model: createByteModel() });
  worker.terminate();
  const options = { threads: 1, simd: 'auto' as const, kv: 'q8' as const, contextLength: 0 };
  const source = { kind: 'url' as const, url: 'https://models.test/m.gguf', id: 'm' };
  await engine.load(
    {
      source,
      device: 'cpu',
      draft: null,
      options,
      content: { ...CONTENT, prefixBytes: 1000 },
      speculation: null,
    },
    {},
  );
  await expect(engine.pinPrefix({ kind: 'text', text: 'words' }, 'personal')).rejects.toMatchObject({
    code: 'unsupported_device',
  });
  expect(await engine.prefixes().list()).toEqual([]);
  expect(await engine.prefixes().usage()).toEqual({ byteLength: 0, blockCount: 0, budgetBytes: 1000 });
});
