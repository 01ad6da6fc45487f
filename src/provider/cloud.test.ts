/**
 * The course of a request to endpoints that fail before the answer begins: what is tried again, when, at whom; and what
 * is learnt from it. All on a clock of the test.
 */
import { describe, expect, it } from 'vitest';
import { createInProcessCloud } from '../../e2e/fixtures/cloud/in-process.ts';
import type { InProcessCloud, InProcessOptions } from '../../e2e/fixtures/cloud/in-process.ts';
import { scriptedReply } from '../../e2e/fixtures/cloud/scripted-model.mjs';
import type { Fault } from '../../e2e/fixtures/cloud/wire.mjs';
import { describeFailingProvider, describeProvider } from '../../test/conformance/provider.ts';
import { collect, cover, endpointOf, saying } from '../../test/fakes/cloud-requests.ts';
import type { Collected } from '../../test/fakes/cloud-requests.ts';
import { createVirtualClock } from '../../test/fakes/virtual-clock.ts';
import type { VirtualClock } from '../../test/fakes/virtual-clock.ts';
import type { ChatCompletionChunk } from '../client/types.ts';
import { SelvedgeError } from '../errors.ts';
import { createCloudProvider } from './cloud.ts';
import type { CloudProvider } from './cloud.ts';
import { chatInOrder } from './cloud-order.ts';
import type { ContinueLocally } from './cloud-order.ts';
import type { ChatOptions, CloudEndpoint, ProviderEvent } from './provider.ts';

interface SetUp {
  clock: VirtualClock;
  cloud: InProcessCloud;
  provider: CloudProvider;
  events: ProviderEvent[];
  options: ChatOptions;
}

function setUp(
  endpoint: Partial<CloudEndpoint> = {},
  { random = 0.5, ...more }: Partial<InProcessOptions> & { random?: number } = {},
): SetUp {
  const clock = createVirtualClock();
  const cloud = createInProcessCloud({ clock, ...more });
  const provider = createCloudProvider(endpointOf(endpoint), {
    send: cloud.send,
    clock,
    random: () => random,
  });
  const events: ProviderEvent[] = [];
  return { clock, cloud, provider, events, options: { cover, trace: (event) => events.push(event) } };
}

function answering(text: string): Pick<InProcessOptions, 'model'> {
  return { model: (body) => scriptedReply({ ...(body as object), ...saying(text) }) };
}

describeProvider('of an endpoint', async (text) => {
  const { provider, options } = setUp({}, answering(text));
  return { provider, options: { cover: options.cover } };
});

describeFailingProvider('of an endpoint that takes no beginning', async (text) => {
  const { provider, cloud, options } = setUp({ continuation: null }, answering(text));
  cloud.failNext({ cut: 1000 });
  const { text: shown } = await collect(provider.chat(saying(text), { cover: options.cover }));
  cloud.failNext({ cut: 1000 });
  return { provider, shown, options };
});

/** How long the request took on the clock of the test. */
async function timed(
  run: SetUp,
  request = saying('Yes.'),
): Promise<{ ms: number; text: string; error: unknown }> {
  const before = run.clock.now();
  const { text, error } = await collect(run.provider.chat(request, run.options));
  return { ms: run.clock.now() - before, text, error };
}

