import { expect, test } from 'vitest';
import { describeProvider } from '../../test/conformance/provider.ts';
import type { OpenProvider } from '../../test/conformance/provider.ts';
import { textIds } from '../../test/fakes/byte-model.ts';
import { openClient } from '../../test/fakes/client.ts';
import { createLocalProvider } from './local.ts';

/** The byte model has a token for each byte. */
async function open(text: string): Promise<OpenProvider> {
  const { client } = await openClient({ answer: () => textIds(text) });
  const provider = createLocalProvider({
    contextLength: (await client.info()).contextLength,
    createStream: (request, options) => client.chat.completions.create({ ...request, stream: true }, options),
    now: () => performance.now(),
  });
  return { provider, close: () => client.close() };
}

describeProvider('of the engine in this browser', open);

test('the local provider predicts from what the engine measured, and costs nothing', async () => {
  const { provider, close } = await open('An answer of some length.');
  const ask = { promptTokens: 100, maxTokens: null };
  expect(provider.predict(ask)).toEqual({ firstTokenMs: null, tokensPerSecond: null, cost: 0 });
  for await (const chunk of provider.chat({ messages: [{ role: 'user', content: 'Say something.' }] })) {
    if (!chunk.timings) continue;
    const { prompt_per_second: prefill, predicted_per_second: decode } = chunk.timings;
    const { firstTokenMs, tokensPerSecond } = provider.predict(ask);
    expect(firstTokenMs).toBeCloseTo(100_000 / prefill, 6);
    expect(tokensPerSecond).toBeCloseTo(decode, 6);
  }
  expect(provider.predict({ ...ask, promptTokens: 200 }).firstTokenMs).toBeGreaterThan(0);
  await close?.();
});
