/**
 * The decode loop over a real model, with guessers that no application can choose: one that is always wrong, and some that draft
 * before every step whatever it costs. Beside them plain decoding and the speculator, over the same session.
 */
import type { KvCache, Sampling } from '../../../src/backend/session.ts';
import { runKernelThread, THREAD_NAME } from '../../../src/backend/wasm/index.ts';
import { decode } from '../../../src/engine/decode-loop.ts';
import type { Guesser } from '../../../src/engine/decode-loop.ts';
import { createDraftCaches } from '../../../src/engine/draft-caches.ts';
import { createModelLoader } from '../../../src/engine/load.ts';
import type { LoadedModel } from '../../../src/engine/loaded-model.ts';
import { createStepCosts } from '../../../src/engine/step-costs.ts';
import type { Draft, Drafter, ModelDrafter } from '../../../src/speculation/drafter.ts';
import { createModelDrafter } from '../../../src/speculation/model-drafter.ts';
import { Speculator } from '../../../src/speculation/speculator.ts';
import { createSuffixDrafter } from '../../../src/speculation/suffix-drafter.ts';
import { toHex } from '../../../src/storage/chunks.ts';
import { Sha256 } from '../../../src/storage/sha256.ts';
import type { LoopRequest, Mode, Spoken } from './requests.ts';
import { GREEDY } from '../../../src/backend/greedy.ts';

declare const self: DedicatedWorkerGlobalScope;

interface Opened {
  model: LoadedModel;
  guessers: Map<Mode, Guesser & { counts?: () => { drafted: number; accepted: number } }>;
}

let opened: Opened | undefined;

if (self.name === THREAD_NAME) runKernelThread(self);
else {
  self.addEventListener('message', ({ data }: MessageEvent<LoopRequest>) => {
    answer(data).then(
      (result) => self.postMessage({ result }),
      (error: unknown) => self.postMessage({ error: String(error) }),
    );
  });
}

async function answer(request: LoopRequest): Promise<unknown> {
  if (request.method === 'open') {
    opened = await open(request);
    return {};
  }
  if (!opened) throw new Error('No model is open');
  return speak(opened, request);
}

const now = (): number => performance.now();

async function open({ url, draft, threads }: Extract<LoopRequest, { method: 'open' }>): Promise<Opened> {
  const source = (address: string) => ({
    kind: 'url' as const,
    url: address,
    id: address.slice(address.lastIndexOf('/') + 1),
  });
  const model = await createModelLoader().loadModel(
    {
      source: source(url),
      device: 'cpu' as const,
      draft: draft === null ? null : source(draft),
      options: { threads, simd: 'auto', kv: 'q8', contextLength: 2048 },
      content: { prefixBytes: 0, tenant: '', passphrase: null },
      speculation: null,
    },
    {},
  );
  return { model, guessers: new Map() };
}

async function speak(
  { model, guessers }: Opened,
  { content, count, mode, sampling = {} }: Extract<LoopRequest, { method: 'speak' }>,
): Promise<Spoken> {
  const { session } = model;
  const prompt = model.renderChat([{ role: 'user', content }], {});
  const cache = session.createCache();
  if (mode !== 'plain' && !guessers.has(mode)) guessers.set(mode, await guesserOf(mode, model));
  const guesser = guessers.get(mode);
  const said: number[] = [];
  let start = 0;
  try {
    await decode(jobOf(model, cache, { prompt, count, guesser, sampling: { ...GREEDY, ...sampling } }), {
      prefillEnd: () => (start = now()),
      token: (_choice, { id }) => model.endTokens.has(said[said.push(id) - 1]!),
      choiceEnd: () => undefined,
      stepEnd: () => undefined,
    });
    const ms = now() - start;
    const kv = toHex(await sha256Of(cache, session.blocks.positions));
    return { ids: said, ms, kv, drafted: 0, accepted: 0, ...guesser?.counts?.() };
  } finally {
    cache.dispose();
  }
}

function jobOf(
  { session }: LoadedModel,
  cache: KvCache,
  {
    prompt,
    count,
    guesser,
    sampling,
  }: { prompt: number[]; count: number; guesser: Guesser | undefined; sampling: Sampling },
): Parameters<typeof decode>[0] {
  return {
    session,
    conversation: { cache, ids: [], promptLength: 0, secretFrom: Infinity },
    prompt,
    choices: [{ sampling, output: undefined }],
    maxTokens: count,
    pause: async () => undefined,
    makeRoom: () => false,
    guesser,
  };
}

async function guesserOf(mode: Exclude<Mode, 'plain'>, model: LoadedModel): Promise<Guesser> {
  if (typeof mode === 'number') return alwaysDrafting(drafterOf(model), mode);
  if (mode === 'blunt') return alwaysDrafting(createSuffixDrafter(), 15);
  const drafter =
    mode === 'wrong'
      ? alwaysWrong(model.info.vocabSize)
      : mode === 'suffix'
        ? createSuffixDrafter()
        : drafterOf(model);
  const speculator = new Speculator({ drafters: [drafter], maxLookahead: 15, now });
  await createStepCosts(model.session, speculator.curve, now)(async () => undefined);
  return speculator;
}

async function sha256Of(cache: KvCache, positions: number): Promise<Uint8Array> {
  const sha256 = new Sha256();
  for (let start = 0; start < cache.length; start += positions) {
    sha256.update(await cache.exportBlock(start / positions, Math.min(positions, cache.length - start)));
  }
  return sha256.finish();
}

function drafterOf({ draft, endTokens }: LoadedModel): ModelDrafter {
  if (!draft) throw new Error('No draft model is open');
  const { session, vocabSize } = draft;
  return createModelDrafter({ session, acquireKv: createDraftCaches(session), endTokens, vocabSize, now });
}

/** Sure of what it says, and as good as never right. */
function alwaysWrong(vocabSize: number): Drafter {
  let turn = 0;
  return {
    id: 'wrong',
    free: true,
    propose: (_context, length): Draft => ({
      ids: Int32Array.from({ length }, (_, i) => (++turn * 7919 + i) % vocabSize),
      features: Array.from({ length }, () => Float32Array.of(32, 1)),
      forced: 0,
      estMs: 0,
    }),
    observe: () => undefined,
    rewind: () => undefined,
    reset: () => undefined,
  };
}

/** Drafts `lookahead` tokens before every step, whatever it costs. */
function alwaysDrafting(
  drafter: Drafter,
  lookahead: number,
): Guesser & { counts: () => { drafted: number; accepted: number } } {
  let counts = { drafted: 0, accepted: 0 };
  let position = 0;
  let sampling: Sampling = GREEDY;
  return {
    counts: () => counts,
    begin(prompt) {
      counts = { drafted: 0, accepted: 0 };
      drafter.reset();
      drafter.observe(prompt);
      position = prompt.length;
    },
    beginChoice(chosen, first) {
      sampling = chosen;
      drafter.observe([first]);
      position += 1;
    },
    async draft(limit) {
      const most = Math.min(limit, lookahead);
      if (most < 1) return [];
      const context = { sampling, position, free: new Int32Array(), goesOn: () => true };
      const ids = (await drafter.propose(context, most))?.ids ?? [];
      counts.drafted += ids.length;
      return ids;
    },
    drop: () => undefined,
    settle(committed) {
      counts.accepted += committed.length - 1;
      position += committed.length;
      drafter.observe(committed);
    },
  };
}