describe('before the first token', () => {
  it.each<[string, Fault]>([
    ['a connection that cannot be made', { hangUp: true }],
    ['a server that is overloaded', { status: 503 }],
    ['one that answers 429', { status: 429 }],
    ['a stream that is cut before its first token', { cut: 40 }],
    ['an answer that is no stream', { headers: { 'content-type': 'text/html' } }],
    ['a first event that is malformed', { malformed: 0 }],
    ['an error in the stream', { error: 1 }],
  ])('%s is tried again, after a pause', async (_, fault) => {
    const run = setUp();
    run.cloud.failNext(fault);
    const { ms, text } = await timed(run);
    expect(text).toBe('Yes.');
    expect(ms).toBe(250);
    expect(run.cloud.received).toHaveLength(2);
    expect(run.events).toContainEqual(expect.objectContaining({ type: 'attempt-failed', retryMs: 250 }));
  });

  it('the pause is a uniform share of a bound that doubles', async () => {
    const last = async (random: number): Promise<number> => {
      const run = setUp({}, { random });
      run.cloud.failNext({ status: 500 }, { status: 502 });
      return (await timed(run)).ms;
    };
    expect(await last(0)).toBe(0);
    expect(await last(0.5)).toBe(250 + 500);
    expect(await last(0.999)).toBeCloseTo(0.999 * 1500, 6);
  });

  it('three times is enough: the request fails, and says what happened without the words of the server', async () => {
    const run = setUp();
    run.cloud.failNext({ status: 500 }, { status: 500 }, { status: 500 });
    const { error } = await timed(run);
    expect(error).toBeInstanceOf(SelvedgeError);
    expect(error).toMatchObject({
      code: 'cloud_failed',
      retryable: true,
      details: { provider: 'near', cause: 'status', status: 500, partial: '' },
    });
    expect(String(error)).not.toContain('scripted');
  });

  it.each([400, 401, 403, 404])('status %i is not tried again', async (status) => {
    const run = setUp();
    run.cloud.failNext({ status });
    const { error } = await timed(run);
    expect(error).toMatchObject({ code: 'cloud_failed', retryable: false, details: { status } });
    expect(run.cloud.received).toHaveLength(1);
  });

  it('an endpoint that does not answer is left after its time, and asked once more', async () => {
    const run = setUp({ timeouts: { connectMs: 2000, firstTokenMs: null, betweenTokensMs: null } });
    run.cloud.failNext({ silent: true });
    const { ms, text } = await timed(run);
    expect(text).toBe('Yes.');
    expect(ms).toBe(2000 + 250);
  });

  it('without a decision nothing is sent', async () => {
    const { provider, cloud } = setUp();
    const { error } = await collect(provider.chat(saying('Yes.')));
    expect(error).toMatchObject({ code: 'egress_refused' });
    expect(cloud.received).toEqual([]);
  });

  it('what the door refuses is not tried again', async () => {
    const { clock, options } = setUp();
    const refusal = new SelvedgeError('egress_refused', 'No.');
    let asked = 0;
    const send = async (): Promise<Response> => {
      asked += 1;
      throw refusal;
    };
    const provider = createCloudProvider(endpointOf(), { send, clock, random: () => 0 });
    expect((await collect(provider.chat(saying('Yes.'), options))).error).toBe(refusal);
    expect(asked).toBe(1);
    expect(provider.health().available).toBe(true);
  });
});

describe('Retry-After', () => {
  const asking = (value: string, skewMs = 0): Fault => ({
    status: 429,
    headers: { 'retry-after': value },
    skewMs,
  });

  it('is waited, in seconds', async () => {
    const run = setUp();
    run.cloud.failNext(asking('7'));
    expect((await timed(run)).ms).toBe(7000 + 250);
  });

  it.each([0, 3_600_000, -86_400_000])(
    'is waited as a date, though the clocks differ by %i ms',
    async (skewMs) => {
      const run = setUp();
      run.cloud.failNext(asking(new Date(run.clock.now() + skewMs + 9000).toUTCString(), skewMs));
      const { ms, text } = await timed(run);
      expect(text).toBe('Yes.');
      expect(ms).toBe(9000 + 250);
    },
  );

  it('that is too long is not waited; the endpoint is not asked until then', async () => {
    const run = setUp();
    run.cloud.failNext(asking('90'));
    const { ms, error } = await timed(run);
    expect(ms).toBe(0);
    expect(error).toMatchObject({ details: { status: 429, retryAfterMs: 90_000 } });
    expect(run.provider.health()).toEqual({
      available: false,
      words: 'It asked to be left alone and is asked again in 90 s.',
    });
    expect((await timed(run)).error).toMatchObject({ details: { cause: 'refused' } });
    expect(run.cloud.received).toHaveLength(1);
    run.clock.advance(90_000);
    expect((await timed(run)).text).toBe('Yes.');
  });

  it('that cannot be understood is as if it were not there', async () => {
    const run = setUp();
    run.cloud.failNext(asking('soon'));
    expect((await timed(run)).ms).toBe(250);
  });
});

