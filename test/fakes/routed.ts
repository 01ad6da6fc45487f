/**
 * A routed client without a browser and without a network: the engine is the byte model's, endpoints are the fixture's in
 * this process, and all between them is real. What reached an endpoint is kept.
 */
import { createInProcessCloud } from '../../e2e/fixtures/cloud/in-process.ts';
import type { InProcessCloud } from '../../e2e/fixtures/cloud/in-process.ts';
import { readCloud } from '../../src/client/cloud-option.ts';
import type { CloudOption } from '../../src/client/cloud-option.ts';
import { createLocalFetch } from '../../src/client/local-fetch.ts';
import type { Fetch } from '../../src/client/local-fetch.ts';
import { readPolicy } from '../../src/client/policy-option.ts';
import type { PolicyOption } from '../../src/client/policy-option.ts';
import type { RouteEvent } from '../../src/client/route-events.ts';
import { createRouting } from '../../src/client/routing.ts';
import type { Routing } from '../../src/client/routing.ts';
import type { Detector } from '../../src/privacy/detection.ts';
import { textIds } from './byte-model.ts';
import { openClient } from './client.ts';
import type { FakeClient } from './client.ts';
import { createFakeDetector } from './detector.ts';
import { createVirtualClock } from './virtual-clock.ts';

export interface RoutedClient {
  routing: Routing;
  fetch: Fetch;
  events: RouteEvent[];
  cloud: InProcessCloud;
  local: FakeClient;
  /** Bodies as they were received. */
  received(): string[];
  setOnline(isOnline: boolean): void;
}

export interface RoutedSetup {
  policy?: PolicyOption;
  endpoints?: CloudOption[];
  detector?: Detector;
  /** What this device says. */
  answer?: (prompt: string) => string;
  /** What an endpoint says, from the request's body. */
  model?: Parameters<typeof createInProcessCloud>[0]['model'];
}

export const NEAR: CloudOption = {
  id: 'near',
  baseURL: 'https://near.test/v1',
  model: 'near-1',
  contextLength: 8192,
};
export const FAR: CloudOption = { ...NEAR, id: 'far', baseURL: 'https://far.test/v1', model: 'far-1' };

export async function openRouted({
  policy,
  endpoints = [NEAR, FAR],
  detector = createFakeDetector({}),
  answer = () => 'Said here.',
  model,
}: RoutedSetup = {}): Promise<RoutedClient> {
  const clock = createVirtualClock();
  const local = await openClient({ answer: (prompt) => textIds(answer(prompt)) });
  const { contextLength, model: info } = await local.client.info();
  const cloud = createInProcessCloud({ clock, ...(model ? { model } : {}) });
  const events: RouteEvent[] = [];
  let online = true;
  const { client } = local;
  const routing = createRouting(
    { endpoints: readCloud(endpoints), ...readPolicy(policy) },
    {
      local: {
        modelId: info.id,
        contextLength,
        createChat: (params, options) => client.chat.completions.create(params, options),
        createText: (params, options) => client.completions.create(params as never, options as never),
        countTokens: async (text) => (await client.tokenize(text)).length,
      },
      emit: (event) => events.push(event),
      openDetector: async () => detector,
      clock,
      network: (url, { method, body, headers, signal } = {}) =>
        cloud.send({
          url: String(url),
          method: method === 'POST' ? 'POST' : 'GET',
          headers: headers as Record<string, string>,
          body: body as string,
          signal: signal ?? undefined,
          purpose: 'chat',
          cover: { decisionId: '', hosts: [], classes: [], forbidden: { find: () => null } },
        }),
      random: () => 0.5,
      isOnline: () => online,
    },
  );
  return {
    routing,
    fetch: createLocalFetch({
      createChat: routing.createChat,
      createText: routing.createText,
      listModels: () => client.models.list(),
    }),
    events,
    cloud,
    local,
    received: () => cloud.received.map(({ body = '' }) => body),
    setOnline: (isOnline) => (online = isOnline),
  };
}
