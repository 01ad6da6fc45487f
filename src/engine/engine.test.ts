import { expect, test } from 'vitest';
import { createByteModel, END, textIds, wordId } from '../../test/fakes/byte-model.ts';
import type { ByteModel, ByteModelOptions } from '../../test/fakes/byte-model.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import type { InProcessOptions } from '../../test/fakes/in-process.ts';
import { CONTENT, ask, chat, GREEDY } from '../../test/fakes/requests.ts';
import { SelvedgeError } from '../errors.ts';
import type {
  ChatMessage,
  GenerateRequest,
  GenerationMessage,
  GenerationTimings,
  TokenLogprob,
} from '../rpc/protocol.ts';
import type { Engine } from './engine.ts';

const LOAD = {
  source: { kind: 'url' as const, url: 'https://models.test/m.gguf', id: 'm' },
  options: { threads: 1, simd: 'auto' as const, kv: 'q8' as const, contextLength: 0 },
  device: 'cpu' as const,
  draft: null,
  content: CONTENT,
  speculation: null,
};

async function open(
  options: ByteModelOptions = {},
  parts: Omit<InProcessOptions, 'model'> = {},
): Promise<{ engine: Engine; model: ByteModel }> {
  const model = createByteModel(options);
  const { engine, worker } = startInProcess({ model, ...parts });
  worker.terminate = () => {};
  await engine.load(LOAD, {});
  return { engine, model };
}

interface Answer {
  messages: GenerationMessage[];
  /** By choice. */
  texts: string[];
  finishes: (string | null)[];
  logprobs: TokenLogprob[];
  seed: number;
  timings: GenerationTimings;
  dropped: number;
}

async function answer(
  engine: Engine,
  request: GenerateRequest,
  signal = new AbortController().signal,
): Promise<Answer> {
  const messages: GenerationMessage[] = [];
  await engine.generate(request, { signal, post: (message) => messages.push(message) });
  const result: Answer = {
    messages,
    texts: [],
    finishes: [],
    logprobs: [],
    seed: -1,
    timings: expect.anything() as never,
    dropped: -1,
  };
  for (const message of messages) {
    if (message.type === 'accepted') [result.seed, result.dropped] = [message.seed, message.droppedMessages];
    if (message.type === 'end') result.timings = message.timings;
    if (message.type !== 'chunk' && message.type !== 'end') continue;
    for (const { choice, text, finish, logprobs } of message.deltas) {
      result.texts[choice] = (result.texts[choice] ?? '') + text;
      result.finishes[choice] = finish;
      result.logprobs.push(...logprobs);
    }
  }
  return result;
}

test('an answer ends with an end token, which is not shown', async () => {
  const { engine } = await open({ answer: () => [...textIds('Good day'), END, ...textIds('never')] });
  const { texts, finishes, timings, messages } = await answer(engine, ask('hi'));
  expect(texts).toEqual(['Good day']);
  expect(finishes).toEqual(['stop']);
  expect(timings.predictedTokens).toBe(9);
  expect(messages.map(({ type }) => type).at(0)).toBe('accepted');
  expect(messages.map(({ type }) => type).at(-1)).toBe('end');
});

test('an answer ends with max_tokens', async () => {
  const { engine } = await open({ answer: () => textIds('Good day') });
  const { texts, finishes, timings } = await answer(engine, ask('hi', { maxTokens: 4 }));
  expect([texts, finishes, timings.predictedTokens]).toEqual([['Good'], ['length'], 4]);
});

test('half a character is never shown, and what stays half is replaced at the end', async () => {
  const bytes = [...textIds('a\u{1F60A}b'), 0xf0, 0x9f];
  const { engine } = await open({ answer: () => bytes });
  const { texts, messages } = await answer(engine, ask('hi', { maxTokens: bytes.length }));
  expect(texts).toEqual(['a\u{1F60A}b\uFFFD']);
  for (const message of messages) {
    if (message.type === 'chunk') for (const { text } of message.deltas) expect(text).not.toContain('\uFFFD');
  }
});

test('a stop string ends the answer and is cut out, also where it begins inside a token', async () => {
  const { engine } = await open({ answer: () => [...textIds('one '), wordId('ab'), ...textIds('cd two')] });
  const { texts, finishes, timings } = await answer(engine, ask('hi', { stop: ['bcd'] }));
  expect([texts, finishes]).toEqual([['one a'], ['stop']]);
  expect(timings.predictedTokens).toBe(7);
});

