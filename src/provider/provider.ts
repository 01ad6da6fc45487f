/**
 * Who answers: the seam between the decision and its execution. Implementations: the engine in this browser, an
 * endpoint that speaks OpenAI's protocol, a scripted fake. `test/conformance/provider.ts` is what each must pass.
 *
 * - `chat` starts nothing until it is iterated. It gives the opening chunk of each choice (role and no text) before its
 *   text, exactly one finish reason for each, then one chunk without choices that has the usage. Leaving the loop
 *   stops the work; an aborted signal rejects with the signal's reason.
 * - Errors are `SelvedgeError`s. One that comes after text carries that text in `details.partial`.
 * - `predict`, `health` are cheap and do not wait; what is not known yet is `null`, never a guess.
 * - Requests are checked before they get here. What only selvedge knows (`selvedge`, labels) never leaves a provider.
 */
import type { ChatCompletionChunk, ChatCompletionParams } from '../client/types.ts';
import type { EgressCover } from '../privacy/egress-request.ts';
import type { ContextPolicy } from '../rpc/protocol.ts';
import type { Capabilities } from './capabilities.ts';

export type { Capabilities };

export interface Provider {
  /** 'local', or the endpoint's id. */
  readonly id: string;
  readonly kind: 'local' | 'cloud';
  readonly capabilities: Capabilities;
  /** Whether a request has a chance now: false while a circuit breaker is open. */
  health(): ProviderHealth;
  predict(request: PredictRequest): Prediction;
  chat(request: ChatCompletionParams, options?: ChatOptions): AsyncIterable<ChatCompletionChunk>;
}

export interface ChatOptions {
  signal?: AbortSignal | undefined;
  /** What may leave, and to where. A cloud provider sends nothing without it. */
  cover?: EgressCover | undefined;
  trace?: ((event: ProviderEvent) => void) | undefined;
  /** For the engine's queue and context; endpoints do not know them. */
  local?: { priority?: number | undefined; context?: ContextPolicy | undefined } | undefined;
}

export interface ProviderHealth {
  available: boolean;
  /** Why it is not, as a sentence; null while it is. */
  words: string | null;
}

export interface PredictRequest {
  promptTokens: number;
  maxTokens: number | null;
}

/** `null` is not known. Costs are in the currency of the endpoint's prices, and the most that the request can cost. */
export interface Prediction {
  firstTokenMs: number | null;
  tokensPerSecond: number | null;
  cost: number | null;
}

/** What happens while a provider answers. Never content. */
export type ProviderEvent =
  | { type: 'attempt-start'; provider: string; attempt: number }
  | { type: 'first-token'; provider: string; ms: number }
  | {
      type: 'attempt-failed';
      provider: string;
      attempt: number;
      /** HTTP status, where there was an answer. */
      status: number | null;
      cause: 'connect' | 'timeout' | 'status' | 'cut' | 'malformed' | 'refused' | 'token';
      /** Null: it is not tried again. */
      retryMs: number | null;
    }
  | { type: 'breaker-change'; provider: string; state: 'closed' | 'open' | 'half-open' }
  /** From here on another one goes on with an answer that broke off. `at`: UTF-16 units of text before. */
  | { type: 'seam'; from: string; provider: string; at: number };

/** An endpoint as the app describes it, checked. */
export interface CloudEndpoint {
  id: string;
  /** Ends before `/chat/completions`, without a slash at the end. */
  baseURL: string;
  model: string;
  /** A short-lived bearer token for this audience, the endpoint's origin; asked for before each request. */
  getToken?: ((audience: string) => Promise<string> | string) | undefined;
  contextLength: number;
  capabilities: Capabilities;
  prices: Prices | null;
  /** How the endpoint calls the most tokens of an answer. */
  capParameter: 'max_tokens' | 'max_completion_tokens';
  /** How it is told to go on with an answer that was begun; null: it cannot. */
  continuation: Continuation | null;
  /** Null: learnt from what it took before. */
  timeouts: Timeouts;
}

/** vLLM, SGLang and llama.cpp's server; DeepSeek and Mistral; Alibaba. */
export type Continuation = 'continue_final_message' | 'prefix' | 'partial';

export interface Timeouts {
  connectMs: number | null;
  firstTokenMs: number | null;
  betweenTokensMs: number | null;
}

export interface Prices {
  inputPerMillion: number;
  outputPerMillion: number;
  currency: string;
}
