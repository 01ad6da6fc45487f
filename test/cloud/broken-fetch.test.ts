/** What a library written for OpenAI's servers sees through `client.fetch` when an answer breaks off for good. */
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { NEAR, openRouted } from '../fakes/routed.ts';
import type { RoutedClient } from '../fakes/routed.ts';

const TEXT = 'One two three four five six seven eight nine ten.';
const request = {
  model: 'near',
  messages: [{ role: 'user' as const, content: `say: ${TEXT}` }],
  stream: true as const,
  selvedge: { privacy: 'public', route: 'cloud' },
};

async function openBroken(): Promise<RoutedClient> {
  const routed = await openRouted({ policy: { continueLocally: false, prefer: 'cloud' }, endpoints: [NEAR] });
  routed.cloud.failNext({ cut: 900 });
  return routed;
}

test('the stream ends with an error event, behind the text that came, and without [DONE]', async () => {
  const { fetch } = await openBroken();
  const response = await fetch('http://selvedge.local/v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify(request),
  });
  const events = (await response.text()).trim().split('\n\n');
  expect(events.at(-1)).not.toContain('[DONE]');
  const { error } = JSON.parse(events.at(-1)?.replace(/^data: /, '') ?? '');
  expect(error).toMatchObject({ code: 'cloud_failed', message: expect.stringContaining("'near'") });
  const texts = events.slice(0, -1).map((event) => {
    const { choices } = JSON.parse(event.replace(/^data: /, '')) as {
      choices: { delta: { content?: string } }[];
    };
    return choices[0]?.delta.content ?? '';
  });
  expect(texts.join('')).not.toBe('');
  expect(TEXT.startsWith(texts.join(''))).toBe(true);
});

test('the openai package throws, with what came before in hand', async () => {
  const { fetch } = await openBroken();
  const openai = new OpenAI({ fetch, apiKey: '-', baseURL: 'http://selvedge.local/v1', maxRetries: 0 });
  let said = '';
  const reading = (async () => {
    for await (const { choices } of await openai.chat.completions.create(request))
      said += choices[0]?.delta.content ?? '';
  })();
  await expect(reading).rejects.toThrow("'near'");
  expect(said).not.toBe('');
  expect(TEXT.startsWith(said)).toBe(true);
});