test('the context ends an answer as max_tokens does', async () => {
  const { engine } = await open({ contextLength: 60 });
  const { finishes, timings } = await answer(engine, ask('hi'));
  expect(finishes).toEqual(['length']);
  expect(timings.promptTokens + timings.predictedTokens).toBe(61);
});

test('a prompt that does not fit is refused before it waits, with both numbers', async () => {
  const { engine, model } = await open({ contextLength: 40 });
  await expect(answer(engine, ask('x'.repeat(60)))).rejects.toMatchObject({
    code: 'context_length_exceeded',
    details: { contextLength: 40, promptTokens: 79, maxTokens: null },
  });
  await expect(answer(engine, ask('hi', { maxTokens: 30 }))).rejects.toMatchObject({
    code: 'context_length_exceeded',
  });
  expect(model.session.steps).toEqual([]);
});

test('dropping the oldest turns keeps the system message and the last turn', async () => {
  const say = (role: ChatMessage['role'], content: string): ChatMessage => ({ role, content });
  const prompts: string[] = [];
  const { engine } = await open({
    contextLength: 128,
    answer: (prompt) => (prompts.push(prompt), textIds('ok')),
  });
  const messages = [
    say('system', 'be brief'),
    say('user', 'first question'),
    say('assistant', 'first answer'),
    say('user', 'second question'),
    say('assistant', 'second answer'),
    say('user', 'third'),
  ];
  const drop = { kind: 'chat', messages, templateArguments: {}, context: 'drop-oldest' } as const;
  const { dropped, texts } = await answer(engine, ask(drop, { maxTokens: 16 }));
  expect([dropped, texts]).toEqual([2, ['ok']]);
  expect(prompts.at(-1)).toContain('be brief');
  expect(prompts.at(-1)).not.toContain('first');
  expect(prompts.at(-1)).toContain('second question');
  await expect(
    answer(engine, ask({ ...drop, messages: [say('user', 'x'.repeat(200))] })),
  ).rejects.toMatchObject({
    code: 'context_length_exceeded',
  });
});

test('the prompt goes through in blocks of the session, with a pick after the last one only', async () => {
  const { engine, model } = await open({ answer: () => textIds('!'), maxBatch: 16 });
  await answer(engine, ask('x'.repeat(30)));
  expect(model.session.steps.map(({ length }) => length)).toEqual([16, 16, 16, 1, 1]);
});

test('choices share the prompt, differ by their noise, and each is what it would be alone', async () => {
  const sampling = { ...GREEDY, temperature: 1, seed: 42 };
  const { engine, model } = await open();
  const settings = { sampling, maxTokens: 12 };
  const three = await answer(engine, ask('hi', { ...settings, choiceCount: 3 }));
  expect(new Set(three.texts).size).toBe(3);
  expect(three.finishes).toEqual(['length', 'length', 'length']);
  expect(model.session.steps.filter(({ length }) => length > 1)).toHaveLength(1);
  const other = await open();
  const one = await answer(other.engine, ask('hi', settings));
  expect(one.texts[0]).toBe(three.texts[0]);
});

test('a drawn seed is reported, and gives the same answer when it is given', async () => {
  const { engine } = await open({}, { seeds: [11, 12] });
  const sampling = { ...GREEDY, temperature: 1 };
  const first = await answer(engine, ask('hi', { sampling, maxTokens: 20 }));
  const second = await answer(engine, ask('hi', { sampling, maxTokens: 20 }));
  expect([first.seed, second.seed]).toEqual([11, 12]);
  expect(second.texts).not.toEqual(first.texts);
  const again = await answer(engine, ask('hi', { sampling: { ...sampling, seed: 11 }, maxTokens: 20 }));
  expect(again.texts).toEqual(first.texts);
  expect(again.seed).toBe(11);
});

