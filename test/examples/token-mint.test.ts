/** The token mint of examples/: keys stay there, tokens end, and caps hold, for requests at the same time too. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startCloudServer } from '../../e2e/fixtures/cloud/server.mjs';
import { createGateway } from '../../examples/token-mint/gateway.mjs';
import { createTokens } from '../../examples/token-mint/tokens.mjs';
import { createCloudProvider } from '../../src/provider/cloud.ts';
import { collect, cover, endpointOf, saying } from '../fakes/cloud-requests.ts';

const KEY = 'the-real-key';
const AUDIENCE = 'https://gateway.test';
const ORIGIN = 'https://app.test';
/** So that a byte of a request and a token of an answer cost as much as a whole number. */
const PRICE = { inputPerMillion: 0, outputPerMillion: 1e6 };

let upstream: Awaited<ReturnType<typeof startCloudServer>>;
let gateway: ReturnType<typeof createGateway>;
let address: string;
let time: number;

beforeAll(async () => {
  upstream = await startCloudServer({ token: KEY });
});
afterAll(async () => {
  gateway.server.close();
  await upstream.close();
});
beforeEach(async () => {
  upstream.reset();
  gateway?.server.close();
  time = 1_700_000_000_000;
  gateway = createGateway({
    upstream: { baseURL: upstream.baseURL, key: KEY },
    prices: { scripted: PRICE },
    limits: { requestsPerMinute: 5, costPerDay: 100, costPerDayOfAll: 150 },
    maxCost: 50,
    lifeMs: 60_000,
    secret: 'secret of the mint',
    audience: AUDIENCE,
    origins: [ORIGIN],
    authenticate: ({ headers }) => headers['x-user']?.toString(),
    now: () => time,
  });
  gateway.server.listen(0, '127.0.0.1');
  await once(gateway.server, 'listening');
  address = `http://127.0.0.1:${(gateway.server.address() as AddressInfo).port}`;
});

async function mint(user = 'ann', wanted: object = {}): Promise<string> {
  const response = await post('/token', wanted, { 'x-user': user });
  const { token } = (await response.json()) as { token: string };
  return token;
}

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(address + path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function chat(token: string, more: object = {}): Promise<Response> {
  const body = { model: 'scripted', ...saying('one two three'), max_tokens: 10, ...more };
  return post('/v1/chat/completions', body, { authorization: `Bearer ${token}` });
}

describe('tokens', () => {
  it('are given to who is logged in, and let the cloud client stream; the key is seen by nobody', async () => {
    const provider = createCloudProvider(endpointOf({ baseURL: `${address}/v1`, getToken: () => mint() }), {
      send: ({ url, method, headers, body = null, signal = null }) =>
        fetch(url, { method, headers, body, signal }),
    });
    const { text, error, chunks } = await collect(
      provider.chat(saying('one two three', { max_tokens: 10 }), { cover }),
    );
    expect([text, error]).toEqual(['one two three', undefined]);
    expect(JSON.stringify(chunks)).not.toContain(KEY);
    expect(upstream.received[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect((await post('/token', {})).status).toBe(401);
  });

  it('end, are for one address, and cannot be made or changed by others', async () => {
    const token = await mint();
    const [text = '', signature = ''] = token.split('.');
    const grant = JSON.parse(Buffer.from(text, 'base64url').toString());
    const richer = Buffer.from(JSON.stringify({ ...grant, maxCost: 1e9 })).toString('base64url');
    const forged = createTokens({ secret: 'a guess', now: () => time }).issue({
      ...grant,
      lifeMs: 60_000,
    }).token;
    const elsewhere = createTokens({ secret: 'secret of the mint', now: () => time }).issue({
      ...grant,
      audience: 'https://other.test',
      lifeMs: 60_000,
    }).token;
    for (const wrong of ['', 'x', text, `${richer}.${signature}`, `${token}.`, forged, elsewhere])
      expect((await chat(wrong)).status).toBe(401);
    expect((await chat(token)).status).toBe(200);
    time += 60_000;
    expect((await chat(token)).status).toBe(401);
    expect(upstream.received).toHaveLength(1);
  });
});

describe('caps', () => {
  it('of requests per minute say when to come back', async () => {
    const token = await mint();
    for (let i = 0; i < 5; i++) expect((await chat(token, { max_tokens: 1 })).status).toBe(200);
    const refused = await chat(token, { max_tokens: 1 });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
    time += 60_000;
    expect((await chat(await mint())).status).toBe(200);
  });

  it('hold for requests at the same time: each reserves what it can cost', async () => {
    const token = await mint();
    // Answers that have begun and do not end: all four are there at once.
    upstream.failNext({ stall: 1 }, { stall: 1 });
    const all = await Promise.all([1, 2, 3, 4].map(() => chat(token, { max_tokens: 20, stream: true })));
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 200, 402, 402]);
    await Promise.all(all.map(({ body }) => body?.cancel()));
  });

  it('give back what a request did not cost, in a stream and in a whole answer', async () => {
    for (const stream of [true, false]) await (await chat(await mint('bob'), { stream })).text();
    expect(gateway.caps.spentBy('bob')).toBe(2 * 3);
  });

  it('keep what was reserved when an answer breaks off, and nothing when it was refused', async () => {
    upstream.failNext({ cut: 300 }, { status: 503 });
    await expect((await chat(await mint('eve'), { stream: true })).text()).rejects.toThrow();
    expect(gateway.caps.spentBy('eve')).toBe(10);
    expect((await chat(await mint('eve'))).status).toBe(503);
    expect(gateway.caps.spentBy('eve')).toBe(10);
  });

  it('of a token, a user and all hold, each by itself, and a day later there is room again', async () => {
    const small = await mint('ann', { maxCost: 5 });
    expect((await chat(small, { max_tokens: 6 })).status).toBe(402);
    const greedy = await mint('ann', { maxCost: 1e9 });
    expect((await chat(greedy, { max_tokens: 51 })).status).toBe(402);
    upstream.failNext({ cut: 300 }, { cut: 300 }, { cut: 300 });
    for (const user of ['ann', 'ann', 'bob'])
      await chat(await mint(user), { max_tokens: 50, stream: true }).then((response) =>
        response.text().catch(() => ''),
      );
    expect((await chat(await mint('ann'), { max_tokens: 1 })).status).toBe(402);
    expect((await chat(await mint('cem'), { max_tokens: 1 })).status).toBe(402);
    time += 86_400_000;
    expect((await chat(await mint('ann'), { max_tokens: 50 })).status).toBe(200);
  });
});

describe('requests', () => {
  it('without a price, without a sense or with media from elsewhere are refused; only known fields are sent', async () => {
    const token = await mint();
    const image = { type: 'image_url', image_url: { url: 'https://elsewhere.test/large.png' } };
    expect((await chat(token, { model: 'toString' })).status).toBe(404);
    expect((await chat(token, { max_tokens: -1 })).status).toBe(400);
    expect((await chat(token, { messages: [{ role: 'user', content: [image] }] })).status).toBe(400);
    await chat(token, { service_tier: 'priority', max_completion_tokens: 3, stream: true });
    expect(JSON.parse(upstream.received[0]?.body ?? '')).toEqual({
      model: 'scripted',
      ...saying('one two three'),
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 3,
    });
  });

  it('of other pages are refused, and those of the app are let in', async () => {
    expect((await post('/token', {}, { 'x-user': 'ann', origin: 'https://evil.test' })).status).toBe(403);
    const allowed = await post('/token', {}, { 'x-user': 'ann', origin: ORIGIN });
    expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  });
});
