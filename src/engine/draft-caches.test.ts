import { GREEDY } from '../backend/greedy.ts';
import { expect, test } from 'vitest';
import { createTableSession } from '../../test/fakes/table-session.ts';
import type { TableSession } from '../../test/fakes/table-session.ts';
import { createModelDrafter } from '../speculation/model-drafter.ts';
import type { ModelDrafter } from '../speculation/drafter.ts';
import { createDraftCaches } from './draft-caches.ts';

const range = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

function open(memoryTokens = Infinity): { session: TableSession; drafter: ModelDrafter } {
  const session = createTableSession({ vocabSize: 4096, memoryTokens });
  const drafter = createModelDrafter({
    session,
    acquireKv: createDraftCaches(session),
    endTokens: new Set(),
    vocabSize: 4096,
    now: () => 0,
  });
  return { session, drafter };
}

/** One request: a draft after its prompt, and then the answer. Returns how much of the prompt had to be read. */
async function ask(drafter: ModelDrafter, prompt: number[], answer: number[]): Promise<number> {
  drafter.reset();
  drafter.observe(prompt);
  const pending = drafter.pendingTokens();
  let position = prompt.length;
  for (const id of answer) {
    await drafter.propose(
      { sampling: GREEDY, position: position++, free: new Int32Array(), goesOn: () => true },
      2,
    );
    drafter.observe([id]);
  }
  return pending;
}

test('a next turn reads its new tokens only', async () => {
  const { drafter, session } = open();
  expect(await ask(drafter, range(0, 50), range(100, 5))).toBe(50);
  // The last token of an answer was never needed.
  const second = [...range(0, 50), ...range(100, 5), ...range(200, 9)];
  expect(await ask(drafter, second, range(300, 4))).toBe(10);
  expect(session.liveCaches).toBe(1);
});

test('a conversation finds its keys and values again after another one', async () => {
  const { drafter } = open();
  await ask(drafter, range(0, 50), range(100, 5));
  expect(await ask(drafter, [...range(0, 30), ...range(500, 20)], range(600, 3))).toBe(20);
  expect(await ask(drafter, [...range(0, 50), ...range(100, 5)], [7])).toBe(1);
});

test('another conversation goes when memory is full', async () => {
  const { drafter, session } = open(120);
  await ask(drafter, range(0, 50), range(100, 5));
  await ask(drafter, range(1000, 90), range(100, 5));
  expect(session.liveCaches).toBe(1);
  expect(await ask(drafter, range(1000, 90), [1])).toBe(1);
});
