import { expect, test, vi } from 'vitest';
import { createByteModel, textIds, VOCAB_SIZE } from '../../test/fakes/byte-model.ts';
import type { ByteModel } from '../../test/fakes/byte-model.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import { createMemoryPrefixes } from '../../test/fakes/memory-prefixes.ts';
import { ask, CONTENT } from '../../test/fakes/requests.ts';
import type { EngineEvent, LoadRequest } from '../rpc/protocol.ts';
import type { Engine, EngineParts } from './engine.ts';

const source = (id: string): LoadRequest['source'] => ({ kind: 'url', url: `https://models.test/${id}`, id });

const LOAD: LoadRequest = {
  source: source('big'),
  device: 'cpu' as const,
  draft: source('small'),
  options: { threads: 1, simd: 'auto', kv: 'q8', contextLength: 0 },
  content: CONTENT,
  speculation: null,
};

function start(loadModel: EngineParts['loadModel']): Engine {
  const { engine, worker } = startInProcess({ loadModel });
  worker.terminate = () => {};
  return engine;
}

function pair(): { model: ByteModel; draft: ByteModel } {
  const draft = createByteModel({ id: 'small', contextLength: 100 });
  const model = createByteModel({ id: 'big' });
  model.draft = { info: draft.info, session: draft.session, vocabSize: 264 };
  return { model, draft };
}

test('info tells of the draft, and of none', async () => {
  const { model, draft } = pair();
  await draft.session.step([1, 2, 3], draft.session.createCache(), []);
  const info = await start(async () => model).load(LOAD, {});
  expect(info.draft).toMatchObject({ id: 'small', architecture: 'table', contextLength: 100, threads: 1 });
  expect(info.draft?.memory.totalBytes).toBe(12);
  expect(info.memory.totalBytes).toBe(0);
  const alone = start(async () => createByteModel());
  expect(await alone.load({ ...LOAD, draft: null }, {})).toMatchObject({ draft: null });
});

test('the log says which of the two a phase is about, and the memory of both', async () => {
  const { model, draft } = pair();
  await draft.session.step([1, 2, 3], draft.session.createCache(), []);
  await model.session.step([1], model.session.createCache(), []);
  const engine = start(async (_request, { onProgress }) => {
    for (const [id, phase] of [
      ['big', 'read'],
      ['big', 'read'],
      ['big', 'pack'],
      ['small', 'pack'],
      ['big', 'ready'],
    ] as const) {
      onProgress?.({ model: id, phase, loadedBytes: 1, totalBytes: 2, bytesPerSecond: 0 });
    }
    return model;
  });
  await engine.load(LOAD, {});
  const events = engine.events.recent();
  expect(events[0]).toMatchObject({ type: 'load-start', model: 'big', draft: 'small' });
  const phases = events.flatMap((event: EngineEvent) => (event.type === 'load-phase' ? [event] : []));
  expect(phases.map(({ model: id, phase }) => `${id} ${phase}`)).toEqual([
    'big read',
    'big pack',
    'small pack',
    'big ready',
  ]);
  expect(events.at(-1)).toMatchObject({ type: 'load-end', model: 'big', memoryBytes: 16 });
});

test('when what is kept of prompts cannot be opened, both are freed', async () => {
  const { model, draft } = pair();
  const { engine, worker } = startInProcess({ model, prefixes: createMemoryPrefixes() });
  worker.terminate = () => {};
  vi.stubGlobal('crypto', {});
  const loading = engine.load({ ...LOAD, content: { ...CONTENT, passphrase: 'p' } }, {});
  await expect(loading).rejects.toMatchObject({ code: 'unsupported_device' });
  vi.unstubAllGlobals();
  expect([model.session.disposed, draft.session.disposed]).toEqual([true, true]);
});

test('between two turns the draft model reads what was said, so that the next turn finds it ready', async () => {
  const clock = { ms: 0 };
  const takes = (msPerStep: number) => ({ beforeStep: () => void (clock.ms += msPerStep) });
  const answer = (): number[] => textIds('an answer of some length');
  const draft = createByteModel({ id: 'small', answer, ...takes(3) });
  const model = createByteModel({ id: 'big', answer, ...takes(10) });
  model.draft = { info: draft.info, session: draft.session, vocabSize: VOCAB_SIZE };
  const { engine, worker } = startInProcess({ model, now: () => clock.ms });
  worker.terminate = () => {};
  await engine.load({ ...LOAD, speculation: { drafters: ['draft'], maxLookahead: 3 } }, {});
  const fedWhen = async (count: number): Promise<number> => {
    for (let turn = 0; turn < 500 && draft.session.steps.flat().length < count; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return draft.session.steps.flat().length;
  };
  const signal = new AbortController().signal;
  const prompt = 'a question that is as long as a paragraph: '.repeat(8);
  await engine.generate(ask(prompt), { signal, post: () => undefined });
  // It would have been at the cost of the answer's tokens.
  expect(draft.session.steps).toEqual([]);
  const said = model.renderChat([{ role: 'user', content: prompt }], {}).length + answer().length;
  const fed = await fedWhen(said - 8);
  expect(fed).toBeGreaterThanOrEqual(said - 8);
  expect(Math.max(...draft.session.steps.map(({ length }) => length))).toBe(8);
});