test('an answer is the same whether its prompt was cached, forked, rewound or new', async () => {
  const { engine } = await open();
  const long = chat('a question that is somewhat longer');
  const expected = (await answer((await open()).engine, ask(long, { maxTokens: 30 }))).texts;
  expect(
    (await answer(engine, ask('a question of another kind', { maxTokens: 30 }))).timings.cachedTokens,
  ).toBe(0);
  const forked = await answer(engine, ask(long, { maxTokens: 30 }));
  const rewound = await answer(engine, ask(long, { maxTokens: 30 }));
  expect(forked.timings.cachedTokens).toBeGreaterThan(10);
  expect(rewound.timings.cachedTokens).toBe(rewound.timings.promptTokens - 1);
  expect([forked.texts, rewound.texts]).toEqual([expected, expected]);
});

test('penalties count the output of one choice only', async () => {
  // The frequency penalty outweighs the table's noise: no token comes twice.
  const sampling = { ...GREEDY, frequencyPenalty: 2, presencePenalty: 2 };
  const bytesOf = ({ logprobs }: Answer): string[] => logprobs.map(({ bytes }) => bytes.join());
  const { engine } = await open({ contextLength: 400 });
  const request = ask('hi', { sampling, maxTokens: 40, topLogprobs: 0 });
  const alone = bytesOf(await answer(engine, request));
  const both = bytesOf(await answer(engine, { ...request, choiceCount: 2 }));
  expect(new Set(alone).size).toBe(40);
  expect(both).toEqual([...alone, ...alone]);
});

test('logprobs come with the text of their tokens; those of a cut stop string are left out', async () => {
  const { engine } = await open({ answer: () => textIds('abcSTOPde') });
  const { logprobs, texts } = await answer(engine, ask('hi', { stop: ['STOP'], topLogprobs: 2 }));
  expect(texts).toEqual(['abc']);
  expect(logprobs.map(({ bytes }) => String.fromCharCode(...bytes)).join('')).toBe('abc');
  expect(logprobs[0]?.logprob).toBeCloseTo(0, 6);
  expect(logprobs[0]?.top).toHaveLength(2);
  expect(logprobs[0]?.top[0]).toEqual({ bytes: [97], logprob: expect.closeTo(0, 6) });
});

test('the first text goes out at once, then at most one message in eight tokens or 16 ms', async () => {
  let clock = 0;
  const { engine, model } = await open({ answer: () => textIds('x'.repeat(41)) }, { now: () => clock });
  const lengths = async (): Promise<number[]> =>
    (await answer(engine, ask('hi'))).messages.flatMap((message) =>
      message.type === 'chunk' || message.type === 'end'
        ? [message.deltas.reduce((sum, { text }) => sum + text.length, 0)]
        : [],
    );
  expect(await lengths()).toEqual([1, 8, 8, 8, 8, 8, 0]);
  const everyStep = model.session.step;
  model.session.step = (...step) => ((clock += 5), everyStep.apply(model.session, step));
  expect((await lengths()).slice(0, 4)).toEqual([1, 4, 4, 4]);
  expect((await answer(engine, ask('hi', { stream: false }))).messages.map(({ type }) => type)).toEqual([
    'accepted',
    'end',
  ]);
});

test('two requests never interleave', async () => {
  const { engine, model } = await open({
    maxBatch: 8,
    beforeStep: () => new Promise((go) => setTimeout(go, 0)),
  });
  const settings = { maxTokens: 5 };
  await Promise.all(
    ['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'].map((text) => answer(engine, ask(text, settings))),
  );
  // Fed back answers are noise: only the steps of prompts tell whose they are.
  const marks = model.session.steps
    .map((ids) => ['a', 'b', 'c'].find((mark) => ids.filter((id) => id === mark.charCodeAt(0)).length > 3))
    .filter((mark) => mark !== undefined);
  expect(marks).toEqual([...marks].sort());
  expect(new Set(marks).size).toBe(3);
});

test('memory that is full is taken from older conversations, and the answer is the same', async () => {
  const expected = await answer((await open()).engine, ask('third of them', { maxTokens: 20 }));
  const { engine } = await open({ memoryTokens: 110 });
  await answer(engine, ask('first of them all', { maxTokens: 20 }));
  await answer(engine, ask('second', { maxTokens: 20 }));
  expect((await answer(engine, ask('third of them', { maxTokens: 20 }))).texts).toEqual(expected.texts);
});

