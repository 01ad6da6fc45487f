/**
 * What page and engine worker say to each other. Types only: both programs compile this file.
 *
 * Control calls (`EngineApi`) go over comlink. Whatever flows (load progress, generated text, events) has a
 * MessagePort of its own, transferred with the call that starts it: ports have no mutual order, so everything
 * of one generation, its end included, travels on its port. A worker sends at most one message per step, then
 * exactly one `end` or `error`; the page sends at most one `cancel`. Whoever is done closes its end.
 */
import type { AdapterFacts, Capabilities } from './capabilities.ts';
import type { EngineEvent } from './engine-events.ts';
import type { SessionInfo, SessionOptions } from '../backend/session.ts';
import type { WireError } from '../errors.ts';
import type {
  LoadProgress as FileProgress,
  ModelFile,
  ModelSource,
  StoredModel,
} from '../storage/model-file.ts';
import type { Privacy } from '../storage/privacy.ts';

/** A bug or a platform error: not ours to name, so it crosses as what it is. */
export interface WireFault {
  selvedge: false;
  name: string;
  message: string;
  stack: string;
}

export type WireFailure = WireError | WireFault;

/** A `contextLength` of 0 is the engine's default; 'fit' is as much of what the model was trained for as fits. */
export type LoadOptions = Omit<SessionOptions, 'contextLength'> & { contextLength: number | 'fit' };

export type { Privacy };
export type { AdapterFacts, Capabilities } from './capabilities.ts';
export type { EngineEvent, EngineEventType, EventsMessage } from './engine-events.ts';

/** A model, and how it would be run. */
export interface ModelRequest {
  source: ModelSource;
  options: LoadOptions;
}

/** 'auto': the faster of both. */
export type DeviceChoice = 'auto' | 'cpu' | 'webgpu';

export interface LoadRequest extends ModelRequest {
  device: DeviceChoice;
  /** A smaller model that drafts for it, run in the same way. */
  draft: ModelSource | null;
  content: ContentSettings;
  /** `null`: nothing is guessed. */
  speculation: SpeculationSettings | null;
}

/**
 * Who may guess ahead: 'suffix' goes on as this conversation did before, 'past' as earlier answers did, 'draft' is the draft
 * model, 'self' the model itself through half the bits of its keys and values.
 */
export type DrafterName = 'suffix' | 'past' | 'draft' | 'self';

export interface SpeculationSettings {
  drafters: DrafterName[];
  /** Most tokens guessed at a time. */
  maxLookahead: number;
}

/** How what was said, and what was computed from it, is kept in this browser. */
export interface ContentSettings {
  /** Most bytes of prefixes, of all tenants together. 0 keeps none. */
  prefixBytes: number;
  /** Whose content it is: one tenant's is of no use to another. */
  tenant: string;
  /** Seals all that is kept, and lets secrets be kept too. `null`: none. */
  passphrase: string | null;
}

/** Of all files together, those of a draft included. */
export interface LoadProgress extends FileProgress {
  /** The id of the model that the phase is about. */
  model: string;
}

export interface ModelFacts {
  id: string;
  architecture: string;
  /** The tensor types of the file's matrices, the most frequent first: 'Q4_1' or 'Q4_1, Q8_0'. */
  quantisation: string;
  parameterCount: number;
  vocabSize: number;
  /** What the model was trained for, in tokens. */
  trainedContextLength: number;
  byteLength: number;
  origin: ModelFile['origin'];
  /** False where the browser offers no storage: the next visit downloads again. */
  isKept: boolean;
  /** SHA-256 root over the file's 4 MiB chunk hashes. */
  identity: string;
}

export interface ModelInfo extends ModelFacts {
  /** 'file' where it comes with one, else the name of the default that stands in: 'chatml', 'llama-3', 'gemma' … */
  chatTemplate: string;
}

