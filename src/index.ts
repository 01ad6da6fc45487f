/**
 * The public API, name by name.
 */
export { createClient } from './client/client.ts';
export type { Client } from './client/client.ts';
export type { ClientOptions } from './client/options.ts';
export type { LocalFile, ModelAddress, ModelOption } from './client/model-option.ts';
export { capabilities } from './client/capabilities.ts';
export type { CapabilitiesOptions } from './client/capabilities.ts';
export { inspectModel } from './client/inspect.ts';
export type { InspectModelOptions, InspectOptions } from './client/inspect.ts';
export { modelPresets } from './client/presets.ts';
export type { ModelPreset } from './client/presets.ts';
export type { PrefixCalls } from './client/prefixes.ts';
export type { LoadProgress } from './rpc/load-watch.ts';
export type { CompletionStream } from './client/completion-stream.ts';
export type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  ChatMessageParam,
  ChoiceLogprobs,
  Completion,
  CompletionChunk,
  CompletionLogprobs,
  CompletionParams,
  FinishReason,
  Model,
  ModelList,
  RequestOptions,
  SelvedgeParams,
  TextPart,
  Timings,
  TokenLogprob,
  TopLogprob,
  Usage,
} from './client/types.ts';
export { SelvedgeError } from './errors.ts';
export type { ErrorCode, ErrorDetails } from './errors.ts';
export type {
  AdapterFacts,
  Capabilities,
  EngineEvent,
  EngineEventType,
  EngineInfo,
  ModelInfo,
  ModelInspection,
  PrefixUsage,
  Privacy,
  StoredPrefix,
} from './rpc/protocol.ts';
