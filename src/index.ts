/**
 * The public API, name by name.
 */
export { createClient } from './client/client.ts';
export type { Client } from './client/client.ts';
export type { CloudOption } from './client/cloud-option.ts';
export type { PolicyOption } from './client/policy-option.ts';
export type { PrivacyCalls } from './client/privacy-calls.ts';
export type { ClientEvent, ClientEventType, RouteEvent } from './client/route-events.ts';
export type { ClientOptions } from './client/options.ts';
export type { LocalFile, ModelAddress, ModelOption } from './client/model-option.ts';
export { capabilities } from './client/capabilities.ts';
export type { CapabilitiesOptions } from './client/capabilities.ts';
export { replay } from './client/load-routed.ts';
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
  MediaPart,
  Model,
  ModelList,
  RequestOptions,
  SelvedgeParams,
  TextPart,
  Timings,
  TokenLogprob,
  Tool,
  ToolCall,
  ToolCallDelta,
  TopLogprob,
  Usage,
} from './client/types.ts';
export type {
  Decision,
  DecisionRecord,
  Gate,
  Plan,
  PlanKind,
  PlanPrediction,
  Policy,
  RankedPlan,
  Reason,
  RequestFacts,
  RouteWish,
  Signals,
} from './router/decision.ts';
export type { PrivacyClass } from './privacy/classes.ts';
export type { LedgerRow } from './privacy/egress-request.ts';
export type { Declassification } from './privacy/ledger.ts';
export type { ProviderEvent } from './provider/provider.ts';
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
