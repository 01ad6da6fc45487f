import OpenAI from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import type { Reply } from '../../e2e/fixtures/cloud/scripted-model.mjs';
import { createFakeDetector } from '../../test/fakes/detector.ts';
import { FAR, NEAR, openRouted } from '../../test/fakes/routed.ts';
import type { RoutedClient, RoutedSetup } from '../../test/fakes/routed.ts';
import { replay } from '../router/decide.ts';
import { CompletionStream } from './completion-stream.ts';
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionParams, ChatMessageParam } from './types.ts';

const opened: RoutedClient[] = [];
afterEach(() => {
  for (const { local } of opened.splice(0)) local.client.close();
});

async function open(setup?: RoutedSetup): Promise<RoutedClient> {
  const routed = await openRouted(setup);
  opened.push(routed);
  return routed;
}

const NAMES = createFakeDetector({ 'Ada Lovelace': { kind: 'name' }, 'ada@example.org': { kind: 'email' } });
const CLOUD = { prefer: 'cloud' } as const;
const user = (content: string, more: Partial<ChatMessageParam> = {}): ChatMessageParam => ({
  role: 'user',
  content,
  ...more,
});

async function ask({ routing }: RoutedClient, params: ChatCompletionParams): Promise<ChatCompletion> {
  const answered = await routing.createChat(params);
  if (answered instanceof CompletionStream) throw new Error('no stream was asked for');
  return answered;
}

async function stream(
  { routing }: RoutedClient,
  params: ChatCompletionParams,
): Promise<CompletionStream<ChatCompletionChunk>> {
  const answered = await routing.createChat({ ...params, stream: true });
  if (!(answered instanceof CompletionStream)) throw new Error('a stream was asked for');
  return answered;
}

async function textOf(chunks: AsyncIterable<ChatCompletionChunk>): Promise<string> {
  let text = '';
  for await (const { choices } of chunks) text += choices.map(({ delta }) => delta.content ?? '').join('');
  return text;
}

const contentOf = ({ choices }: ChatCompletion): string | undefined => choices[0]?.message.content;
const planOf = ({ selvedge }: ChatCompletion): string =>
  `${selvedge?.decision.plan} ${selvedge?.decision.provider}`;

