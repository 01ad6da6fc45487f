/**
 * Which of the plans that passed goes first. In this order: who began the conversation, who is expected to be ready by
 * the deadline, what the policy prefers; then the order in which the app named its endpoints.
 */
import type { DecisionRecord, PlanKind, Policy, RankedPlan } from './decision.ts';
import { bindingOf } from './stickiness.ts';

/** Plans are compared by these numbers, one after the other; the lower goes first. */
type Key = readonly number[];

export function rank(plans: readonly RankedPlan[], record: DecisionRecord): RankedPlan[] {
  const keyed = plans.map((plan) => ({ plan, key: keyOf(plan, record) }));
  // Sorting is stable: plans with the same key keep the app's order.
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ plan }) => plan);
}

function keyOf(plan: RankedPlan, { request, policy }: DecisionRecord): Key {
  const { deadlineMs } = request;
  const isBeginner = bindingOf(request, policy)?.provider === plan.provider;
  return [
    isBeginner ? 0 : 1,
    lateness(plan, deadlineMs),
    preference(plan, policy.prefer),
    homeFirst(plan.kind),
  ];
}

/** Unknown is better than known to be late. */
function lateness({ prediction: { totalMs } }: RankedPlan, deadlineMs: number | null): number {
  if (deadlineMs === null) return 0;
  if (totalMs === null) return 1;
  return totalMs <= deadlineMs ? 0 : 2;
}

function preference({ kind, prediction }: RankedPlan, prefer: Policy['prefer']): number {
  switch (prefer) {
    case 'local':
      return kind === 'local' ? 0 : 1;
    case 'cloud':
      return kind === 'local' ? 1 : 0;
    case 'fastest':
      return prediction.totalMs ?? Infinity;
    case 'cheapest':
      return prediction.cost ?? Infinity;
    default:
      return prefer satisfies never;
  }
}

/** Between plans that are alike, what shows less to others. */
function homeFirst(kind: PlanKind): number {
  return ['local', 'cloud-redacted', 'cloud'].indexOf(kind);
}

function compare(a: Key, b: Key): number {
  for (const [i, value] of a.entries()) {
    const other = b[i]!;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}
