/**
 * What an answer used and how long it took, as it was seen from here, for answers of endpoints: they have no timings, and
 * some no usage. Both go where the engine's go: timings on the chunk that ends the last choice, usage behind it.
 */
import type { ChatCompletionChunk, Timings, Usage } from './types.ts';

export interface MeasureParts {
  /** Milliseconds. */
  now(): number;
  /** When it was asked. */
  startMs: number;
  /** As it was counted here, for endpoints that do not say. */
  promptTokens: number;
  countTokens(text: string): Promise<number>;
  seed: number | null;
}

export async function* measureChunks(
  chunks: AsyncIterable<ChatCompletionChunk>,
  { now, startMs, promptTokens, countTokens, seed }: MeasureParts,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  let firstMs: number | undefined;
  let lastMs = startMs;
  let text = '';
  /** Not yet known to be the last. */
  let held: ChatCompletionChunk | undefined;
  for await (const chunk of chunks) {
    const said = textOf(chunk);
    if (said !== '') {
      lastMs = now();
      firstMs ??= lastMs;
      text += said;
    }
    if (chunk.choices.length === 0) {
      const usage = chunk.usage ?? countedUsage(promptTokens, await countTokens(text));
      if (held)
        yield { ...held, timings: timingsOf(usage, { startMs, firstMs: firstMs ?? lastMs, lastMs }), seed };
      held = undefined;
      yield { ...chunk, usage };
      continue;
    }
    if (held) yield held;
    held = undefined;
    if (chunk.choices.some(({ finish_reason: finish }) => finish !== null)) held = chunk;
    else yield chunk;
  }
  if (held) yield held;
}

function textOf({ choices }: ChatCompletionChunk): string {
  return choices
    .map(({ delta: { content = '', reasoning_content: thought = '', tool_calls: calls = [] } }) => {
      return thought + content + calls.map((call) => call.function?.arguments ?? '').join('');
    })
    .join('');
}

function countedUsage(promptTokens: number, completionTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

function timingsOf(
  { prompt_tokens: prompt, completion_tokens: predicted, prompt_tokens_details: details }: Usage,
  { startMs, firstMs, lastMs }: { startMs: number; firstMs: number; lastMs: number },
): Timings {
  const cached = details.cached_tokens;
  const [promptMs, predictedMs] = [firstMs - startMs, lastMs - firstMs];
  const perSecond = (count: number, ms: number): number => (count > 0 && ms > 0 ? (1000 * count) / ms : 0);
  return {
    prompt_n: prompt - cached,
    restore_ms: 0,
    prompt_ms: promptMs,
    prompt_per_second: perSecond(prompt - cached, promptMs),
    predicted_n: predicted,
    predicted_ms: predictedMs,
    predicted_per_second: perSecond(predicted - 1, predictedMs),
    cache_n: cached,
    draft_n: 0,
    draft_n_accepted: 0,
    draft_gained_ms: 0,
    draft_by: {},
  };
}