describe('a chat', () => {
  test('is answered here unless something else is wanted, and says so', async () => {
    const routed = await open();
    const answered = await ask(routed, { messages: [user('Hello?')], temperature: 0 });
    expect(contentOf(answered)).toBe('Said here.');
    expect(planOf(answered)).toBe('local local');
    expect(answered.selvedge?.decision.words).toBe('Answered on this device: nothing leaves it.');
    expect(routed.received()).toEqual([]);
  });

  test('that is answered here is answered as without a router, with several choices and logprobs too', async () => {
    const routed = await open();
    const request: ChatCompletionParams = {
      messages: [user('Hello?')],
      n: 2,
      logprobs: true,
      top_logprobs: 2,
      seed: 5,
      max_tokens: 6,
      temperature: 0.5,
    };
    const plain = await routed.local.client.chat.completions.create({ ...request, stream: false });
    const { selvedge: _decision, ...answered } = await ask(routed, request);
    const sameOf = ({ choices, usage, seed, model, system_fingerprint }: ChatCompletion): object => ({
      choices,
      usage: { ...usage, prompt_tokens_details: null },
      seed,
      model,
      system_fingerprint,
    });
    expect(sameOf(answered)).toEqual(sameOf(plain));
    expect(Object.keys(answered).sort()).toEqual(Object.keys(plain).sort());
    expect(answered.choices).toHaveLength(2);
  });

  test('that is public may go to an endpoint, without labels and without the selvedge field', async () => {
    const routed = await open({ policy: CLOUD });
    const messages = [user('say: It is blue.', { privacy: 'public' })];
    const answered = await ask(routed, {
      messages,
      user: 'me',
      metadata: { a: 'b' },
      selvedge: { maxCost: null },
    });
    expect([contentOf(answered), planOf(answered)]).toEqual(['It is blue.', 'cloud near']);
    expect(answered.timings.predicted_n).toBe(answered.usage.completion_tokens);
    const [body = ''] = routed.received();
    expect(Object.keys(JSON.parse(body) as object).sort()).toEqual([
      'messages',
      'model',
      'stream',
      'stream_options',
    ]);
    expect(JSON.parse(body)).toMatchObject({ messages: [{ role: 'user', content: 'say: It is blue.' }] });
    expect(body).not.toMatch(/privacy|selvedge|public|metadata/);
  });

  test('that is personal leaves redacted and comes back restored, streaming or not', async () => {
    const routed = await open({ policy: CLOUD, detector: NAMES });
    const said = 'Dear Ada Lovelace, write to ada@example.org.';
    const request = { messages: [user(`say: ${said}`)] };
    const answered = await ask(routed, request);
    expect([contentOf(answered), planOf(answered)]).toEqual([said, 'cloud-redacted near']);
    expect(await textOf(await stream(routed, request))).toBe(said);
    expect(routed.received().join()).not.toMatch(/Ada|Lovelace|example\.org/);
    expect(routed.received()[0]).toMatch(/PERSON-\w+-\d+.*EMAIL-\w+-\d+/);
  });

  test('that is secret stays, and so does what was answered to it, over three turns of the openai package', async () => {
    const routed = await open({ policy: CLOUD, answer: () => 'The code of the safe is four seven one one.' });
    const openai = new OpenAI({ fetch: routed.fetch, apiKey: '-', baseURL: 'http://selvedge.local/v1' });
    const say = async (messages: OpenAI.ChatCompletionMessageParam[], more: object = {}): Promise<string> => {
      const answered = await openai.chat.completions.create({
        model: 'auto',
        messages,
        temperature: 0,
        ...more,
      });
      return answered.choices[0]?.message.content ?? '';
    };
    const first = [{ role: 'user' as const, content: 'My safe opens with 4711, remember that.' }];
    const second = await say(first, { selvedge: { privacy: 'secret' } });
    const third = [
      ...first,
      { role: 'assistant' as const, content: second },
      { role: 'user' as const, content: 'Thanks.' },
    ];
    const fourth = await say(third);
    // In another conversation, and as somebody else's words.
    await say([{ role: 'user', content: `What does this mean: ${fourth}` }]);
    expect(routed.received()).toEqual([]);
    const plans = routed.events.flatMap((event) =>
      event.type === 'route-decide' ? [event.decision.plan] : [],
    );
    expect(plans).toEqual(['local', 'local', 'local']);
    await say([{ role: 'user', content: 'say: Something else.' }], { selvedge: { privacy: 'public' } });
    expect(routed.received()).toHaveLength(1);
  });

  test('streams through client.fetch, restored, and a break in mid-stream is an error there too', async () => {
    const routed = await open({ detector: NAMES, policy: { continueLocally: false }, endpoints: [NEAR] });
    const openai = new OpenAI({
      fetch: routed.fetch,
      apiKey: '-',
      baseURL: 'http://selvedge.local/v1',
      maxRetries: 0,
    });
    const said = 'Ada Lovelace wrote the first program, long before there was a machine.';
    const read = async (): Promise<string> => {
      let text = '';
      const messages = [{ role: 'user' as const, content: `say: ${said}` }];
      for await (const { choices } of await openai.chat.completions.create({
        model: 'near',
        messages,
        stream: true,
      })) {
        text += choices[0]?.delta.content ?? '';
      }
      return text;
    };
    expect(await read()).toBe(said);
    routed.cloud.failNext({ cut: 900 }, { status: 401 });
    await expect(read()).rejects.toMatchObject({ code: 'cloud_failed' });
    expect(routed.received().join()).not.toMatch(/Ada|Lovelace/);
  });

  test('is refused with a code where nobody may answer it', async () => {
    const routed = await open();
    const messages = [user('My secret.', { privacy: 'secret' })];
    const params = { messages, selvedge: { route: 'cloud' as const } };
    await expect(ask(routed, params)).rejects.toMatchObject({
      code: 'no_route',
      details: { gate: 'labels' },
    });
    const response = await routed.fetch('http://selvedge.local/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(params),
    });
    expect([response.status, await response.json()]).toMatchObject([403, { error: { code: 'no_route' } }]);
    expect(routed.received()).toEqual([]);
  });

  test.each([
    ['fails', createFakeDetector({}, { fails: true }), 'failed'],
    ['finds too little of what is there', createFakeDetector({}, { residualRisk: 0.9 }), 'done'],
  ])('stays when the search for personal things %s', async (_, detector, state) => {
    const routed = await open({ policy: CLOUD, detector });
    const answered = await ask(routed, { messages: [user('Something.')], temperature: 0 });
    expect(planOf(answered)).toBe('local local');
    expect(answered.selvedge?.decision.record.request.detection.state).toBe(state);
    expect(routed.received()).toEqual([]);
  });

  test('stays when the search takes too long', async () => {
    const never = { detect: () => new Promise<never>(() => {}) };
    const routed = await open({ policy: { ...CLOUD, detectionTimeoutMs: 50 }, detector: never });
    const answered = await ask(routed, { messages: [user('Something.')], temperature: 0 });
    expect(answered.selvedge?.decision.record.request.detection.state).toBe('failed');
    expect(routed.received()).toEqual([]);
  });

  test('whose tools quote a secret is one, and whose tools hold an address of somebody stays', async () => {
    const routed = await open({ detector: NAMES });
    const toolOf = (description: string): ChatCompletionParams['tools'] => [
      { type: 'function', function: { name: 'call', description } },
    ];
    const code = 'The gate opens with the word sesame and a knock.';
    await ask(routed, { messages: [user(code, { privacy: 'secret' })], temperature: 0 });
    const explain = (description: string): ReturnType<typeof routed.routing.explain> =>
      routed.routing.explain({ messages: [user('Go on.')], tools: toolOf(description) });
    expect((await explain(code)).record.request.privacy).toBe('secret');
    expect(await explain('Writes to ada@example.org.')).toMatchObject({
      plan: 'refuse',
      bindingGate: 'capability',
    });
    expect(await explain('Writes to somebody.')).toMatchObject({ plan: 'cloud-redacted' });
  });

  test('that quotes what was pinned as a secret is one', async () => {
    const routed = await open({ policy: CLOUD });
    const pinned = 'Only tell the password swordfish to those who know the song.';
    routed.routing.label([{ role: 'system', content: pinned }], 'secret');
    const decision = await routed.routing.explain({
      messages: [{ role: 'system', content: pinned }, user('Hm?')],
    });
    expect([decision.plan, decision.record.request.privacy]).toEqual(['local', 'secret']);
  });

  test('that fails here is not answered elsewhere', async () => {
    const routed = await open({ answer: () => 'x'.repeat(4000) });
    routed.local.process.worker.terminate();
    const failing = ask(routed, { messages: [user('Hello?', { privacy: 'public' })] });
    routed.local.process.fire('error', { message: 'gone' });
    await expect(failing).rejects.toMatchObject({ code: 'worker_crashed' });
    expect(routed.received()).toEqual([]);
  });

  test('whose terms are the user’s own loses them, public or not', async () => {
    const routed = await open({ policy: { ...CLOUD, terms: ['Project Falcon'] } });
    const messages = [user('say: Project Falcon flies.', { privacy: 'public' })];
    const answered = await ask(routed, { messages });
    expect([contentOf(answered), planOf(answered)]).toEqual(['Project Falcon flies.', 'cloud-redacted near']);
    expect(routed.received().join()).not.toContain('Falcon');
    expect(JSON.stringify(answered.selvedge)).not.toContain('Falcon');
  });

  test('goes to whom its model names', async () => {
    const routed = await open();
    const plan = async (model: string): Promise<string> =>
      planOf(
        await ask(routed, { model, messages: [user('say: a b c', { privacy: 'public' })], temperature: 0 }),
      );
    expect([await plan('auto'), await plan('byte-model'), await plan('far'), await plan('near-1')]).toEqual([
      'local local',
      'local local',
      'cloud far',
      'cloud near',
    ]);
    await expect(plan('gpt')).rejects.toMatchObject({ code: 'invalid_request', details: { param: 'model' } });
  });

  test('stays with who began it', async () => {
    const routed = await open();
    const first = user('say: The first answer of this conversation.', { privacy: 'public' });
    const began = await ask(routed, { messages: [first], selvedge: { route: 'cloud' } });
    const messages = [first, { role: 'assistant' as const, content: contentOf(began) ?? '' }, user('say: b')];
    expect(planOf(await ask(routed, { messages }))).toBe('cloud-redacted near');
    expect(planOf(await ask(routed, { messages: [user('say: b')], temperature: 0 }))).toBe('local local');
  });

  test('with tools goes on with who called them, and knows its aliases again', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'look_up' } }];
    const toolCalls = [{ name: 'look_up', arguments: '{"of":"her"}' }];
    const model = (): Reply => ({ tokens: [], toolCalls, finish: 'tool_calls', promptTokens: 1 });
    const routed = await open({ detector: NAMES, model });
    const question = user('Where does Ada Lovelace live?');
    const called = await ask(routed, { messages: [question], tools });
    expect([planOf(called), called.choices[0]?.finish_reason]).toEqual(['cloud-redacted near', 'tool_calls']);
    const calls = called.choices[0]?.message.tool_calls ?? [];
    expect(calls[0]?.function.name).toBe('look_up');
    const messages: ChatMessageParam[] = [
      question,
      { role: 'assistant', content: contentOf(called) ?? null, tool_calls: calls },
      { role: 'tool', tool_call_id: calls[0]?.id ?? '', content: 'Ada Lovelace: London.' },
    ];
    const answered = await ask(routed, { messages, tools });
    expect(answered.selvedge?.decision.record.request.begunBy).toEqual({
      provider: 'near',
      what: 'tool-loop',
    });
    const aliases = routed.received().map((body) => new Set(body.match(/PERSON-\w+-\d+/g)));
    expect(aliases[1]).toEqual(aliases[0]);
    expect(aliases[0]?.size).toBe(1);
  });
});