describe('the circuit breaker of an endpoint', () => {
  it('opens after a burst, fails at once while it is open, and closes with a probe', async () => {
    const run = setUp();
    run.cloud.failNext({ status: 500 }, { status: 500 }, { status: 500 });
    await timed(run);
    const { ms, error } = await timed(run);
    expect([ms, run.cloud.received.length]).toEqual([0, 3]);
    expect(error).toMatchObject({ details: { cause: 'refused' } });
    expect(run.provider.health()).toMatchObject({ available: false });
    run.clock.advance(5000);
    expect((await timed(run)).text).toBe('Yes.');
    const states = run.events.flatMap((event) => (event.type === 'breaker-change' ? [event.state] : []));
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });

  it('does not open for requests that are at fault themselves', async () => {
    const run = setUp();
    run.cloud.failNext({ status: 400 }, { status: 400 }, { status: 401 }, { status: 404 });
    for (let i = 0; i < 4; i++) await timed(run);
    expect((await timed(run)).text).toBe('Yes.');
  });
});

describe('endpoints in order', () => {
  function two(): { run: SetUp; far: SetUp; ask: () => ReturnType<typeof collect> } {
    const run = setUp();
    const far = setUp({ id: 'far', baseURL: 'http://far.test/v1' });
    // One clock for both, as in a page.
    const provider = createCloudProvider(endpointOf({ id: 'far' }), {
      send: far.cloud.send,
      clock: run.clock,
      random: () => 0.5,
    });
    const providers = [run.provider, provider];
    const ask = (): ReturnType<typeof collect> =>
      collect(chatInOrder({ providers, request: saying('Yes, of course.'), options: run.options }));
    return { run, far, ask };
  }

  it('the next one is asked when the first cannot answer, and not before', async () => {
    const { run, far, ask } = two();
    expect((await ask()).text).toBe('Yes, of course.');
    expect(far.cloud.received).toEqual([]);
    run.cloud.failNext({ status: 401 });
    expect((await ask()).text).toBe('Yes, of course.');
    expect([run.cloud.received.length, far.cloud.received.length]).toEqual([2, 1]);
  });

  it('is asked rather than waited for one that wants to be left alone', async () => {
    const { run, far, ask } = two();
    const before = run.clock.now();
    run.cloud.failNext({ status: 429, headers: { 'retry-after': '5' } });
    expect((await ask()).text).toBe('Yes, of course.');
    expect([run.clock.now() - before, far.cloud.received.length]).toEqual([0, 1]);
  });

  it('goes on with what another one began', async () => {
    const { run, far, ask } = two();
    run.cloud.failNext({ stall: 330 });
    expect(await ask()).toMatchObject({ text: 'Yes, of course.', finishes: ['stop'] });
    expect(far.cloud.received).toHaveLength(1);
    expect(run.events).toContainEqual(
      expect.objectContaining({ type: 'seam', from: 'near', provider: 'far' }),
    );
  });

  it('fails as the last one failed', async () => {
    const { run, far, ask } = two();
    run.cloud.failNext({ status: 403 });
    far.cloud.failNext({ status: 404 });
    expect((await ask()).error).toMatchObject({ details: { provider: 'far', status: 404 } });
  });
});

