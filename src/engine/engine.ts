/**
 * The engine: one loaded model, the queue before it, the conversations it remembers and the log of what it did.
 * It knows neither worker nor page; `rpc/serve.ts` gives it ports, tests call it directly.
 */
import { adapterName } from '../backend/webgpu/adapter.ts';
import { SelvedgeError, assert } from '../errors.ts';
import type {
  Capabilities,
  DraftInfo,
  EngineInfo,
  GenerateRequest,
  GenerationMessage,
  LoadProgress,
  LoadRequest,
  ModelInspection,
  ModelRequest,
  Privacy,
  Prompt,
  StoredPrefix,
} from '../rpc/protocol.ts';
import type { ModelStore } from '../storage/model-file.ts';
import { createBreath } from './breath.ts';
import type { Breath } from './breath.ts';
import { createConversations } from './conversations.ts';
import type { Conversations } from './conversations.ts';
import { createEventLog } from './events.ts';
import type { EventLog } from './events.ts';
import { runGeneration } from './generation.ts';
import { createIdleQueue } from './idle-queue.ts';
import { openContent } from './kept-content.ts';
import type { ContentParts, KeptContent } from './kept-content.ts';
import { createKeptOutputs } from './kept-outputs.ts';
import type { KeptOutputs } from './kept-outputs.ts';
import type { DraftModel, LoadCall, LoadedModel } from './loaded-model.ts';
import { pinPrefix } from './pin.ts';
import { createPrefixes, withoutPrefixes } from './prefixes.ts';
import type { Prefixes } from './prefixes.ts';
import { preparePrompt } from './prompt.ts';
import { createScheduler } from './scheduler.ts';
import type { Scheduler } from './scheduler.ts';
import { openSpeculation } from './speculation.ts';
import type { Speculation } from './speculation.ts';

/** What the engine is made of; tests put fakes in their place. */
export interface EngineParts extends ContentParts {
  loadModel(request: LoadRequest, call: LoadCall): Promise<LoadedModel>;
  inspectModel(request: ModelRequest): Promise<ModelInspection>;
  readCapabilities(): Promise<Capabilities>;
  store: ModelStore;
  /** Lets waiting messages in. */
  turn: () => Promise<void>;
  /** Resolves after `QUIET_MS` of the idle queue. */
  quiet: () => Promise<void>;
  /** Milliseconds since the epoch, with fractions, never going back. */
  now: () => number;
  /** Unsigned 32 bits. */
  drawSeed: () => number;
}

export interface Engine {
  readonly events: EventLog;
  load(request: LoadRequest, call: LoadCall): Promise<EngineInfo>;
  /** Posts `accepted`, `chunk`s and `end`; rejects with whatever else ends it. */
  generate(
    request: GenerateRequest,
    options: { signal: AbortSignal; post: (message: GenerationMessage) => void },
  ): Promise<void>;
  tokenize(text: string, parseSpecial: boolean): number[];
  detokenize(ids: number[]): string;
  info(): EngineInfo;
  /** What this device can do. */
  capabilities(): Promise<Capabilities>;
  /** What a model is that need not be the loaded one. */
  inspect(request: ModelRequest): Promise<ModelInspection>;
  store: ModelStore;
  pinPrefix(prompt: Prompt, privacy: Privacy): Promise<StoredPrefix>;
  /** The calls that need no turn. */
  prefixes(): Pick<Prefixes, 'list' | 'delete' | 'clear' | 'usage' | 'settled'>;
}

interface Loaded {
  /** Undefined where the browser keeps nothing. */
  kept: KeptContent | undefined;
  model: LoadedModel;
  conversations: Conversations;
  prefixes: Prefixes;
  outputs: KeptOutputs;
  speculation: Speculation | undefined;
}