describe('an answer', () => {
  const publicly = (text: string): ChatCompletionParams => ({
    messages: [user(`say: ${text}`, { privacy: 'public' })],
  });
  const TEXT = 'One two three four five six seven eight nine ten.';

  test('streams as chunks do: decision first, usage only when it is asked for, timings at the end', async () => {
    const routed = await open({ policy: CLOUD });
    for (const include_usage of [false, true]) {
      const chunks: ChatCompletionChunk[] = [];
      const params = { ...publicly(TEXT), stream_options: { include_usage } };
      for await (const chunk of await stream(routed, params)) chunks.push(chunk);
      expect(chunks.map(({ selvedge }) => Boolean(selvedge))).toEqual(chunks.map((_, i) => i === 0));
      expect(chunks.filter(({ timings }) => timings).map(({ choices }) => choices[0]?.finish_reason)).toEqual(
        ['stop'],
      );
      expect(chunks.some((chunk) => 'usage' in chunk)).toBe(include_usage);
      expect(chunks.at(-1)?.choices.length).toBe(include_usage ? 0 : 1);
    }
  });

  test('comes from the next endpoint when the first one cannot', async () => {
    const routed = await open({ policy: CLOUD });
    routed.cloud.failNext({ status: 401 });
    const answered = await ask(routed, publicly(TEXT));
    expect(contentOf(answered)).toBe(TEXT);
    expect(routed.cloud.received.map(({ url }) => new URL(url).host)).toEqual(['near.test', 'far.test']);
    const end = routed.events.find((event) => event.type === 'route-end');
    expect(end).toMatchObject({ outcome: 'done', provider: 'far' });
  });

  test('comes from here when no endpoint can, where the policy lets it and the request does not say otherwise', async () => {
    const routed = await open({ policy: CLOUD, endpoints: [NEAR] });
    const params = { ...publicly(TEXT), temperature: 0 };
    routed.cloud.failNext({ status: 401 });
    expect(contentOf(await ask(routed, params))).toBe('Said here.');
    expect(routed.events.find((event) => event.type === 'route-end')).toMatchObject({ provider: 'local' });
    routed.cloud.failNext({ status: 401 });
    const only = ask(routed, { ...params, selvedge: { route: 'cloud' } });
    await expect(only).rejects.toMatchObject({ code: 'cloud_failed' });
  });

  test('that breaks off is gone on with here, where the policy lets it', async () => {
    const routed = await open({ policy: CLOUD, endpoints: [NEAR], answer: () => TEXT });
    routed.cloud.failNext({ cut: 900 }, { status: 401 });
    const answered = await ask(routed, { ...publicly(TEXT), temperature: 0 });
    expect(contentOf(answered)).toBe(TEXT);
    const events = routed.events.flatMap((event) => (event.type === 'route-provider' ? [event.event] : []));
    expect(events.filter(({ type }) => type === 'seam')).toMatchObject([{ from: 'near', provider: 'local' }]);
  });

  test('that breaks off for good is an error with what had come, restored', async () => {
    const routed = await open({
      policy: { ...CLOUD, continueLocally: false },
      endpoints: [NEAR],
      detector: NAMES,
    });
    routed.cloud.failNext({ cut: 900 }, { status: 401 });
    const answered = await stream(routed, { messages: [user(`say: Ada Lovelace wrote: ${TEXT}`)] });
    let shown = '';
    const reading = (async () => {
      for await (const { choices } of answered) shown += choices[0]?.delta.content ?? '';
    })();
    const error = await reading.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'cloud_failed' });
    const { partial } = (error as { details: { partial: string } }).details;
    expect(`Ada Lovelace wrote: ${TEXT}`.startsWith(partial)).toBe(true);
    expect(partial).toMatch(/^Ada Lovelace wrote/);
    expect(partial.startsWith(shown)).toBe(true);
    expect(routed.events.find((event) => event.type === 'route-end')).toMatchObject({ outcome: 'failed' });
  });

  test('that is left stops, and what was shown of it is remembered', async () => {
    const routed = await open({
      answer: () => 'The treasure lies behind the old mill at the river, three steps north.',
    });
    const answered = await stream(routed, {
      messages: [user('Where?', { privacy: 'secret' })],
      temperature: 0,
    });
    let shown = '';
    const wish = (text: string): ChatCompletionParams => ({
      messages: [user(`say: ${text}`)],
      selvedge: { route: 'cloud' },
    });
    for await (const { choices } of answered) {
      shown += choices[0]?.delta.content ?? '';
      if (shown.length > 50) break;
    }
    // Also while the rest of it still comes.
    expect((await routed.routing.explain(wish(shown))).plan).toBe('refuse');
    expect(routed.events.at(-1)).toMatchObject({ type: 'route-end', outcome: 'aborted' });
    const { plan, record } = await routed.routing.explain(wish(shown));
    expect([plan, record.request.privacy]).toEqual(['refuse', 'secret']);
  });

  test('rejects with the reason of its signal', async () => {
    const routed = await open({ policy: CLOUD });
    const reason = new Error('enough');
    const create = routed.routing.createChat(publicly(TEXT), { signal: AbortSignal.abort(reason) });
    await expect(create).rejects.toBe(reason);
    const controller = new AbortController();
    const params = { ...publicly(TEXT), stream: true };
    const answered = (await routed.routing.createChat(params, {
      signal: controller.signal,
    })) as AsyncIterable<unknown>;
    const reading = (async () => {
      for await (const _ of answered) controller.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
  });
});

