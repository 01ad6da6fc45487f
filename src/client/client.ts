/**
 * The client: one model in one worker, behind OpenAI's words. It owns the connection; `close()` gives back all
 * there is (the worker with its memory) and may be called any number of times.
 */
import { SelvedgeError } from '../errors.ts';
import { connect } from '../rpc/connect.ts';
import type { Connection } from '../rpc/connect.ts';
import type { Decision } from '../router/decision.ts';
import type { EngineEvent, EngineInfo, ModelInspection } from '../rpc/protocol.ts';
import { spawnWorker } from '../spawn-worker.ts';
import { readBoolean } from './checks.ts';
import type { CompletionStream } from './completion-stream.ts';
import { createCompletions } from './completions.ts';
import { createEventHub } from './event-hub.ts';
import { readInspection } from './inspect.ts';
import type { InspectOptions } from './inspect.ts';
import { createLocalFetch } from './local-fetch.ts';
import type { Fetch } from './local-fetch.ts';
import { loadRouted } from './load-routed.ts';
import { listModels } from './models.ts';
import { modelPresets } from './presets.ts';
import type { ModelPreset } from './presets.ts';
import { readClientOptions } from './options.ts';
import type { ClientOptions } from './options.ts';
import { readChatRequest, readTextRequest } from './parameters.ts';
import { createPrefixCalls } from './prefixes.ts';
import type { PrefixCalls } from './prefixes.ts';
import type { PrivacyCalls } from './privacy-calls.ts';
import { chatShape, textShape } from './responses.ts';
import type { ClientEvent, ClientEventType } from './route-events.ts';
import type { OpenRouting, Routing } from './routed.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  Completion,
  CompletionChunk,
  CompletionParams,
  ModelList,
  NonStreaming,
  RequestOptions,
  Streaming,
} from './types.ts';

export interface Client {
  readonly chat: {
    readonly completions: {
      create(
        params: Streaming<ChatCompletionParams>,
        options?: RequestOptions,
      ): Promise<CompletionStream<ChatCompletionChunk>>;
      create(params: NonStreaming<ChatCompletionParams>, options?: RequestOptions): Promise<ChatCompletion>;
      create(
        params: ChatCompletionParams,
        options?: RequestOptions,
      ): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>>;
    };
  };
  readonly completions: {
    create(
      params: Streaming<CompletionParams>,
      options?: RequestOptions,
    ): Promise<CompletionStream<CompletionChunk>>;
    create(params: NonStreaming<CompletionParams>, options?: RequestOptions): Promise<Completion>;
    create(
      params: CompletionParams,
      options?: RequestOptions,
    ): Promise<Completion | CompletionStream<CompletionChunk>>;
  };
  readonly models: {
    /** Models known to work, by short names that `createClient` takes. */
    readonly presets: readonly ModelPreset[];
    /** What a model is, whether it fits and how fast it is likely to be here, from its header alone. */
    inspect(model: ClientOptions['model'], options?: InspectOptions): Promise<ModelInspection>;
    /** Models kept in this browser, and the one that is loaded. */
    list(): Promise<ModelList>;
    /** Removes a model from this browser. False when it was not there. */
    delete(id: string): Promise<boolean>;
  };
  /** What prompts begin with, kept in this browser. */
  readonly prefixes: PrefixCalls;
  /** A `fetch` for OpenAI-compatible libraries, answered by the local model. */
  readonly fetch: Fetch;
  /** `special: true` reads special tokens in the text as such. */
  /** Decides who would answer and says why, in words and as data. Nothing is run, and nothing leaves. */
  explain(params: ChatCompletionParams, options?: RequestOptions): Promise<Decision>;
  /** What left this page, and what may. */
  readonly privacy: PrivacyCalls;
  tokenize(text: string, options?: { special?: boolean }): Promise<number[]>;
  detokenize(ids: readonly number[]): Promise<string>;
  info(): Promise<EngineInfo>;
  /** Returns what ends it. Nothing is posted while nobody listens. */
  on<T extends ClientEventType>(
    type: T,
    listener: (event: Extract<ClientEvent, { type: T }>) => void,
  ): () => void;
  /** The latest events that the engine still has, those of loading included. */
  recentEvents(): Promise<EngineEvent[]>;
  /** Terminates the worker; what is pending rejects with `closed`. */
  close(): void;
}

/** Loads a model into a worker of its own. Rejects with a `SelvedgeError`, or with the signal's reason. */
export async function createClient(options: ClientOptions): Promise<Client> {
  const { load, worker, workerUrl, onProgress, signal, routing } = readClientOptions(options);
  signal?.throwIfAborted();
  const openRouting = routing && (await loadRouted()).prepareRouting(routing.cloud, routing.policy);
  const spawned = worker ? { worker, scriptUrl: undefined } : spawnWorker(workerUrl);
  const connection = await connect(spawned.worker, { scriptUrl: spawned.scriptUrl, signal });
  try {
    const info = await connection.load(load, { signal, onProgress });
    return clientOf(connection, info, openRouting);
  } catch (error) {
    connection.close(closedError());
    throw error;
  }
}

function clientOf(connection: Connection, info: EngineInfo, openRouting: OpenRouting | undefined): Client {
  const { calls } = connection;
  const localChat = createCompletions({ connection, info, shape: chatShape, read: readChatRequest });
  const localText = createCompletions({ connection, info, shape: textShape, read: readTextRequest });
  const hub = createEventHub((onEvents) => connection.watch(onEvents));
  const list = (): Promise<ModelList> => listModels(calls, info);
  const parts: Parameters<OpenRouting>[0] = {
    local: {
      modelId: info.model.id,
      contextLength: info.contextLength,
      createChat: localChat,
      createText: localText,
      countTokens: async (input) => (await calls.tokenize(input, false)).length,
    },
    emit: hub.emit,
  };
  const routing = openRouting?.(parts);
  const chat = routing?.createChat ?? localChat;
  const text = routing?.createText ?? localText;
  /** Without a cloud there is little to decide, and it is decided only when somebody asks. */
  let little: Promise<Routing> | undefined;
  const decider = async (): Promise<Routing> =>
    routing ?? (little ??= loadRouted().then((routed) => routed.prepareRouting(null, null)(parts)));

  return {
    // The overloads say what `stream` decides; it is read in one place.
    chat: { completions: { create: chat as Client['chat']['completions']['create'] } },
    completions: { create: text as Client['completions']['create'] },
    models: {
      presets: modelPresets,
      inspect: async (model, options = {}) => calls.inspect(readInspection(model, options)),
      list,
      delete: (id) => calls.deleteModel(id),
    },
    prefixes: createPrefixCalls(calls, routing?.label),
    fetch: createLocalFetch({ createChat: chat, createText: text, listModels: list }),
    explain: async (params, options) => (await decider()).explain(params, options),
    privacy: {
      ledger: async () => (await decider()).privacy.ledger(),
      declassify: async (...act) => (await decider()).privacy.declassify(...act),
      declassifications: async () => (await decider()).privacy.declassifications(),
    },
    tokenize: async (input, options = {}) => calls.tokenize(input, readBoolean({ ...options }, 'special')),
    detokenize: (ids) => calls.detokenize([...ids]),
    info: () => calls.info(),
    on: hub.on,
    recentEvents: () => calls.recentEvents(),
    close() {
      hub.close();
      connection.close(closedError());
    },
  };
}

function closedError(): SelvedgeError {
  return new SelvedgeError('closed', 'The client was closed. Create a new one.');
}
