/**
 * The public shapes: OpenAI's words for requests and responses, with what selvedge adds (`timings`, `seed`,
 * `top_k`, `min_p`, `repetition_penalty`). Inside the library everything is camelCase; `client/` converts.
 */
import type { Decision, RouteWish } from '../router/decision.ts';
import type { ContextPolicy, Privacy } from '../rpc/protocol.ts';

/** A part of a message, and how private it is; default: as private as its message, or as the request says. */
interface Labelled {
  privacy?: Privacy | null;
}

export interface TextPart extends Labelled {
  type: 'text';
  text: string;
}

/** Parts other than text, which the local model does not take. Unlabelled they are secret. */
export type MediaPart = Labelled &
  (
    | { type: 'image_url'; image_url: { url: string; detail?: 'auto' | 'low' | 'high' } }
    | { type: 'input_audio'; input_audio: { data: string; format: 'wav' | 'mp3' } }
    | { type: 'file'; file: { file_data?: string; file_id?: string; filename?: string } }
  );

export interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

export interface ChatMessageParam extends Labelled {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | (TextPart | MediaPart)[] | null;
  name?: string;
  tool_call_id?: string;
  tool_calls?: ToolCall[] | null;
  /** Of an assistant: what it thought before it answered. Most templates show a model only the latest. */
  reasoning_content?: string | null;
}

/** What only selvedge knows; never part of what a model sees, and never sent anywhere. */
export interface SelvedgeParams {
  /**
   * Of what has no label of its own, and at least of the whole with its answer. What is 'secret' never leaves, and is
   * never written unless there is a passphrase. Default 'personal', media 'secret'.
   */
  privacy?: Privacy | null;
  /** Who may answer. Default 'auto'. */
  route?: RouteWish | null;
  /** Who is expected to be ready by then goes first. */
  deadlineMs?: number | null;
  /** Most that the request may cost, in the currency of the endpoints' prices. */
  maxCost?: number | null;
}

/** What chat and raw completions have in common. `null` counts as absent. */
export interface GenerationParams {
  /** The id of the loaded model; may be left out. */
  model?: string | null;
  /** One string or several; the answer ends before the first that appears. */
  stop?: string | string[] | null;
  /** An integer; the same seed and settings give the same answer. Unset: drawn, and reported as `seed`. */
  seed?: number | null;
  /** 0 to 2, default 1. 0 is greedy. */
  temperature?: number | null;
  /** 0 to 1, default 1 (off). */
  top_p?: number | null;
  /** Default 0 (off). */
  top_k?: number | null;
  /** 0 to 1, default 0 (off). */
  min_p?: number | null;
  /** -2 to 2, default 0. */
  frequency_penalty?: number | null;
  /** -2 to 2, default 0. */
  presence_penalty?: number | null;
  /** Above 0, default 1 (off). Prompt and answer count. */
  repetition_penalty?: number | null;
  /** Token id to what is added to its logit, -100 to 100. */
  logit_bias?: Record<string, number> | null;
  /** How many answers, 1 to 128, default 1. */
  n?: number | null;
  selvedge?: SelvedgeParams | null;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean | null } | null;
  /** Accepted, without effect. */
  user?: string | null;
  /** Accepted, without effect. */
  metadata?: Record<string, string> | null;
  /** Accepted, without effect. */
  store?: boolean | null;
}

export interface ChatCompletionParams extends GenerationParams {
  messages: ChatMessageParam[];
  /** Most tokens of an answer; default: what the context holds. */
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  /** 0 to 20; needs `logprobs: true`. */
  top_logprobs?: number | null;
  /** Passed to the model's chat template, such as `{ enable_thinking: false }`. */
  chat_template_kwargs?: Record<string, unknown> | null;
  /** The last message, an assistant's, is the beginning of the answer: it is continued, and not repeated. */
  continue_final_message?: boolean | null;
  /** What only endpoints take; the local model does not yet. */
  tools?: Tool[] | null;
  tool_choice?: 'none' | 'auto' | 'required' | { type: 'function'; function: { name: string } } | null;
  parallel_tool_calls?: boolean | null;
  response_format?:
    { type: 'text' | 'json_object' } | { type: 'json_schema'; json_schema: Record<string, unknown> } | null;
}

export interface Tool {
  type: 'function';
  function: {
    name: string;
    description?: string;
    parameters?: Record<string, unknown>;
    strict?: boolean | null;
  };
}

export interface CompletionParams extends GenerationParams {
  /** Continued as it is, without a chat template. */
  prompt: string | [string] | number[];
  /** Most tokens of an answer; default 16, as OpenAI's. */
  max_tokens?: number | null;
  /** 0 to 5: how many of the most likely tokens to report. */
  logprobs?: number | null;
}

