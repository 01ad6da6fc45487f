/**
 * A provider that answers from a script: what to say, in which pieces, and where to break off. It keeps what it was asked, so
 * that tests see what would have left.
 */
import type { ChatCompletionChunk, ChatCompletionParams } from '../../src/client/types.ts';
import { SelvedgeError } from '../../src/errors.ts';
import type { Capabilities, ChatOptions, Provider } from '../../src/provider/provider.ts';

export interface Script {
  id?: string;
  kind?: Provider['kind'];
  capabilities?: Partial<Capabilities>;
  /** Default: what was asked last, back again. */
  answer?: (request: ChatCompletionParams) => string;
  /** Characters of a chunk. */
  chunkLength?: number;
  /** Fails behind so many characters. */
  failAfter?: number;
  predicts?: Partial<ReturnType<Provider['predict']>>;
  health?: () => ReturnType<Provider['health']>;
}

export interface ScriptedProvider extends Provider {
  readonly asked: { request: ChatCompletionParams; options: ChatOptions }[];
}

export function createScriptedProvider(script: Script = {}): ScriptedProvider {
  const { id = 'scripted', kind = 'cloud', answer = lastQuestion, chunkLength = 7, failAfter } = script;
  const asked: ScriptedProvider['asked'] = [];

  async function* chat(
    request: ChatCompletionParams,
    options: ChatOptions = {},
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const { signal, trace } = options;
    signal?.throwIfAborted();
    asked.push({ request, options });
    trace?.({ type: 'attempt-start', provider: id, attempt: 1 });
    const head = headOf(`chatcmpl-${id}-${asked.length}`, id);
    const characters = Array.from(answer(request));
    const said = failAfter === undefined ? characters : characters.slice(0, failAfter);
    yield { ...head, choices: [choice({ role: 'assistant', content: '' }, null)] };
    for (let at = 0; at < said.length; at += chunkLength) {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      if (at === 0) trace?.({ type: 'first-token', provider: id, ms: 1 });
      yield { ...head, choices: [choice({ content: said.slice(at, at + chunkLength).join('') }, null)] };
      signal?.throwIfAborted();
    }
    if (failAfter !== undefined) {
      throw new SelvedgeError('cloud_failed', `'${id}' broke off.`, { details: { partial: said.join('') } });
    }
    yield { ...head, choices: [choice({}, 'stop')] };
    yield { ...head, choices: [], usage: usageOf(characters.length) };
  }

  return {
    id,
    kind,
    capabilities: { ...ALL, ...script.capabilities },
    health: script.health ?? (() => ({ available: true, words: null })),
    predict: () => ({ firstTokenMs: null, tokensPerSecond: null, cost: null, ...script.predicts }),
    chat,
    asked,
  };
}

const ALL: Capabilities = {
  contextLength: 8192,
  tools: true,
  json: true,
  images: true,
  logprobs: true,
  n: true,
  continues: 'no',
};

function headOf(id: string, model: string): Omit<ChatCompletionChunk, 'choices'> {
  return { id, object: 'chat.completion.chunk', created: 0, model, system_fingerprint: model };
}

function choice(
  delta: ChatCompletionChunk['choices'][number]['delta'],
  finish: 'stop' | null,
): ChatCompletionChunk['choices'][number] {
  return { index: 0, delta, logprobs: null, finish_reason: finish };
}

function usageOf(completionTokens: number): NonNullable<ChatCompletionChunk['usage']> {
  return {
    prompt_tokens: 1,
    completion_tokens: completionTokens,
    total_tokens: 1 + completionTokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

function lastQuestion({ messages }: ChatCompletionParams): string {
  const content = messages.at(-1)?.content ?? '';
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
