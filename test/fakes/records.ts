/** Decision records with every value stated, and random ones: tests name only what they are about. */
import fc from 'fast-check';
import type {
  DecisionRecord,
  Policy,
  ProviderSignals,
  RequestFacts,
  RequestNeeds,
} from '../../src/router/decision.ts';

export const LOCAL: ProviderSignals = {
  id: 'local',
  kind: 'local',
  capabilities: {
    contextLength: 4096,
    tools: false,
    json: false,
    images: false,
    logprobs: true,
    n: true,
    continues: 'no',
  },
  needsNetwork: false,
  available: true,
  unavailableWords: null,
  prediction: { firstTokenMs: null, tokensPerSecond: null, cost: 0 },
};

export function endpoint(id: string, more: Partial<ProviderSignals> = {}): ProviderSignals {
  const capabilities = { ...LOCAL.capabilities, contextLength: 128_000, tools: true, json: true };
  return {
    ...LOCAL,
    id,
    kind: 'cloud',
    needsNetwork: true,
    capabilities,
    prediction: { ...LOCAL.prediction, cost: null },
    ...more,
  };
}

export const POLICY: Policy = {
  cloud: 'allow',
  personal: 'redact',
  maxResidualRisk: 0.1,
  prefer: 'local',
  sticky: 'conversations',
  continueLocally: true,
  maxCost: null,
  defaults: { text: 'personal', media: 'secret' },
  detectionTimeoutMs: 2000,
};

export const NEEDS: RequestNeeds = {
  tools: false,
  json: false,
  images: false,
  logprobs: false,
  n: false,
  engine: false,
};

export const PUBLIC: RequestFacts = {
  privacy: 'public',
  parts: { public: 1, personal: 0, secret: 0 },
  detection: { state: 'done', findings: {}, protectedCount: 0, unredactableCount: 0, residualRisk: 0 },
  promptTokens: 100,
  maxTokens: null,
  needs: NEEDS,
  route: 'auto',
  named: null,
  deadlineMs: null,
  maxCost: null,
  begunBy: null,
  mayDropTurns: false,
};

export function record({
  request = {},
  policy = {},
  providers = [LOCAL, endpoint('a'), endpoint('b')],
  online = true,
}: {
  request?: Partial<RequestFacts>;
  policy?: Partial<Policy>;
  providers?: ProviderSignals[];
  online?: boolean;
} = {}): DecisionRecord {
  return {
    version: 1,
    id: 'decision-1',
    time: 1_764_000_000_000,
    requestHash: '00',
    request: { ...PUBLIC, ...request },
    signals: { online, providers },
    policy: { ...POLICY, ...policy },
  };
}

const privacy = fc.constantFrom('public', 'personal', 'secret');
const number = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }));
const abilities = {
  tools: fc.boolean(),
  json: fc.boolean(),
  images: fc.boolean(),
  logprobs: fc.boolean(),
  n: fc.boolean(),
};

const provider = (id: string, kind: ProviderSignals['kind']): fc.Arbitrary<ProviderSignals> =>
  fc.record({
    id: fc.constant(id),
    kind: fc.constant(kind),
    capabilities: fc.record({
      contextLength: fc.integer({ min: 16, max: 200_000 }),
      ...abilities,
      continues: fc.constantFrom('always', 'prefix', 'no'),
    }),
    needsNetwork: fc.constant(kind === 'cloud'),
    available: fc.boolean(),
    unavailableWords: fc.option(fc.string()),
    prediction: fc.record({ firstTokenMs: number, tokensPerSecond: number, cost: number }),
  });

/** Any request under any policy in any state of things. */
export const anyRecord: fc.Arbitrary<DecisionRecord> = fc.record({
  version: fc.constant(1),
  id: fc.string(),
  time: fc.nat(),
  requestHash: fc.string(),
  request: fc.record({
    privacy,
    parts: fc.record({ public: fc.nat(9), personal: fc.nat(9), secret: fc.nat(9) }),
    detection: fc.record({
      state: fc.constantFrom('none', 'done', 'failed'),
      findings: fc.dictionary(fc.constantFrom('card', 'email', 'term'), fc.nat(9)),
      protectedCount: fc.nat(2),
      unredactableCount: fc.nat(1),
      residualRisk: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    promptTokens: fc.nat(200_000),
    maxTokens: fc.option(fc.integer({ min: 1, max: 10_000 })),
    needs: fc.record({ ...abilities, engine: fc.boolean() }),
    route: fc.constantFrom('auto', 'local', 'cloud'),
    named: fc.option(fc.constantFrom('local', 'a', 'b')),
    deadlineMs: number,
    maxCost: number,
    begunBy: fc.option(
      fc.record({
        provider: fc.constantFrom('local', 'a', 'b', 'gone'),
        what: fc.constantFrom('conversation', 'tool-loop'),
      }),
    ),
    mayDropTurns: fc.boolean(),
  }),
  signals: fc.record({
    online: fc.boolean(),
    providers: fc.tuple(provider('local', 'local'), provider('a', 'cloud'), provider('b', 'cloud')),
  }),
  policy: fc.record({
    cloud: fc.constantFrom('allow', 'never'),
    personal: fc.constantFrom('redact', 'never'),
    maxResidualRisk: fc.double({ min: 0, max: 1, noNaN: true }),
    prefer: fc.constantFrom('local', 'cloud', 'fastest', 'cheapest'),
    sticky: fc.constantFrom('conversations', 'tool-loops', 'off'),
    continueLocally: fc.boolean(),
    maxCost: number,
    defaults: fc.record({ text: privacy, media: privacy }),
    detectionTimeoutMs: fc.nat(),
  }),
});
