/** What the engine does with past answers: which it takes, which it keeps, and that guessing from them changes nothing. */
import { expect, test } from 'vitest';
import { createByteModel, END, textIds } from '../../test/fakes/byte-model.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import { createMemoryKeys } from '../../test/fakes/memory-keys.ts';
import { createMemoryOutputs } from '../../test/fakes/memory-outputs.ts';
import type { MemoryOutputs } from '../../test/fakes/memory-outputs.ts';
import { createMemoryPrefixes } from '../../test/fakes/memory-prefixes.ts';
import { ask, chat, CONTENT } from '../../test/fakes/requests.ts';
import type { DrafterName, GenerateRequest, GenerationTimings, Prompt } from '../rpc/protocol.ts';
import { keyRule } from '../storage/content-rule.ts';
import { tenantTag } from '../storage/prefix-keys.ts';
import type { Engine } from './engine.ts';

const ANSWER = 'The harbour master counts seven red lanterns before she turns the key, and then sleeps.';

interface Visit {
  engine: Engine;
  ask(request: GenerateRequest, signal?: AbortSignal): Promise<{ text: string; timings: GenerationTimings }>;
  settle(): Promise<void>;
  /** Since it was loaded and had settled. */
  steps(): number;
}

interface VisitOptions {
  drafters?: DrafterName[] | null;
  prefixBytes?: number;
  /** Called with the number of each step. */
  beforeStep?: (step: number) => void;
}

/** Steps take a millisecond, however many tokens they are of. */
async function visit(
  outputs: MemoryOutputs | undefined,
  { drafters, prefixBytes = 1 << 20, beforeStep }: VisitOptions = {},
): Promise<Visit> {
  let clock = 1_000_000;
  let steps = 0;
  const model = createByteModel({
    answer: () => textIds(ANSWER),
    beforeStep() {
      clock += 1;
      steps += 1;
      beforeStep?.(steps);
    },
  });
  const { engine, worker } = startInProcess({
    model,
    now: () => clock,
    prefixes: createMemoryPrefixes(),
    ...(outputs ? { outputs } : {}),
  });
  worker.terminate();
  await engine.load(
    {
      source: { kind: 'url', url: 'https://models.test/m.gguf', id: 'm' },
      device: 'cpu' as const,
      draft: null,
      options: { threads: 1, simd: 'auto', kv: 'q8', contextLength: 0 },
      content: { ...CONTENT, prefixBytes },
      speculation: drafters === null ? null : { drafters: drafters ?? ['past'], maxLookahead: 7 },
    },
    {},
  );
  const settle = (): Promise<void> => engine.prefixes().settled();
  await settle();
  steps = 0;
  return {
    engine,
    settle,
    steps: () => steps,
    async ask(request, signal = new AbortController().signal) {
      let text = '';
      const ends: GenerationTimings[] = [];
      await engine.generate(request, {
        signal,
        post(message) {
          if (message.type === 'chunk' || message.type === 'end') {
            text += message.deltas.map((delta) => delta.text).join('');
          }
          if (message.type === 'end') ends.push(message.timings);
        },
      });
      const [timings] = ends;
      if (!timings) throw new Error('the answer has no end');
      return { text, timings };
    },
  };
}

/** To who has the key. */
async function keptTexts(store: MemoryOutputs): Promise<string[]> {
  const rule = await keyRule(await createMemoryKeys().take(tenantTag('')));
  const texts = [...store.records.values()].map(async ({ key, content }) => {
    const ids = await rule.open(content, key.name);
    return ids ? String.fromCharCode(...new Int32Array(ids.buffer)) : 'does not open';
  });
  return Promise.all(texts);
}

const END_LETTER = String.fromCharCode(END);

test('an answer is kept with its end, and every choice is one', async () => {
  const store = createMemoryOutputs();
  const tab = await visit(store);
  await tab.ask(ask('Tell me.'));
  await tab.settle();
  expect(await keptTexts(store)).toEqual([ANSWER + END_LETTER]);
  await tab.ask(ask('Tell me.', { choiceCount: 2, maxTokens: 20 }));
  await tab.settle();
  expect(await keptTexts(store)).toEqual([ANSWER + END_LETTER, ANSWER.slice(0, 20)]);
});

test('of a request that is cancelled, what there was is kept', async () => {
  const store = createMemoryOutputs();
  const controller = new AbortController();
  const tab = await visit(store, {
    beforeStep: (step) => {
      if (step === 30) controller.abort();
    },
  });
  await expect(tab.ask(ask('Tell me.'), controller.signal)).rejects.toThrow(/abort/);
  await tab.settle();
  const [text] = await keptTexts(store);
  expect(text?.length).toBeGreaterThan(7);
  expect(ANSWER.startsWith(text ?? '-')).toBe(true);
});

test('later answers are guessed from it, in later visits too, and are what they would have been', async () => {
  const store = createMemoryOutputs();
  const first = await visit(store);
  await first.ask(ask('Tell me.'));
  await first.settle();
  const later = await visit(store);
  const { text, timings } = await later.ask(ask('Once more.'));
  expect(text).toBe(ANSWER);
  const { drafted, accepted } = timings.speculation.byDrafter['past'] ?? { drafted: 0, accepted: 0 };
  expect(accepted).toBeGreaterThan(ANSWER.length / 2);
  expect(drafted).toBeGreaterThanOrEqual(accepted);
  expect(later.steps()).toBeLessThan(ANSWER.length / 2);
});

test('a secret answer is not kept, nor is what follows a secret in the same conversation', async () => {
  const store = createMemoryOutputs();
  const tab = await visit(store);
  // What all chats begin with is no secret then.
  await tab.ask(ask('Hello.', { maxTokens: 1 }));
  const told = 'The vault opens at noon.';
  await tab.ask(ask(told, { privacy: 'secret' }));
  const messages = [
    { role: 'user' as const, content: told },
    { role: 'assistant' as const, content: ANSWER },
    { role: 'user' as const, content: 'Say it again.' },
  ];
  const again: Prompt = { kind: 'chat', messages, templateArguments: {}, context: 'error' };
  await tab.ask(ask(again));
  await tab.settle();
  expect(store.records.size).toBe(0);
  await tab.ask(ask(chat('Something else.')));
  await tab.settle();
  expect(store.records.size).toBe(1);
});

test('nothing is kept where nobody guesses from it, or where nothing may be', async () => {
  for (const off of [{ drafters: null }, { drafters: ['suffix' as const] }, { prefixBytes: 0 }]) {
    const store = createMemoryOutputs();
    const tab = await visit(store, off);
    await tab.ask(ask('Tell me.'));
    await tab.settle();
    expect(store.records.size, JSON.stringify(off)).toBe(0);
  }
});

test('past answers are deleted with the prefixes', async () => {
  const store = createMemoryOutputs();
  const tab = await visit(store);
  await tab.ask(ask('Tell me.'));
  await tab.settle();
  expect(store.records.size).toBe(1);
  await (await visit(store, { drafters: null })).engine.prefixes().clear(false);
  expect(store.records.size).toBe(0);
});
