/**
 * A provider that is an endpoint speaking OpenAI's protocol (vLLM, SGLang, llama.cpp's server and the commercial ones do):
 * what it needs of an endpoint between requests is here, the course of a request in cloud-order.ts. It has no way out of
 * the page of its own: all it sends goes by the `send` it is given.
 */
import { createBreaker } from './breaker.ts';
import type { Breaker, BreakerState } from './breaker.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { attempt } from './cloud-attempt.ts';
import type { AttemptRequest, Send } from './cloud-attempt.ts';
import type { WireChunk } from './cloud-chunk.ts';
import { chatInOrder } from './cloud-order.ts';
import { createEndpointDelays } from './endpoint-delays.ts';
import type { CloudEndpoint, Prediction, PredictRequest, Provider } from './provider.ts';

export interface CloudParts {
  send: Send;
  clock?: Clock;
  /** In [0, 1). */
  random?: () => number;
}

/** What the course of a request needs beside the seam. */
export interface CloudProvider extends Provider {
  readonly endpoint: CloudEndpoint;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly random: () => number;
  attempt(request: AttemptRequest): AsyncGenerator<WireChunk, void, undefined>;
  /** Returns what ends it. */
  watchBreaker(listener: (state: BreakerState) => void): () => void;
}

export function createCloudProvider(
  endpoint: CloudEndpoint,
  { send, clock = systemClock, random = Math.random }: CloudParts,
): CloudProvider {
  const { id, capabilities } = endpoint;
  const listeners = new Set<(state: BreakerState) => void>();
  const onChange = (state: BreakerState): void => listeners.forEach((listener) => listener(state));
  const breaker = createBreaker({ clock, random, onChange });
  const delays = createEndpointDelays(endpoint.timeouts, () => clock.now());

  const provider: CloudProvider = {
    id,
    kind: 'cloud',
    capabilities,
    endpoint,
    breaker,
    clock,
    random,
    health() {
      const seconds = Math.ceil(breaker.waitMs / 1000);
      if (seconds === 0) return { available: true, words: null };
      const why = breaker.heldMs > 0 ? 'asked to be left alone' : 'failed several times in a row';
      return { available: false, words: `It ${why} and is asked again in ${seconds} s.` };
    },
    predict: (request) => ({
      firstTokenMs: delays.usualFirstTokenMs(),
      tokensPerSecond: delays.usualTokensPerSecond(),
      cost: mostCost(endpoint, request),
    }),
    attempt: (request) => attempt({ endpoint, send, clock, delays }, request),
    watchBreaker(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    chat: (request, options = {}) => chatInOrder({ providers: [provider], request, options }),
  };
  return provider;
}

/** An answer without a limit may fill the context. */
function mostCost(
  { prices, contextLength }: CloudEndpoint,
  { promptTokens, maxTokens }: PredictRequest,
): Prediction['cost'] {
  if (!prices) return null;
  const answerTokens = maxTokens ?? Math.max(0, contextLength - promptTokens);
  return (promptTokens * prices.inputPerMillion + answerTokens * prices.outputPerMillion) / 1e6;
}
