/** The fixture's endpoint on the network: it fails as it was told to, and the cloud client is whole behind it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startCloudServer } from '../../e2e/fixtures/cloud/server.mjs';
import type { Fault } from '../../e2e/fixtures/cloud/wire.mjs';
import { createCloudProvider } from '../../src/provider/cloud.ts';
import type { CloudProvider } from '../../src/provider/cloud.ts';
import type { ProviderEvent } from '../../src/provider/provider.ts';
import { MATRIX_TEXT, matrixRequest, sentFor } from '../fakes/cloud-matrix.ts';
import { collect, cover, endpointOf, saying } from '../fakes/cloud-requests.ts';

let server: Awaited<ReturnType<typeof startCloudServer>>;

beforeAll(async () => {
  server = await startCloudServer({ token: 'short-lived' });
});
afterAll(() => server.close());
beforeEach(() => server.reset());

/** The network in the place of the page's door; no pause before the next try. */
function open(baseURL = server.baseURL, timeouts = endpointOf().timeouts): CloudProvider {
  const endpoint = endpointOf({ baseURL, getToken: () => 'short-lived', timeouts });
  return createCloudProvider(endpoint, {
    send: ({ url, method, headers, body = null, signal = null }) =>
      fetch(url, { method, headers, body, signal }),
    random: () => 0,
  });
}

describe('the endpoint on loopback', () => {
  const { byteCount } = sentFor(matrixRequest);

  it('cut anywhere, the answer is whole', async () => {
    for (let cut = 0; cut <= byteCount; cut += 97) {
      server.failNext({ cut });
      const { text, finishes, error } = await collect(open().chat(matrixRequest, { cover }));
      expect(error).toBeUndefined();
      expect([text, finishes]).toEqual([MATRIX_TEXT, ['stop']]);
    }
  });

  it.each<[string, Fault]>([
    ['hangs up', { hangUp: true }],
    ['answers 429 and wants a pause of none', { status: 429, headers: { 'retry-after': '0' } }],
    ['answers 503', { status: 503 }],
    ['sends a malformed event', { malformed: 3 }],
    ['sends an event twice', { duplicate: 3 }],
    ['fails in the stream', { error: 4 }],
  ])('%s: the answer is whole', async (_, fault) => {
    server.failNext(fault);
    const { text, error } = await collect(open().chat(matrixRequest, { cover }));
    expect(error).toBeUndefined();
    expect(text).toBe(MATRIX_TEXT);
  });

  it('stalls: it is left after the time that the app named', async () => {
    const events: ProviderEvent[] = [];
    server.failNext({ stall: 700 });
    const timeouts = { connectMs: null, firstTokenMs: null, betweenTokensMs: 100 };
    const trace = (event: ProviderEvent): void => void events.push(event);
    const { text } = await collect(open(server.baseURL, timeouts).chat(matrixRequest, { cover, trace }));
    expect(text).toBe(MATRIX_TEXT);
    expect(events).toContainEqual(expect.objectContaining({ type: 'attempt-failed', cause: 'timeout' }));
  });

  it('fails as its address says, for people', async () => {
    const baseURL = `${server.origin}/status=429,retry-after=3600/v1`;
    const { error } = await collect(open(baseURL).chat(matrixRequest, { cover }));
    expect(error).toMatchObject({ details: { status: 429, retryAfterMs: 3_600_000 } });
  });

  it('has tool calls, caps and whole answers without a stream', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'tides' } }];
    const called = await collect(open().chat(saying('So:', { tools }), { cover }));
    expect(called).toMatchObject({ text: 'So:', finishes: ['tool_calls'], toolCalls: [{ id: 'call-0' }] });
    const capped = await collect(open().chat(saying('one two three', { max_tokens: 2 }), { cover }));
    expect(capped).toMatchObject({ text: 'one two', finishes: ['length'] });
    const whole = await ask({ messages: [{ role: 'user', content: 'say: Yes.' }] });
    expect(whole.choices[0].message.content).toBe('Yes.');
  });

  it('lets browsers in, tells its model, and keeps what it received', async () => {
    const preflight = await fetch(`${server.baseURL}/chat/completions`, { method: 'OPTIONS' });
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    const headers = { authorization: 'Bearer short-lived' };
    const models = await (await fetch(`${server.baseURL}/models`, { headers })).json();
    expect(models.data[0].id).toBe('scripted');
    expect((await fetch(`${server.baseURL}/models`)).status).toBe(401);
    await ask({ messages: [{ role: 'user', content: 'say: Ünal' }] });
    expect(server.received.at(-1)?.body).toContain('say: Ünal');
    expect(new Set(await Promise.all([1, 2].map(idOfAnswer))).size).toBe(2);
  });
});

async function idOfAnswer(): Promise<string | undefined> {
  const { chunks } = await collect(open().chat(saying('Yes.'), { cover }));
  return chunks[0]?.id;
}

async function ask(body: object): Promise<{ choices: [{ message: { content: string } }] }> {
  const response = await fetch(`${server.baseURL}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer short-lived', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}
