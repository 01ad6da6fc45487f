import { describe, expect, test } from 'vitest';
import { openClient } from '../../test/fakes/client.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import { createByteModel } from '../../test/fakes/byte-model.ts';
import { createClient } from './client.ts';
import { readCloud } from './cloud-option.ts';
import { replay } from './load-routed.ts';
import { readPolicy } from './policy-option.ts';

const ENDPOINT = { id: 'a', baseURL: 'https://a.test/v1/', model: 'm', contextLength: 1000 };

describe('an endpoint', () => {
  test('has defaults for all that is left out', () => {
    expect(readCloud([ENDPOINT])).toEqual([
      {
        id: 'a',
        baseURL: 'https://a.test/v1',
        model: 'm',
        getToken: undefined,
        contextLength: 1000,
        capabilities: {
          contextLength: 1000,
          tools: true,
          json: true,
          images: false,
          logprobs: false,
          n: false,
          continues: 'no',
        },
        prices: null,
        capParameter: 'max_completion_tokens',
        continuation: null,
        timeouts: { connectMs: null, firstTokenMs: null, betweenTokensMs: null },
      },
    ]);
  });

  test('takes what it is given', () => {
    const [endpoint] = readCloud([
      {
        ...ENDPOINT,
        baseURL: new URL('http://127.0.0.1:8080/v1'),
        capabilities: { images: true, tools: false },
        prices: { inputPerMillion: 1, outputPerMillion: 2 },
        continuation: 'prefix',
        timeouts: { connectMs: 5 },
      },
    ]);
    expect(endpoint).toMatchObject({
      baseURL: 'http://127.0.0.1:8080/v1',
      capabilities: { images: true, tools: false, json: true, continues: 'prefix' },
      prices: { inputPerMillion: 1, outputPerMillion: 2, currency: 'USD' },
      timeouts: { connectMs: 5, firstTokenMs: null },
    });
  });

  test.each<[string, unknown, string]>([
    ['no list', ENDPOINT, 'cloud'],
    ['no object', ['a'], 'cloud[0]'],
    ['an id that means something else', [{ ...ENDPOINT, id: 'local' }], 'cloud[0].id'],
    ['two with one id', [ENDPOINT, ENDPOINT], 'cloud[1].id'],
    ['no address', [{ ...ENDPOINT, baseURL: undefined }], 'cloud[0].baseURL'],
    [
      'an address that can be read on the way',
      [{ ...ENDPOINT, baseURL: 'http://a.test/v1' }],
      'cloud[0].baseURL',
    ],
    ['an address with a password', [{ ...ENDPOINT, baseURL: 'https://a:b@a.test' }], 'cloud[0].baseURL'],
    ['no context length', [{ ...ENDPOINT, contextLength: null }], 'cloud[0].contextLength'],
    ['a key', [{ ...ENDPOINT, apiKey: 'sk-1' }], 'cloud[0].apiKey'],
    ['a token that is no function', [{ ...ENDPOINT, getToken: 'sk-1' }], 'cloud[0].getToken'],
    ['an unknown ability', [{ ...ENDPOINT, capabilities: { magic: true } }], 'cloud[0].capabilities.magic'],
    ['half a price', [{ ...ENDPOINT, prices: { inputPerMillion: 1 } }], 'cloud[0].prices.outputPerMillion'],
    ['a misspelt name', [{ ...ENDPOINT, modle: 'm' }], 'cloud[0].modle'],
  ])('is refused with %s', (_, cloud, param) => {
    expect(() => readCloud(cloud)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { param } }),
    );
  });

  test('with a key is refused without showing it', () => {
    expect(() => readCloud([{ ...ENDPOINT, apiKey: 'sk-1234' }])).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('sk-1234') }),
    );
  });
});

describe('a policy', () => {
  test('is complete, and its terms are no part of what is recorded', () => {
    const { policy, terms, sinks } = readPolicy({
      prefer: 'cheapest',
      terms: ['Falcon'],
      sinks: { code: 'personal' },
    });
    expect(policy).toEqual({
      cloud: 'allow',
      personal: 'redact',
      maxResidualRisk: 0.25,
      prefer: 'cheapest',
      sticky: 'conversations',
      continueLocally: true,
      maxCost: null,
      defaults: { text: 'personal', media: 'secret' },
      detectionTimeoutMs: 5000,
    });
    expect([terms, sinks]).toEqual([['Falcon'], { code: 'personal' }]);
  });

  test.each<[unknown, string]>([
    ['never', 'policy'],
    [{ clouds: 'never' }, 'policy.clouds'],
    [{ cloud: 'maybe' }, 'cloud'],
    [{ maxResidualRisk: 2 }, 'maxResidualRisk'],
    [{ defaults: 'public' }, 'policy.defaults'],
    [{ defaults: { text: 'hidden' } }, 'text'],
    [{ sinks: { screen: 'public' } }, 'policy.sinks.screen'],
  ])('%j is refused', (policy, param) => {
    expect(() => readPolicy(policy)).toThrow(expect.objectContaining({ details: { param } }));
  });

  test('with terms that are none is refused without showing them', () => {
    expect(() => readPolicy({ terms: ['Falcon', 7] })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('Falcon') }),
    );
  });
});

describe('a client', () => {
  test('that has a policy decides and says so; a decision can be made again from its record', async () => {
    const process = startInProcess({ model: createByteModel() });
    const client = await createClient({
      model: 'https://models.test/byte-model.gguf',
      worker: process.worker,
      policy: { cloud: 'never' },
      cloud: [{ ...ENDPOINT }],
    });
    const { selvedge } = await client.chat.completions.create({
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: 4,
    });
    expect(selvedge?.decision).toMatchObject({ plan: 'local', provider: 'local' });
    const record = selvedge?.decision.record;
    if (record) expect(await replay(record)).toEqual(selvedge.decision);
    expect(await client.privacy.ledger()).toEqual([]);
    client.close();
  });

  test('without a cloud explains that there is nobody else', async () => {
    const { client } = await openClient();
    const decision = await client.explain({ messages: [{ role: 'user', content: 'hi' }] });
    expect([decision.plan, decision.alternatives]).toEqual(['local', []]);
    const wish = {
      messages: [{ role: 'user' as const, content: 'hi' }],
      selvedge: { route: 'cloud' as const },
    };
    expect((await client.explain(wish)).plan).toBe('refuse');
    client.close();
  });

  test('with an endpoint that is none is refused before a model is loaded', async () => {
    const process = startInProcess({ loadModel: () => Promise.reject(new Error('it was loaded')) });
    const creating = createClient({
      model: 'https://models.test/byte-model.gguf',
      worker: process.worker,
      cloud: [{ ...ENDPOINT, baseURL: 'ftp://a.test' }],
    });
    await expect(creating).rejects.toMatchObject({ details: { param: 'cloud[0].baseURL' } });
  });
});
