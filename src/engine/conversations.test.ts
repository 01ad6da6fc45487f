import { expect, test } from 'vitest';
import { createTableSession } from '../../test/fakes/table-session.ts';
import type { TableSession } from '../../test/fakes/table-session.ts';
import { createConversations } from './conversations.ts';
import type { Conversations } from './conversations.ts';

const range = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

function open(
  capacity?: number,
  memoryTokens?: number,
): { session: TableSession; conversations: Conversations } {
  const session = createTableSession({ vocabSize: 4096, ...(memoryTokens ? { memoryTokens } : {}) });
  return { session, conversations: createConversations(session, capacity) };
}

/** Runs a request: the prompt, then an answer. Returns how much of the prompt was there. */
async function ask(
  { session, conversations }: ReturnType<typeof open>,
  prompt: number[],
  answer: number[] = [],
): Promise<number> {
  const conversation = conversations.acquire(prompt);
  const cached = conversation.ids.length;
  const fed = [...prompt.slice(cached), ...answer];
  await session.step(fed, conversation.cache, []);
  conversation.ids.push(...fed);
  conversations.release(conversation, prompt.length);
  return cached;
}

test('a request that extends a conversation finds all of it', async () => {
  const all = open();
  expect(await ask(all, range(0, 20), range(100, 5))).toBe(0);
  expect(await ask(all, [...range(0, 20), ...range(100, 5), ...range(200, 9)])).toBe(25);
  expect(all.session.liveCaches).toBe(1);
});

test('the last prompt token is always computed again', async () => {
  const all = open();
  await ask(all, range(0, 20));
  expect(await ask(all, range(0, 20))).toBe(19);
  expect(await ask(all, range(0, 10))).toBe(9);
});

test('asking again for another answer uses the same cache', async () => {
  const all = open();
  await ask(all, range(0, 20), range(100, 5));
  expect(await ask(all, range(0, 20), range(110, 5))).toBe(19);
  expect(all.session.liveCaches).toBe(1);
});

test('a conversation that merely begins alike leaves the other as it was', async () => {
  const all = open();
  const first = range(0, 20);
  const second = [...range(0, 15), ...range(300, 8)];
  await ask(all, first, range(100, 5));
  expect(await ask(all, second)).toBe(15);
  expect(await ask(all, [...first, ...range(100, 5), 7])).toBe(25);
  expect(await ask(all, [...second, 8])).toBe(23);
});

test('four conversations with a common system prompt all stay alive', async () => {
  const all = open();
  const system = range(0, 30);
  const talks = range(0, 4).map((i) => [...system, ...range(100 + 50 * i, 10)]);
  for (const talk of talks) await ask(all, talk);
  for (let turn = 0; turn < 3; turn++) {
    for (const [i, talk] of talks.entries()) {
      const longer = [...talk, 1000 + turn];
      expect(await ask(all, longer)).toBe(talk.length);
      talks[i] = longer;
    }
  }
});

test('beyond the capacity the least recently used goes', async () => {
  const all = open(2);
  const [a, b, c] = [range(0, 10), range(100, 10), range(200, 10)] as const;
  await ask(all, a);
  await ask(all, b);
  await ask(all, [...a, 1]);
  await ask(all, c);
  expect(all.session.liveCaches).toBe(2);
  expect(await ask(all, [...a, 1, 2])).toBe(11);
  expect(await ask(all, [...b, 1])).toBe(0);
});

test('a cache that shares nothing is not used', async () => {
  const all = open();
  await ask(all, range(0, 10));
  expect(await ask(all, range(500, 10))).toBe(0);
  expect(all.session.liveCaches).toBe(2);
});

test('when memory is full the oldest conversations make room for a fork', async () => {
  const all = open(8, 60);
  const old = range(500, 30);
  const source = range(0, 20);
  await ask(all, old);
  await ask(all, source);
  expect(await ask(all, [...range(0, 15), 900, 901])).toBe(15);
  expect(await ask(all, [...source, 1])).toBe(20);
  expect(await ask(all, [...old.slice(0, 5), 1])).toBe(0);
});

test('a discarded conversation is never found again', async () => {
  const all = open();
  const conversation = all.conversations.acquire(range(0, 10));
  await all.session.step(range(0, 10), conversation.cache, []);
  all.conversations.discard(conversation);
  expect(all.session.liveCaches).toBe(0);
  expect(await ask(all, range(0, 10))).toBe(0);
});