describe('what goes on in this browser', () => {
  const request = saying('one two three four');
  async function goOn(continueLocally: ContinueLocally): Promise<Collected> {
    const { provider, cloud, options } = setUp({ continuation: null });
    cloud.failNext({ cut: 400 });
    return collect(chatInOrder({ providers: [provider], request, options, continueLocally }));
  }
  const chunk = (content: string, finish: 'stop' | null): ChatCompletionChunk => ({
    id: 'l',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'l',
    system_fingerprint: '',
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: finish }],
  });

  it('may fail: the error is that of the endpoint, with the reason, and with all that was shown', async () => {
    const reason = new Error('out of memory');
    const { error, text } = await goOn(async function* () {
      yield chunk(' two thr', null);
      throw reason;
    });
    expect(text).toBe('one two thr');
    expect(error).toMatchObject({
      code: 'cloud_failed',
      cause: reason,
      details: { cause: 'cut', partial: text },
    });
  });

  it('may end without saying so: that is a failure too', async () => {
    const { error, finishes } = await goOn(async function* () {
      yield chunk(' two three', null);
    });
    expect(error).toMatchObject({ code: 'cloud_failed', details: { partial: 'one two three' } });
    expect(finishes).toEqual([]);
  });

  it('is asked again with all that was shown where it does not say the last word again', async () => {
    const prefixes: string[] = [];
    const { text, finishes } = await goOn(async function* (prefix) {
      prefixes.push(prefix);
      yield chunk(prefix === 'one' ? ' too' : ' and more.', 'stop');
    });
    expect(prefixes).toEqual(['one', 'one two']);
    expect([text, finishes]).toEqual(['one two and more.', ['stop']]);
  });
});

describe('tokens', () => {
  const SECRET = 'bearer-that-nobody-may-see';

  it('are asked for before each request, for the origin, and are in no error and no event', async () => {
    const audiences: string[] = [];
    const getToken = async (audience: string): Promise<string> => {
      audiences.push(audience);
      return `${SECRET}-${audiences.length}`;
    };
    const run = setUp({ getToken });
    run.cloud.failNext({ status: 500 }, { status: 401 });
    const { error } = await timed(run);
    expect(audiences).toEqual(['http://cloud.test', 'http://cloud.test']);
    expect(run.cloud.received.map(({ headers }) => headers['authorization'])).toEqual([
      `Bearer ${SECRET}-1`,
      `Bearer ${SECRET}-2`,
    ]);
    expect(JSON.stringify([error, String(error), run.events])).not.toContain(SECRET);
  });

  it('that cannot be had fail the request, which is not sent, with what the app threw as the cause', async () => {
    const thrown = new Error('mint is closed');
    const run = setUp({
      getToken: () => {
        throw thrown;
      },
    });
    const { error } = await timed(run);
    expect(error).toMatchObject({ code: 'cloud_failed', details: { cause: 'token' }, cause: thrown });
    expect(run.cloud.received).toEqual([]);
  });

  it('that cannot be had say nothing of the endpoint', async () => {
    const run = setUp({ getToken: () => Promise.reject(new Error('mint is closed')) });
    for (let i = 0; i < 4; i++) await timed(run);
    expect(run.provider.health().available).toBe(true);
  });

  it('that never come are waited for no longer than a connection', async () => {
    const timeouts = { connectMs: 1000, firstTokenMs: null, betweenTokensMs: null };
    const run = setUp({ getToken: () => new Promise<string>(() => undefined), timeouts });
    const { error, ms } = await timed(run);
    expect(error).toMatchObject({ details: { cause: 'timeout' } });
    expect(ms).toBe(3 * 1000 + 250 + 500);
  });
});