export type Streaming<P> = P & { stream: true };
export type NonStreaming<P> = P & { stream?: false | null };

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Higher runs first among those that wait. Default 0. */
  priority?: number | undefined;
  /** When the chat does not fit the context: 'error' (default), or drop whole turns, oldest first. */
  context?: ContextPolicy | undefined;
}

/** Counts and times in the words of llama.cpp's server. */
export interface Timings {
  /** Prompt tokens that were computed; `cache_n` more were there from an earlier request, in memory or in storage. */
  prompt_n: number;
  /** What reading from storage took, before `prompt_ms`. */
  restore_ms: number;
  prompt_ms: number;
  prompt_per_second: number;
  /** Tokens of all choices, those that ended them included. */
  predicted_n: number;
  /** From the end of the prompt, which gives the first token, to the last token. */
  predicted_ms: number;
  /** Of the tokens after the first. */
  predicted_per_second: number;
  cache_n: number;
  /** Tokens that were guessed ahead, and those of them that were right. */
  draft_n: number;
  draft_n_accepted: number;
  /** Time won by that, as far as can be told; negative when it was lost. */
  draft_gained_ms: number;
  /** The same counts for each drafter that guessed. */
  draft_by: Record<string, { n: number; n_accepted: number }>;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
  /** Of the completion's tokens, those thought before an answer; they are in `reasoning_content`. */
  completion_tokens_details: { reasoning_tokens: number };
}

/** The local model's are 'stop' and 'length'. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export interface TopLogprob {
  token: string;
  logprob: number;
  bytes: number[];
}

export interface TokenLogprob extends TopLogprob {
  top_logprobs: TopLogprob[];
}

export interface ChoiceLogprobs {
  content: TokenLogprob[];
  refusal: null;
}

interface ResponseBase {
  id: string;
  /** Seconds since the epoch. */
  created: number;
  model: string;
  /** Device, instruction set and KV format: what a seeded answer depends on besides the request. Else what the endpoint says. */
  system_fingerprint: string;
}

/** On the full response and on the last chunk that finishes a choice. */
interface Extras {
  /** Of an endpoint's answer: as they were seen from here. */
  timings: Timings;
  /** `null`: the endpoint drew one and does not say which. */
  seed: number | null;
}

/** Who answered and why; only where the client has a cloud to choose. */
interface Routed {
  selvedge?: { decision: Decision };
}

export interface ChatCompletion extends ResponseBase, Extras, Routed {
  object: 'chat.completion';
  choices: {
    index: number;
    /** `reasoning_content` is there when the model thought before it answered. */
    message: {
      role: 'assistant';
      content: string;
      reasoning_content?: string;
      tool_calls?: ToolCall[];
      refusal: null;
    };
    logprobs: ChoiceLogprobs | null;
    finish_reason: FinishReason;
  }[];
  usage: Usage;
}

/** `selvedge` is on the first one. */
export interface ChatCompletionChunk extends ResponseBase, Partial<Extras>, Routed {
  object: 'chat.completion.chunk';
  choices: {
    index: number;
    delta: {
      role?: 'assistant';
      content?: string;
      reasoning_content?: string;
      tool_calls?: ToolCallDelta[];
    };
    logprobs: ChoiceLogprobs | null;
    finish_reason: FinishReason | null;
  }[];
  /** Only with `stream_options.include_usage`: null until the last chunk, whose `choices` are empty. */
  usage?: Usage | null;
}

/** Pieces with the same index make one call; `arguments` are joined. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function?: { name?: string; arguments?: string };
}

export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[] | null;
  /** Where each token begins in the choice's text, in UTF-16 units. */
  text_offset: number[];
}

export interface Completion extends ResponseBase, Extras {
  object: 'text_completion';
  choices: {
    index: number;
    text: string;
    logprobs: CompletionLogprobs | null;
    finish_reason: FinishReason;
  }[];
  usage: Usage;
}

export interface CompletionChunk extends ResponseBase, Partial<Extras> {
  object: 'text_completion';
  choices: {
    index: number;
    text: string;
    logprobs: CompletionLogprobs | null;
    finish_reason: FinishReason | null;
  }[];
  usage?: Usage | null;
}

export interface Model {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
  /** Whether this client runs it. */
  loaded: boolean;
  /** Bytes kept in this browser; 0 when it was opened from a file. */
  stored_bytes: number;
  /** Whether all of it is kept, so that it opens offline. */
  complete: boolean;
}

export interface ModelList {
  object: 'list';
  data: Model[];
}
