/**
 * What every `Provider` must do. `open` gives one that answers each chat with `text`, however it cuts it, and what has to
 * go with its calls.
 */
import { describe, expect, test } from 'vitest';
import type { ChatCompletionChunk, ChatCompletionParams } from '../../src/client/types.ts';
import { SelvedgeError } from '../../src/errors.ts';
import type { ChatOptions, Provider, ProviderEvent } from '../../src/provider/provider.ts';

export interface OpenProvider {
  provider: Provider;
  /** What every call needs, such as what may leave. */
  options?: ChatOptions;
  close?(): Promise<void> | void;
}

/** Long enough to come in several chunks; characters of one to four bytes. */
const TEXT =
  'The sea is wide, die Straße naß, 海は広い, and \u{1F30A}\u{1F468}‍\u{1F469}‍\u{1F467} waves. '.repeat(6);
const REQUEST: ChatCompletionParams = {
  messages: [{ role: 'user', content: 'Tell me of the sea.' }],
  temperature: 0,
};

export function describeProvider(name: string, open: (text: string) => Promise<OpenProvider>): void {
  async function withProvider(
    text: string,
    use: (provider: Provider, options: ChatOptions) => Promise<void>,
  ): Promise<void> {
    const { provider, options = {}, close } = await open(text);
    try {
      await use(provider, options);
    } finally {
      await close?.();
    }
  }

  describe(`the provider ${name}`, () => {
    test('opens each answer, gives its text, ends it once, and then says what it used', () =>
      withProvider(TEXT, async (provider, options) => {
        const chunks = await collect(provider.chat(REQUEST, options));
        expect(textOf(chunks)).toBe(TEXT);
        expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
        expect(
          chunks.filter(({ choices }) => choices.some((one) => one.finish_reason !== null)),
        ).toHaveLength(1);
        expect(chunks.flatMap(({ choices }) => choices).at(-1)?.finish_reason).toBe('stop');
        const last = chunks.at(-1);
        expect(last?.choices).toEqual([]);
        expect(last?.usage === null || Number.isInteger(last?.usage?.completion_tokens)).toBe(true);
        expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
        expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(['chat.completion.chunk']));
      }));

    test('never cuts a character in two', () =>
      withProvider(TEXT, async (provider, options) => {
        const chunks = await collect(provider.chat(REQUEST, options));
        const pieces = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? ''));
        expect(pieces.filter((piece) => !piece.isWellFormed())).toEqual([]);
        expect(pieces.length).toBeGreaterThan(2);
      }));

    test('does nothing before it is read, and reports what it does', () =>
      withProvider('Yes.', async (provider, options) => {
        const events: ProviderEvent[] = [];
        const chunks = provider.chat(REQUEST, { ...options, trace: (event) => events.push(event) });
        await new Promise((resolve) => setTimeout(resolve, 0));
        expect(events).toEqual([]);
        await collect(chunks);
        expect(events.map(({ type }) => type)).toEqual(['attempt-start', 'first-token']);
        expect(events.every((event) => event.provider === provider.id)).toBe(true);
      }));

    test('stops when the reader leaves, and answers the next one', () =>
      withProvider(TEXT, async (provider, options) => {
        let read = '';
        for await (const chunk of provider.chat(REQUEST, options)) {
          read += textOf([chunk]);
          if (read !== '') break;
        }
        expect(TEXT.startsWith(read)).toBe(true);
        expect(textOf(await collect(provider.chat(REQUEST, options)))).toBe(TEXT);
      }));

    test("rejects with the signal's reason, before the start and in the middle", () =>
      withProvider(TEXT, async (provider, options) => {
        const reason = new Error('enough');
        const signal = AbortSignal.abort(reason);
        await expect(collect(provider.chat(REQUEST, { ...options, signal }))).rejects.toBe(reason);

        const controller = new AbortController();
        const reading = (async () => {
          for await (const chunk of provider.chat(REQUEST, { ...options, signal: controller.signal })) {
            if (textOf([chunk]) !== '') controller.abort(reason);
          }
        })();
        await expect(reading).rejects.toBe(reason);
      }));

    test('keeps answers that run at once apart', () =>
      withProvider(TEXT, async (provider, options) => {
        const both = [0, 1].map(() => collect(provider.chat(REQUEST, options)));
        const [first, second] = await Promise.all(both);
        expect([textOf(first ?? []), textOf(second ?? [])]).toEqual([TEXT, TEXT]);
        expect(first?.[0]?.id).not.toBe(second?.[0]?.id);
      }));

    test('leaves the request as it was', () =>
      withProvider('Yes.', async (provider, options) => {
        const request = deepFreeze(structuredClone(REQUEST));
        expect(textOf(await collect(provider.chat(request, options)))).toBe('Yes.');
      }));

    test('predicts what it knows, and null for what it does not', () =>
      withProvider('Yes.', async (provider, options) => {
        const ask = { promptTokens: 100, maxTokens: 10 };
        for (const round of [0, 1]) {
          const { firstTokenMs, tokensPerSecond, cost } = provider.predict(ask);
          for (const known of [firstTokenMs, tokensPerSecond, cost]) {
            expect([round, known === null || (Number.isFinite(known) && known >= 0)]).toEqual([round, true]);
          }
          await collect(provider.chat(REQUEST, options));
        }
        expect(provider.health()).toEqual({ available: true, words: null });
      }));

    test('says what it is', () =>
      withProvider('Yes.', async ({ id, kind, capabilities }) => {
        expect(kind === 'local').toBe(id === 'local');
        expect(capabilities.contextLength).toBeGreaterThan(0);
        expect(['always', 'prefix', 'no']).toContain(capabilities.continues);
      }));
  });
}

/** Of providers that can be made to fail: what comes of it is one of our errors, with the text that had come. */
export function describeFailingProvider(
  name: string,
  open: (text: string) => Promise<OpenProvider & { shown: string }>,
): void {
  test(`the provider ${name} says what had come when it broke off`, async () => {
    const { provider, options, shown, close } = await open(TEXT);
    let read = '';
    let failure: unknown;
    try {
      for await (const chunk of provider.chat(REQUEST, options)) read += textOf([chunk]);
    } catch (error) {
      failure = error;
    }
    await close?.();
    expect(read).toBe(shown);
    expect(failure).toBeInstanceOf(SelvedgeError);
    expect(failure).toMatchObject({ code: 'cloud_failed', details: { partial: shown } });
  });
}

async function collect(chunks: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const all: ChatCompletionChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

function textOf(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? '')).join('');
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}
