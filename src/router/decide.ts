/**
 * The decision: a pure function of its record. Plans are made, the gates take away what may not or cannot be, what is
 * left is ranked, and the first one wins. The same record gives the same decision, byte by byte: nothing here looks at a
 * clock, draws a number, or remembers.
 *
 * What the choice can never do is widen: a plan that falls out stays out, and what is chosen to stay on the device has
 * no fallback that leaves it.
 */
import type {
  Decision,
  DecisionRecord,
  Gate,
  Plan,
  PlanPrediction,
  ProviderSignals,
  RankedPlan,
  Reason,
  RequestFacts,
} from './decision.ts';
import { askGates, GATE_ORDER } from './gates.ts';
import { rank } from './rank.ts';

/** Tokens of an answer for which the request sets no limit, to tell how long one may take. */
const USUAL_ANSWER_TOKENS = 256;

export function decide(record: DecisionRecord): Decision {
  const { id, request, signals, policy } = record;
  const plans = signals.providers.flatMap((provider) =>
    plansOf(provider).map((plan) => ({
      plan,
      prediction: predict(provider, request),
      reasons: askGates({ plan, provider, request, signals, policy }),
    })),
  );
  const reasons = plans.flatMap((one) => one.reasons);
  const passed = plans.filter((one) => one.reasons.every(({ verdict }) => verdict === 'pass'));
  const ranked = rank(
    passed.map(({ plan, prediction }): RankedPlan => ({ ...plan, prediction })),
    record,
  );
  const [winner, ...alternatives] = ranked;
  if (!winner) {
    const bindingGate = findBindingGate(plans.map((one) => one.reasons));
    return {
      id,
      plan: 'refuse',
      provider: null,
      words: refusalWords(reasons, bindingGate),
      bindingGate,
      prediction: null,
      reasons,
      alternatives: [],
      fallbacks: [],
      record,
    };
  }
  return {
    id,
    plan: winner.kind,
    provider: winner.provider,
    words: planWords(winner, request),
    bindingGate: null,
    prediction: winner.prediction,
    reasons,
    alternatives,
    fallbacks: fallbacksOf(winner, alternatives),
    record,
  };
}

/** The decision that a record was of. */
export function replay(record: DecisionRecord): Decision {
  return decide(record);
}

function plansOf({ id, kind }: ProviderSignals): Plan[] {
  if (kind === 'local') return [{ kind: 'local', provider: id }];
  return [
    { kind: 'cloud', provider: id },
    { kind: 'cloud-redacted', provider: id },
  ];
}

function predict({ prediction }: ProviderSignals, { maxTokens }: RequestFacts): PlanPrediction {
  const { firstTokenMs, tokensPerSecond, cost } = prediction;
  if (firstTokenMs === null || tokensPerSecond === null || tokensPerSecond <= 0) {
    return { firstTokenMs, totalMs: null, cost };
  }
  const answerMs = (1000 * (maxTokens ?? USUAL_ANSWER_TOKENS)) / tokensPerSecond;
  return { firstTokenMs, totalMs: firstTokenMs + answerMs, cost };
}

/** Endpoints for the same kind of plan: what was decided to leave redacted does not leave otherwise. */
function fallbacksOf(winner: RankedPlan, alternatives: readonly RankedPlan[]): Plan[] {
  if (winner.kind === 'local') return [];
  return alternatives
    .filter(({ kind }) => kind === winner.kind)
    .map(({ kind, provider }) => ({ kind, provider }));
}

/** The first gate after which no plan was left. */
function findBindingGate(reasonsByPlan: readonly (readonly Reason[])[]): Gate | null {
  const firstVetoes = reasonsByPlan.map((reasons) => reasons.findIndex(({ verdict }) => verdict === 'veto'));
  return GATE_ORDER[Math.max(...firstVetoes)] ?? null;
}

function planWords({ kind, provider }: Plan, { privacy }: RequestFacts): string {
  switch (kind) {
    case 'local':
      return 'Answered on this device: nothing leaves it.';
    case 'cloud':
      return `Sent to '${provider}' as it is: it is public.`;
    case 'cloud-redacted':
      return privacy === 'public'
        ? `Sent to '${provider}' without the ids, keys and terms in it.`
        : `Redacted and sent to '${provider}'.`;
    default:
      return kind satisfies never;
  }
}

/** Each plan's first veto; of one provider each sentence once. */
function refusalWords(reasons: readonly Reason[], bindingGate: Gate | null): string {
  if (bindingGate === null) return 'Nobody is there to answer.';
  const plans = new Set<string>();
  const sentences = new Set<string>();
  for (const { kind, provider, verdict, words } of reasons) {
    const plan = JSON.stringify([kind, provider]);
    if (verdict !== 'veto' || plans.has(plan)) continue;
    plans.add(plan);
    sentences.add(`${kind === 'local' ? 'This device' : `'${provider}'`}: ${words}`);
  }
  return `Nobody may or can answer. ${[...sentences].join(' ')}`;
}