describe('what is told of it', () => {
  test('explain decides and sends nothing, and a record gives the same decision', async () => {
    const routed = await open({ policy: CLOUD, detector: NAMES });
    const decision = await routed.routing.explain({ messages: [user('I am Ada Lovelace.')] });
    expect(decision).toMatchObject({ plan: 'cloud-redacted', provider: 'near' });
    expect(decision.record.request.detection.findings).toEqual({ name: 1 });
    expect(
      JSON.stringify(replay(JSON.parse(JSON.stringify(decision.record)) as typeof decision.record)),
    ).toBe(JSON.stringify(decision));
    expect(routed.received()).toEqual([]);
    expect(routed.events).toEqual([]);
  });

  test('events, decisions and the ledger hold nothing of what was said', async () => {
    const routed = await open({ policy: CLOUD, detector: NAMES });
    await ask(routed, { messages: [user('say: Ada Lovelace likes zebras.')] });
    const ledger = await routed.routing.privacy.ledger();
    expect(ledger).toMatchObject([
      { outcome: 'sent', purpose: 'chat', host: 'near.test', labels: ['public', 'personal'] },
    ]);
    expect(ledger[0]?.bytes).toBeGreaterThan(100);
    expect(routed.events.map(({ type }) => type)).toEqual([
      'route-decide',
      'route-provider',
      'route-egress',
      'route-provider',
      'route-end',
    ]);
    expect(JSON.stringify([ledger, routed.events])).not.toMatch(/Ada|Lovelace|zebras|say:/);
  });

  test('declassifying is an act that is recorded', async () => {
    const routed = await open({ policy: CLOUD });
    const text = 'The meeting is on Tuesday at noon in the big hall.';
    await ask(routed, { messages: [user(text, { privacy: 'secret' })], temperature: 0 });
    const again = { messages: [user(`say: ${text}`)] };
    expect((await routed.routing.explain(again)).record.request.privacy).toBe('secret');
    await routed.routing.privacy.declassify(text, 'public', 'It was announced.');
    expect((await routed.routing.explain(again)).record.request.privacy).toBe('personal');
    expect(await routed.routing.privacy.declassifications()).toMatchObject([
      { from: 'secret', to: 'public', reason: 'It was announced.' },
    ]);
  });
});

test('raw completions stay, and what they say of a secret is one', async () => {
  const routed = await open({
    policy: CLOUD,
    answer: () => 'The vault is opened by turning left twice and right once.',
  });
  const answered = (await routed.routing.createText({
    prompt: 'The way into the vault|',
    selvedge: { privacy: 'secret' },
    max_tokens: 60,
    temperature: 0,
  })) as { choices: { text: string }[] };
  const said = answered.choices[0]?.text ?? '';
  expect(said).toContain('turning left twice');
  const { record } = await routed.routing.explain({ messages: [user(`Explain: ${said}`)] });
  expect(record.request.privacy).toBe('secret');
  expect(routed.received()).toEqual([]);
});

test('without a network the device answers, and an endpoint is named as what it is', async () => {
  const routed = await open({ policy: CLOUD, endpoints: [FAR] });
  routed.setOnline(false);
  const params = { messages: [user('say: a', { privacy: 'public' })], temperature: 0 };
  expect(planOf(await ask(routed, params))).toBe('local local');
  const only = ask(routed, { ...params, model: 'far' });
  await expect(only).rejects.toMatchObject({ code: 'no_route', details: { gate: 'offline' } });
});
