import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyRecord, endpoint, LOCAL, NEEDS, PUBLIC, record } from '../../test/fakes/records.ts';
import { decide, replay } from './decide.ts';
import type { Decision, DecisionRecord, Gate } from './decision.ts';
import { askGates, GATE_ORDER } from './gates.ts';

type Parts = Parameters<typeof record>[0];

const choose = (parts: Parts): string => {
  const { plan, provider } = decide(record(parts));
  return provider === null ? plan : `${plan} ${provider}`;
};
const vetoesOf = ({ reasons }: Decision): Set<Gate> =>
  new Set(reasons.filter(({ verdict }) => verdict === 'veto').map(({ gate }) => gate));

const personal = { privacy: 'personal', parts: { public: 0, personal: 1, secret: 0 } } as const;
const secret = { privacy: 'secret', parts: { public: 0, personal: 0, secret: 1 } } as const;
const risk = (residualRisk: number) => ({ detection: { ...PUBLIC.detection, residualRisk } });
const cloud = { prefer: 'cloud' } as const;

describe('what is decided', () => {
  test.each<[string, Parts, string]>([
    ['this device first, unless the policy says otherwise', {}, 'local local'],
    ['the first endpoint where the cloud is preferred', { policy: cloud }, 'cloud a'],
    ['the cloud where the request asks for it', { request: { route: 'cloud' } }, 'cloud a'],
    ['the endpoint that the request names', { request: { named: 'b' } }, 'cloud b'],
    [
      'this device where the request asks for it',
      { request: { route: 'local' }, policy: cloud },
      'local local',
    ],
    ['personal text is redacted', { request: personal, policy: cloud }, 'cloud-redacted a'],
    [
      'personal text stays where the policy says so',
      { request: personal, policy: { ...cloud, personal: 'never' } },
      'local local',
    ],
    [
      'personal text stays where too much may be left',
      { request: { ...personal, ...risk(0.2) }, policy: cloud },
      'local local',
    ],
    ['what is secret stays', { request: secret, policy: cloud }, 'local local'],
    ['what is secret is refused rather than sent', { request: { ...secret, route: 'cloud' } }, 'refuse'],
    ['tools need an endpoint', { request: { needs: { ...NEEDS, tools: true } } }, 'cloud a'],
    ['secret tools have none', { request: { ...secret, needs: { ...NEEDS, tools: true } } }, 'refuse'],
    [
      "the engine's own parameters need the engine",
      { request: { needs: { ...NEEDS, engine: true } }, policy: cloud },
      'local local',
    ],
    ['a long prompt needs an endpoint', { request: { promptTokens: 5000 } }, 'cloud a'],
    [
      'a long prompt may be shortened here',
      { request: { promptTokens: 5000, mayDropTurns: true } },
      'local local',
    ],
    ['an answer needs room too', { request: { promptTokens: 4000, maxTokens: 97 } }, 'cloud a'],
    ['without a network this device answers', { policy: cloud, online: false }, 'local local'],
    [
      'an endpoint that is down is passed by',
      { policy: cloud, providers: [LOCAL, endpoint('a', { available: false }), endpoint('b')] },
      'cloud b',
    ],
    ['an unknown price is too high for a limit', { request: { maxCost: 1 }, policy: cloud }, 'local local'],
    [
      'a known price may fit',
      { request: { maxCost: 1 }, policy: cloud, providers: [LOCAL, endpoint('a'), priced('b', 0.5)] },
      'cloud b',
    ],
    [
      "the policy's limit holds for every request",
      { policy: { ...cloud, maxCost: 0.1 }, providers: [LOCAL, priced('b', 0.5)] },
      'local local',
    ],
    [
      'the cheapest',
      {
        policy: { prefer: 'cheapest' },
        request: { route: 'cloud' },
        providers: [LOCAL, priced('a', 2), priced('b', 1)],
      },
      'cloud b',
    ],
    [
      'the fastest',
      {
        policy: { prefer: 'fastest' },
        providers: [paced(LOCAL, 10), paced(endpoint('a'), 50), endpoint('b')],
      },
      'cloud a',
    ],
    [
      'who will be ready in time',
      {
        request: { deadlineMs: 10_000, maxTokens: 100 },
        providers: [paced(LOCAL, 5), paced(endpoint('a'), 50)],
      },
      'cloud a',
    ],
    [
      'public text with ids in it goes without them',
      {
        policy: cloud,
        request: { detection: { ...PUBLIC.detection, protectedCount: 1, residualRisk: 1 } },
      },
      'cloud-redacted a',
    ],
    [
      'nothing leaves when the search failed',
      {
        policy: cloud,
        request: { detection: { ...PUBLIC.detection, state: 'failed' } },
      },
      'local local',
    ],
    [
      'a conversation stays where it began',
      { request: { begunBy: { provider: 'b', what: 'conversation' } } },
      'cloud b',
    ],
    [
      'it comes home when it has to',
      { request: { ...secret, begunBy: { provider: 'b', what: 'conversation' } } },
      'local local',
    ],
    [
      'it does not leave home by itself',
      { request: { promptTokens: 5000, begunBy: { provider: 'local', what: 'conversation' } } },
      'refuse',
    ],
    [
      'it leaves when the request says so',
      { request: { route: 'cloud', begunBy: { provider: 'local', what: 'conversation' } } },
      'cloud a',
    ],
    [
      'it may where the policy lets it',
      {
        request: { promptTokens: 5000, begunBy: { provider: 'local', what: 'conversation' } },
        policy: { sticky: 'tool-loops' },
      },
      'cloud a',
    ],
    [
      'a tool loop stays where it is',
      {
        request: {
          ...secret,
          needs: { ...NEEDS, tools: true },
          begunBy: { provider: 'b', what: 'tool-loop' },
        },
      },
      'refuse',
    ],
    [
      'nothing is bound where the policy says so',
      { request: { begunBy: { provider: 'b', what: 'tool-loop' } }, policy: { sticky: 'off' } },
      'local local',
    ],
  ])('%s', (_, parts, chosen) => {
    expect(choose(parts)).toBe(chosen);
  });

  test('every gate can veto, and says why in words and as data', () => {
    const all = decide(
      record({
        request: {
          ...secret,
          route: 'local',
          promptTokens: 1e6,
          needs: { ...NEEDS, images: true },
          maxCost: 0,
          begunBy: { provider: 'gone', what: 'tool-loop' },
        },
        online: false,
      }),
    );
    expect([...vetoesOf(all)].sort()).toEqual([...GATE_ORDER].sort());
    for (const { words, data } of all.reasons) {
      expect(words).toMatch(/^[A-Z'].*\.$/);
      const isPlain = (value: unknown): boolean =>
        value === null || ['string', 'number', 'boolean'].includes(typeof value);
      expect(Object.values(data).every(isPlain)).toBe(true);
    }
  });

  test('a refusal names the gate that left nothing, and each reason once', () => {
    const refused = decide(record({ request: { ...secret, route: 'cloud' } }));
    expect(refused.bindingGate).toBe('labels');
    expect(refused.words).toBe(
      'Nobody may or can answer. This device: The request asks for the cloud. ' +
        "'a': The request holds something secret, which never leaves. " +
        "'b': The request holds something secret, which never leaves.",
    );
  });

  test('other endpoints stand by for the same kind of plan', () => {
    expect(decide(record({ policy: cloud })).fallbacks).toEqual([{ kind: 'cloud', provider: 'b' }]);
    expect(decide(record({ policy: cloud, request: personal })).fallbacks).toEqual([
      { kind: 'cloud-redacted', provider: 'b' },
    ]);
  });
});

function priced(id: string, cost: number): ReturnType<typeof endpoint> {
  return endpoint(id, { prediction: { ...LOCAL.prediction, cost } });
}

function paced(one: ReturnType<typeof endpoint>, tokensPerSecond: number): ReturnType<typeof endpoint> {
  return { ...one, prediction: { ...one.prediction, firstTokenMs: 100, tokensPerSecond } };
}

describe('whatever the request, the policy and the state of things', () => {
  const holds = (law: (decision: Decision, from: DecisionRecord) => void): void =>
    fc.assert(
      fc.property(anyRecord, (from) => law(decide(from), from)),
      { numRuns: 300 },
    );
  const leaving = ({ plan, provider, alternatives, fallbacks }: Decision): { kind: string }[] => [
    ...(provider === null ? [] : [{ kind: plan }]),
    ...alternatives,
    ...fallbacks,
  ];

  test('what is secret has no plan that leaves', () => {
    holds((decision, { request }) => {
      if (request.privacy !== 'secret') return;
      expect(leaving(decision).filter(({ kind }) => kind !== 'local')).toEqual([]);
    });
  });

  test('what is personal leaves only redacted, only after a search, and only with little risk', () => {
    holds((decision, { request, policy }) => {
      if (request.privacy !== 'personal') return;
      const kinds = leaving(decision).map(({ kind }) => kind);
      expect(kinds).not.toContain('cloud');
      if (!kinds.includes('cloud-redacted')) return;
      expect(policy).toMatchObject({ cloud: 'allow', personal: 'redact' });
      expect(request.detection).toMatchObject({ state: 'done', unredactableCount: 0 });
      expect(request.detection.residualRisk).toBeLessThanOrEqual(policy.maxResidualRisk);
    });
  });

  test('what stays has no fallback that leaves, and fallbacks leave in the same way', () => {
    holds(({ plan, fallbacks }) => {
      if (plan === 'local' || plan === 'refuse') expect(fallbacks).toEqual([]);
      expect(fallbacks.every(({ kind }) => kind === plan)).toBe(true);
    });
  });

  test('these laws are the gates’: without the one that looks at labels each of them is broken', () => {
    const isBroken = (privacy: 'secret' | 'personal', kind: string): boolean =>
      fc.check(
        fc.property(anyRecord, (from) => {
          const { reasons } = decide(from);
          const others = reasons.filter((one) => one.kind === kind && one.gate !== 'labels');
          const providers = new Set(others.map(({ provider }) => provider));
          const leaves = [...providers].some((provider) =>
            others.every((one) => one.provider !== provider || one.verdict === 'pass'),
          );
          return !(leaves && from.request.privacy === privacy);
        }),
        { numRuns: 5000 },
      ).failed;
    expect([isBroken('secret', 'cloud-redacted'), isBroken('personal', 'cloud')]).toEqual([true, true]);
  });

  test('gates only take plans away: what is left passed them all', () => {
    holds((decision, { request, signals, policy }) => {
      const passed = signals.providers
        .flatMap((provider) =>
          (provider.kind === 'local' ? (['local'] as const) : (['cloud', 'cloud-redacted'] as const)).map(
            (kind) => ({ provider, plan: { kind, provider: provider.id } }),
          ),
        )
        .filter(({ provider, plan }) =>
          askGates({ plan, provider, request, signals, policy }).every(({ verdict }) => verdict === 'pass'),
        )
        .map(({ plan }) => `${plan.kind} ${plan.provider}`);
      const { plan, provider, alternatives } = decision;
      const left = alternatives.map((one) => `${one.kind} ${one.provider}`);
      if (provider !== null) left.push(`${plan} ${provider}`);
      expect(left.sort()).toEqual(passed.sort());
    });
  });

  test('a refusal has a gate that left nothing, and a choice has none', () => {
    holds(({ plan, bindingGate, reasons }) => {
      expect(bindingGate === null).toBe(plan !== 'refuse');
      if (bindingGate === null) return;
      const upTo = new Set(GATE_ORDER.slice(0, GATE_ORDER.indexOf(bindingGate) + 1));
      const vetoed = reasons.filter(({ gate, verdict }) => verdict === 'veto' && upTo.has(gate));
      expect(new Set(vetoed.map(({ kind, provider }) => `${kind} ${provider}`)).size).toBe(5);
    });
  });

  test('a record, also one that was written down, gives the same decision byte by byte', () => {
    holds((decision, from) => {
      const written = JSON.stringify(decision);
      expect(JSON.stringify(replay(from))).toBe(written);
      expect(JSON.stringify(replay(decision.record))).toBe(written);
      expect(JSON.stringify(replay(JSON.parse(JSON.stringify(from)) as DecisionRecord))).toBe(written);
    });
  });
});
