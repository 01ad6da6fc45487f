/**
 * The engine in this browser as a provider. What it gives are the client's own chunks; what it predicts comes from the
 * timings that the engine measured of earlier answers.
 */
import type { ChatCompletionChunk, ChatCompletionParams, RequestOptions, Timings } from '../client/types.ts';
import type { ChatOptions, Prediction, PredictRequest, Provider } from './provider.ts';

export const LOCAL_ID = 'local';

export interface LocalParts {
  /** Tokens of prompt and answer together. */
  contextLength: number;
  /** The client's chat over the engine, streaming. */
  createStream(
    request: ChatCompletionParams,
    options: RequestOptions,
  ): Promise<AsyncIterable<ChatCompletionChunk>>;
  /** Milliseconds. */
  now(): number;
}

export function createLocalProvider({ contextLength, createStream, now }: LocalParts): Provider {
  const prefill = createRate();
  const decode = createRate();

  async function* chat(
    request: ChatCompletionParams,
    { signal, trace, local = {} }: ChatOptions = {},
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const asked: ChatCompletionParams = { ...request, stream: true, stream_options: { include_usage: true } };
    trace?.({ type: 'attempt-start', provider: LOCAL_ID, attempt: 1 });
    const startMs = now();
    let isFirst = true;
    for await (const chunk of await createStream(asked, { ...local, signal })) {
      // What was posted before the abort is still there to be read.
      signal?.throwIfAborted();
      if (isFirst && hasText(chunk)) {
        isFirst = false;
        trace?.({ type: 'first-token', provider: LOCAL_ID, ms: now() - startMs });
      }
      if (chunk.timings) learn(chunk.timings);
      yield chunk;
    }
  }

  function learn({ prompt_n, prompt_ms, predicted_per_second, predicted_ms }: Timings): void {
    prefill.add(prompt_n, prompt_ms);
    decode.add((predicted_per_second * predicted_ms) / 1000, predicted_ms);
  }

  return {
    id: LOCAL_ID,
    kind: 'local',
    capabilities: {
      contextLength,
      tools: false,
      json: false,
      images: false,
      logprobs: true,
      n: true,
      continues: 'always',
    },
    // A client exists once its model is loaded; when its worker dies, each call says so.
    health: () => ({ available: true, words: null }),
    predict({ promptTokens }: PredictRequest): Prediction {
      const prefillPerMs = prefill.perMs();
      const decodePerMs = decode.perMs();
      return {
        firstTokenMs: prefillPerMs === null ? null : promptTokens / prefillPerMs,
        tokensPerSecond: decodePerMs === null ? null : 1000 * decodePerMs,
        cost: 0,
      };
    },
    chat,
  };
}

function hasText({ choices }: ChatCompletionChunk): boolean {
  return choices.some(({ delta }) => Boolean(delta.content) || Boolean(delta.reasoning_content));
}

/** What an earlier measurement weighs against a new one of equal length. */
const MEMORY = 0.7;

/** Tokens for each millisecond, of late: sums that fade, so that long measurements count for more than short ones. */
function createRate(): { add(tokens: number, ms: number): void; perMs(): number | null } {
  let tokenSum = 0;
  let msSum = 0;
  return {
    add(tokens, ms) {
      if (!(tokens > 0 && ms > 0)) return;
      tokenSum = MEMORY * tokenSum + tokens;
      msSum = MEMORY * msSum + ms;
    },
    perMs: () => (msSum > 0 ? tokenSum / msSum : null),
  };
}