test('memory that is full without others to take it from is an error, and the engine goes on', async () => {
  const { engine } = await open({ memoryTokens: 40 });
  await expect(answer(engine, ask('x'.repeat(50)))).rejects.toMatchObject({ code: 'out_of_memory' });
  expect((await answer(engine, ask('hi', { maxTokens: 3 }))).finishes).toEqual(['length']);
});

test('a bias or a prompt with a token that is not in the vocabulary names its parameter', async () => {
  const { engine } = await open();
  const sampling = { ...GREEDY, bias: [[9999, 1]] as [number, number][] };
  await expect(answer(engine, ask('hi', { sampling }))).rejects.toMatchObject({
    details: { param: 'logit_bias' },
  });
  await expect(answer(engine, ask({ kind: 'ids', ids: [1, 9999] }))).rejects.toMatchObject({
    details: { param: 'prompt' },
  });
  await expect(answer(engine, ask({ kind: 'text', text: '' }))).rejects.toMatchObject({
    details: { param: 'prompt' },
  });
});

test('the log tells the life of a load and of a request; steps only while somebody listens', async () => {
  const { engine } = await open({ answer: () => textIds('four') });
  await answer(engine, ask('hi'));
  expect(engine.events.recent().map(({ type }) => type)).toEqual([
    'load-start',
    'device-choice',
    'load-end',
    'request-queued',
    'request-start',
    'prefill-end',
    'request-end',
  ]);
  const seen: string[] = [];
  engine.events.watch((events) => seen.push(...events.map(({ type }) => type)));
  await answer(engine, ask('hi'));
  expect(seen.filter((type) => type === 'step')).toHaveLength(4);
  expect(seen.at(-1)).toBe('request-end');
});

test('a step costs one turn of the event loop, and none where the flag can be read', async () => {
  const { engine } = await open({ answer: () => textIds('x'.repeat(50)) }, { now: () => 0 });
  const flag = new SharedArrayBuffer(4);
  await answer(engine, ask('hi'));
  await answer(engine, ask('hi', { cancelFlag: flag }));
  const [without, withFlag] = engine.events
    .recent()
    .flatMap((event) => (event.type === 'request-end' ? [event] : []));
  expect(without).toMatchObject({ outcome: 'done', steps: 50, hops: 51, predictedTokens: 51 });
  expect(withFlag).toMatchObject({ outcome: 'done', steps: 50, hops: 0 });
});

/** A GPU that is lost at its n-th step, and the CPU that is loaded in its place. */
async function openLossy(lostAt: number): Promise<{ engine: Engine; loads: (string | undefined)[] }> {
  const lost = new SelvedgeError('device_lost', 'gone', { retryable: true });
  let steps = 0;
  const say = (): number[] => textIds('one two three four five six');
  const gpu = createByteModel({
    answer: say,
    beforeStep() {
      steps += 1;
      if (steps >= lostAt) throw lost;
    },
  });
  const loads: (string | undefined)[] = [];
  const { engine, worker } = startInProcess({
    async loadModel({ device }, { cpuBecause }) {
      loads.push(`${device}: ${cpuBecause}`);
      if (device === 'webgpu') return gpu;
      const placement = { adapter: null, why: cpuBecause ?? '' };
      return { ...createByteModel({ answer: say }), placement };
    },
  });
  worker.terminate = () => {};
  await engine.load({ ...LOAD, device: 'webgpu' }, {});
  return { engine, loads };
}

test('a GPU that is lost before anything was said is not noticed but by who asks why', async () => {
  const { engine, loads } = await openLossy(2);
  const { texts, timings } = await answer(engine, { ...ask('hi'), stream: false });
  expect(texts[0]).toContain('one two three');
  // A token for each letter, and the end; those of the GPU do not count.
  expect(timings.predictedTokens).toBe(texts[0]!.length + 1);
  expect(loads).toEqual(['webgpu: undefined', 'cpu: A table runs anywhere. But the GPU was lost.']);
  expect(engine.info().why).toContain('the GPU was lost');
});

test('a GPU that is lost in an answer ends it, and the next one comes from the CPU', async () => {
  const { engine, loads } = await openLossy(12);
  const streamed = { ...ask('hi'), stream: true };
  await expect(answer(engine, streamed)).rejects.toMatchObject({ code: 'device_lost', retryable: true });
  expect((await answer(engine, streamed)).texts[0]).toContain('one two three');
  expect(loads).toHaveLength(2);
});