export function createEngine(parts: EngineParts): Engine {
  const { store, now, turn } = parts;
  const events = createEventLog(now);
  const scheduler = createScheduler();
  let loaded: Loaded | undefined;
  let loadRequest: LoadRequest | undefined;
  let lastRequest = 0;

  function running(): Loaded {
    assert(loaded, 'a model is loaded before it is used');
    return loaded;
  }

  /** The GPU is lost with all it held: the CPU takes the model, for the request that has its turn and for all after it. */
  async function goOnWithoutGpu(): Promise<void> {
    assert(loadRequest, 'a model was loaded');
    const cpuBecause = `${running().model.placement.why} But the GPU was lost.`;
    loaded = await loadAll(parts, { events, scheduler }, { ...loadRequest, device: 'cpu' }, { cpuBecause });
  }

  /** Waits for its turn, generates, and tells the log how it ended. */
  async function runInTurn(
    request: GenerateRequest,
    signal: AbortSignal,
    post: (message: GenerationMessage) => void,
  ): Promise<void> {
    const number = ++lastRequest;
    const arrivedAt = now();
    const prompt = preparePrompt(request, running().model);
    const queuedAt = now();
    const seed = request.sampling.seed ?? parts.drawSeed();
    const { droppedMessages } = prompt;
    const promptTokens = prompt.ids.length;
    post({ type: 'accepted', promptTokens, seed, droppedMessages });
    events.emit({
      type: 'request-queued',
      request: number,
      priority: request.priority,
      waiting: scheduler.waiting,
    });
    const counts = { steps: 0, predictedTokens: 0, messages: 1 };
    const breath: Breath = createBreath({ signal, flag: request.cancelFlag, turn, now });
    const run = (): Promise<void> =>
      runGeneration({ ...running(), number, request, prompt, seed, breath, events, now, post }, counts);
    const task = async (): Promise<void> => {
      events.emit({
        type: 'request-start',
        request: number,
        promptTokens,
        waitedMs: now() - queuedAt,
        droppedMessages,
      });
      try {
        await run();
      } catch (error) {
        if (!isLost(error)) throw error;
        await goOnWithoutGpu();
        if (counts.messages > 1) throw lostInAnswer(error);
        Object.assign(counts, { steps: 0, predictedTokens: 0 });
        await run();
      }
    };
    let outcome: 'done' | 'aborted' | 'failed' = 'failed';
    try {
      await scheduler.run(task, { priority: request.priority, signal });
      outcome = 'done';
    } catch (error) {
      if (signal.aborted || isAbort(error)) outcome = 'aborted';
      throw error;
    } finally {
      const { hops } = breath;
      events.emit({ type: 'request-end', request: number, outcome, ...counts, hops, ms: now() - arrivedAt });
      events.flush();
    }
  }

  return {
    events,
    store,
    async load(request, call) {
      assert(!loaded, 'an engine loads one model');
      loadRequest = request;
      loaded = await loadAll(parts, { events, scheduler }, request, call);
      return infoOf(loaded.model);
    },
    generate: (request, { signal, post }) => runInTurn(request, signal, post),
    tokenize: (text, parseSpecial) => running().model.encode(text, { parseSpecial }),
    detokenize: (ids) => running().model.decode(ids),
    info: () => infoOf(running().model),
    capabilities: () => parts.readCapabilities(),
    inspect: (request) => parts.inspectModel(request),
    pinPrefix: (prompt, privacy) => pinPrefix(prompt, privacy, { ...running(), scheduler, turn, now }),
    prefixes: () => callsOf(running()),
  };
}

/** Past answers are deleted with prefixes, and then the key, for what the browser has left of either. */
function callsOf({ kept, prefixes, outputs }: Loaded): ReturnType<Engine['prefixes']> {
  return {
    ...prefixes,
    async clear(everyTenant) {
      try {
        await Promise.all([prefixes.clear(everyTenant), outputs.clear(everyTenant)]);
      } finally {
        await kept?.shelf.rule.renew(everyTenant);
      }
    },
  };
}

