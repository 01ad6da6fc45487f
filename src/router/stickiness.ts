/** Who a request is bound to: whoever began its tool loop or conversation, as far as the policy binds these. */
import type { Policy, RequestFacts } from './decision.ts';

/** Undefined: it is free. */
export function bindingOf(request: RequestFacts, policy: Policy): RequestFacts['begunBy'] | undefined {
  const { begunBy } = request;
  if (begunBy === null || policy.sticky === 'off') return undefined;
  const isFree = begunBy.what === 'conversation' && policy.sticky === 'tool-loops';
  return isFree ? undefined : begunBy;
}