export interface EngineInfo extends SessionInfo {
  /** The GPU that runs the model; `null` on the CPU. */
  adapter: AdapterFacts | null;
  /** How the device was chosen, in sentences. */
  why: string;
  /** Whether memory can be shared. If not, `threads` is 1: the page lacks the headers that isolate it. */
  isIsolated: boolean;
  model: ModelInfo;
  /** The model that drafts. */
  draft: DraftInfo | null;
}

export interface DraftInfo extends ModelFacts, Pick<SessionInfo, 'threads' | 'contextLength' | 'memory'> {}

/** What the header of a model file says, and what this device could make of it. Null: not known. */
export interface ModelInspection {
  id: string;
  /** As the file names itself. */
  name: string | null;
  byteLength: number;
  /** Read to know this. */
  headerBytes: number;
  architecture: string | null;
  /** The tensor types of the file's matrices, those with the most bytes first: 'Q4_K, Q6_K'. */
  quantisation: string | null;
  /** Bytes of the file by tensor type. */
  tensorTypes: Record<string, number>;
  parameterCount: number | null;
  vocabSize: number | null;
  /** What the model was trained for, in tokens. */
  trainedContextLength: number | null;
  hasChatTemplate: boolean;
  isSupported: boolean;
  /** Why it is not supported. */
  reason: string | null;
  /** With the context asked for; `longestContext` is the longest that fits, 0 if not even the weights do. */
  memory: {
    fits: boolean;
    contextLength: number;
    longestContext: number;
    neededBytes: number;
    weightBytes: number;
    kvBytes: number;
    availableBytes: number;
  } | null;
  /** An estimate from how fast this device reads memory: expect half to twice as much. */
  speed: { tokensPerSecond: number; bytesPerToken: number; bytesPerSecond: number } | null;
}

export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string;
  name?: string;
  toolCallId?: string;
  /** What an assistant thought before it answered; templates decide whether the model sees it again. */
  reasoning?: string;
}

/** What happens to a chat whose prompt and answer do not fit: an error, or whole turns dropped, oldest first. */
export type ContextPolicy = 'error' | 'drop-oldest';

export type Prompt =
  | {
      kind: 'chat';
      messages: ChatMessage[];
      templateArguments: Record<string, unknown>;
      context: ContextPolicy;
      /** What the answer begins with, said already: the model goes on behind it. Default: nothing. */
      beginning?: string;
    }
  | { kind: 'text'; text: string }
  | { kind: 'ids'; ids: number[] };

export interface SamplingRequest {
  bias: [id: number, value: number][];
  repetitionPenalty: number;
  frequencyPenalty: number;
  presencePenalty: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  /** Unsigned 32 bits. `null`: the engine draws one and reports it. */
  seed: number | null;
}

export interface GenerateRequest {
  prompt: Prompt;
  sampling: SamplingRequest;
  choiceCount: number;
  /** Most tokens of one choice. `null`: as many as the context holds. */
  maxTokens: number | null;
  stop: string[];
  /** `null`: no logprobs. Else how many of the most likely tokens go with each. */
  topLogprobs: number | null;
  /** Without it everything comes with `end`. */
  stream: boolean;
  /** Higher runs first; equal ones in order of arrival. */
  priority: number;
  /** Of the prompt, and so of its answer. */
  privacy: Privacy;
  /** Where memory can be shared: Int32 that the page sets to 1 to cancel; saves a turn of the event loop per token. */
  cancelFlag: SharedArrayBuffer | null;
}

export interface TokenLogprob {
  bytes: number[];
  logprob: number;
  top: { bytes: number[]; logprob: number }[];
}

export type FinishReason = 'stop' | 'length';

/**
 * The next piece of one choice: what it thinks, then what it answers. Neither ends in half a character or holds part of a
 * stop string. Logprobs are those of the answer.
 */
export interface ChoiceDelta {
  choice: number;
  reasoning: string;
  text: string;
  logprobs: TokenLogprob[];
  finish: FinishReason | null;
}