/** The model, and what goes with it. */
async function loadAll(
  parts: EngineParts,
  { events, scheduler }: { events: EventLog; scheduler: Scheduler },
  request: LoadRequest,
  call: LoadCall,
): Promise<Loaded> {
  const { now } = parts;
  const { content: settings, source } = request;
  const opening = openContent(parts, { settings, model: source.id, now });
  // If loading fails, that is the error.
  opening.catch(() => undefined);
  const model = await loadWithEvents(parts, events, request, call);
  const queue = createIdleQueue(scheduler, parts.quiet);
  const kept = await openedContent(opening, model);
  const prefixes = kept ? createPrefixes({ ...kept, model, queue, events }) : withoutPrefixes(settings);
  const outputs = createKeptOutputs({
    kept: kept?.outputs && { store: kept.outputs, rule: kept.shelf.rule },
    settings,
    isUsed: request.speculation?.drafters.includes('past') ?? false,
    model,
    queue,
    now,
  });
  const past = outputs.drafter;
  const speculation = request.speculation
    ? openSpeculation(request.speculation, { model, past, queue, now })
    : undefined;
  return { kept, model, conversations: createConversations(model.session), prefixes, outputs, speculation };
}

async function openedContent(
  opening: Promise<KeptContent | undefined>,
  model: LoadedModel,
): Promise<KeptContent | undefined> {
  try {
    return await opening;
  } catch (error) {
    model.session.dispose();
    model.draft?.session.dispose();
    throw error;
  }
}

function infoOf({ info, session, draft, placement: { adapter, why } }: LoadedModel): EngineInfo {
  const isIsolated = globalThis.crossOriginIsolated === true;
  const more = { adapter, why, isIsolated, model: info, draft: draft ? draftInfoOf(draft) : null };
  return { ...session.info(), ...more };
}

function draftInfoOf({ info, session }: DraftModel): DraftInfo {
  const { threads, contextLength, memory } = session.info();
  return { ...info, threads, contextLength, memory };
}

/** Loads the model, with its draft, and logs each phase and the outcome. */
async function loadWithEvents(
  parts: EngineParts,
  events: EventLog,
  request: LoadRequest,
  call: LoadCall,
): Promise<LoadedModel> {
  const { now } = parts;
  const model = request.source.id;
  const start = now();
  let last: LoadProgress | undefined;
  events.emit({ type: 'load-start', model, draft: request.draft?.id ?? null });
  try {
    const loaded = await parts.loadModel(request, {
      ...call,
      onProgress(progress) {
        const { phase, model: about } = progress;
        const isNew = phase !== last?.phase || about !== last.model;
        if (isNew) events.emit({ type: 'load-phase', model: about, phase });
        last = progress;
        call.onProgress?.(progress);
      },
    });
    const { origin } = loaded.info;
    const { adapter, why } = loaded.placement;
    const { device } = loaded.session.info();
    events.emit({ type: 'device-choice', model, device, adapter: adapter && adapterName(adapter), why });
    const sessions = [loaded.session, ...(loaded.draft ? [loaded.draft.session] : [])];
    const memoryBytes = sessions.reduce((sum, session) => sum + session.info().memory.totalBytes, 0);
    events.emit({ type: 'load-end', model, origin, ms: now() - start, memoryBytes });
    return loaded;
  } catch (error) {
    const code = error instanceof SelvedgeError ? error.code : String(error);
    events.emit({ type: 'load-failed', model, code });
    throw error;
  } finally {
    events.flush();
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

function isLost(error: unknown): boolean {
  return error instanceof SelvedgeError && error.code === 'device_lost';
}

/** What was said cannot be taken back, and another device may have gone on otherwise. */
function lostInAnswer(cause: unknown): SelvedgeError {
  return new SelvedgeError(
    'device_lost',
    'The GPU was lost in the middle of the answer. The CPU has the model now: ask again.',
    { retryable: true, cause },
  );
}