describe('what is learnt of an endpoint', () => {
  it('are its times: a stall is noticed after a multiple of what tokens took until then', async () => {
    const stalled = async (paceMs: number): Promise<number> => {
      const run = setUp({ continuation: null }, { paceMs });
      for (let i = 0; i < 25; i++) await timed(run, saying('one two three four'));
      run.cloud.failNext({ stall: 440 });
      const before = await timed(run, saying('one two three four'));
      expect(before.error).toMatchObject({ details: { cause: 'timeout' } });
      return before.ms;
    };
    expect(await stalled(10)).toBeLessThan(3_200);
    const slow = await stalled(4_000);
    expect(slow).toBeGreaterThan(12_000);
    expect(slow).toBeLessThan(30_000);
  });

  it('are delays and speed for predictions, and the most that a request may cost', async () => {
    const prices = { inputPerMillion: 2, outputPerMillion: 8, currency: 'EUR' };
    const run = setUp({ prices }, { paceMs: 50 });
    const ask = { promptTokens: 1000, maxTokens: 100 };
    expect(run.provider.predict(ask)).toEqual({ firstTokenMs: null, tokensPerSecond: null, cost: 0.0028 });
    await timed(run, saying('one two three four five six seven eight nine ten'));
    const { firstTokenMs, tokensPerSecond } = run.provider.predict(ask);
    // The headers, the opening event and the first token; then 50 ms each.
    expect(firstTokenMs).toBeGreaterThan(140);
    expect(firstTokenMs).toBeLessThan(160);
    expect(tokensPerSecond).toBeGreaterThan(19);
    expect(tokensPerSecond).toBeLessThan(21);
    expect(run.provider.predict({ promptTokens: 96, maxTokens: null }).cost).toBeCloseTo(
      (96 * 2 + 4000 * 8) / 1e6,
      12,
    );
  });
});

describe('leaving', () => {
  it('aborts the request, and says nothing of the endpoint', async () => {
    const { provider, cloud, options } = setUp();
    for (let i = 0; i < 4; i++) {
      for await (const { choices } of provider.chat(saying('one two three'), options))
        if (choices[0]?.delta.content) break;
    }
    expect(cloud.received.map(({ signal }) => signal?.aborted)).toEqual([true, true, true, true]);
    expect(provider.health().available).toBe(true);
  });

  it('while it waits to try again ends at once with the reason', async () => {
    const run = setUp();
    const controller = new AbortController();
    run.cloud.failNext({ status: 429, headers: { 'retry-after': '10' } });
    const options: ChatOptions = {
      ...run.options,
      signal: controller.signal,
      trace: ({ type }) => type === 'attempt-failed' && controller.abort('enough'),
    };
    const { error } = await collect(run.provider.chat(saying('Yes.'), options));
    expect(error).toBe('enough');
    expect(run.cloud.received).toHaveLength(1);
  });
});

describe('the answer', () => {
  it('has usage when it is told, that of the whole across a seam, and null where none is told', async () => {
    const request = saying('one two three four');
    const usageOf = async (...faults: Fault[]): Promise<unknown> => {
      const { provider, cloud, options } = setUp();
      cloud.failNext(...faults);
      const { chunks } = await collect(provider.chat(request, options));
      return chunks.at(-1)?.usage;
    };
    expect(await usageOf()).toMatchObject({ prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 });
    expect(await usageOf({ cut: 400 })).toMatchObject({ prompt_tokens: 10, completion_tokens: 4 });
    expect(await usageOf({ quiet: true })).toBeNull();
  });

  it('across a seam has no more tokens than were asked for', async () => {
    const { provider, cloud, options } = setUp();
    cloud.failNext({ cut: 400 });
    const request = saying('one two three four five six', { max_tokens: 4 });
    const { text, finishes } = await collect(provider.chat(request, options));
    expect([text, finishes]).toEqual(['one two three four', ['length']]);
  });

  it('of several choices is not continued, and fails with the text of the first', async () => {
    const { provider, cloud, options } = setUp();
    cloud.failNext({ cut: 400 });
    const { error, text } = await collect(provider.chat(saying('one two three four', { n: 2 }), options));
    expect(error).toMatchObject({ code: 'cloud_failed', details: { partial: text } });
    expect(text).not.toBe('');
  });
});