/** Counts and times of a request, in llama.cpp's words. */
export interface GenerationTimings {
  promptTokens: number;
  /** Of the prompt's tokens, those whose keys and values were still there. */
  cachedTokens: number;
  /** What reading keys and values back from storage took, before `promptMs`; 0 when none were. */
  restoreMs: number;
  promptMs: number;
  /** All choices together, the token that ended each included. */
  predictedTokens: number;
  /** Of these, those thought before an answer, tags included. */
  reasoningTokens: number;
  /** From the end of the prompt to the last token. */
  predictedMs: number;
  speculation: SpeculationCounts;
}

/** Tokens that were guessed, and those of them that were right. */
export interface SpeculationCounts {
  drafted: number;
  accepted: number;
  byDrafter: Record<string, { drafted: number; accepted: number }>;
  /** Milliseconds fewer than steps without guesses would have taken, as far as can be told; negative when it was more. */
  gainedMs: number;
}

/** A beginning of prompts whose keys and values are kept in this browser. */
export interface StoredPrefix {
  id: string;
  tokens: number;
  /** Of all its blocks, those that it shares with others included. */
  byteLength: number;
  /** Milliseconds since the epoch. */
  lastUsed: number;
  /** How often it was read back. */
  hits: number;
  pinned: boolean;
  /** The model's id. */
  model: string;
}

export interface PrefixUsage {
  /** Of this tenant. */
  byteLength: number;
  blockCount: number;
  /** Of all tenants together. */
  budgetBytes: number;
}

export type GenerationMessage =
  /** The prompt was accepted and waits for its turn. */
  | { type: 'accepted'; promptTokens: number; seed: number; droppedMessages: number }
  | { type: 'chunk'; deltas: ChoiceDelta[] }
  | { type: 'end'; deltas: ChoiceDelta[]; timings: GenerationTimings }
  | { type: 'error'; error: WireFailure };

export type LoadMessage =
  | { type: 'progress'; progress: LoadProgress }
  | { type: 'loaded'; info: EngineInfo }
  | { type: 'error'; error: WireFailure };

/** Page to worker, on the port of a generation or a load. */
export type PortRequest = { type: 'cancel' };

export interface EngineApi {
  /** Answers once the worker holds the lock `lifeLock` (where there are locks): it is released when the worker dies. */
  hello(lifeLock: string): Promise<{ protocol: number }>;
  /** A sign of life. */
  ping(): Promise<void>;
  /** Only starts it, as `generate` does: all that follows, errors included, comes on the port. */
  load(request: LoadRequest, port: MessagePort): Promise<void>;
  generate(request: GenerateRequest, port: MessagePort): Promise<void>;
  tokenize(text: string, parseSpecial: boolean): Promise<number[]>;
  detokenize(ids: number[]): Promise<string>;
  info(): Promise<EngineInfo>;
  /** What this device can do, with or without a model. */
  capabilities(): Promise<Capabilities>;
  /** Reads the header alone. */
  inspect(request: ModelRequest): Promise<ModelInspection>;
  listModels(): Promise<StoredModel[]>;
  deleteModel(id: string): Promise<boolean>;
  /** Computes a beginning of prompts, unless it is there, and keeps it whatever else has to go. */
  pinPrefix(prompt: Prompt, privacy: Privacy): Promise<StoredPrefix>;
  listPrefixes(): Promise<StoredPrefix[]>;
  /** False when there was none. */
  deletePrefix(id: string): Promise<boolean>;
  /** Deletes this tenant's prefixes, or everybody's. */
  clearPrefixes(everyTenant: boolean): Promise<void>;
  prefixUsage(): Promise<PrefixUsage>;
  /** Resolves when what was computed until now is written. */
  prefixesSettled(): Promise<void>;
  /** From now on events are posted in batches on this port; closing it ends that. */
  watch(port: MessagePort): Promise<void>;
  /** What the ring still holds. */
  recentEvents(): Promise<EngineEvent[]>;
}
