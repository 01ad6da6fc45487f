/**
 * The gates: each looks at one plan by itself and lets it pass or vetoes it, with a reason in words and as data. A gate
 * can only take plans away, so their order decides nothing but which veto is named first. The first three are about what
 * may be, the others about what can be.
 */
import type { Gate, Plan, Policy, ProviderSignals, Reason, RequestFacts, Signals } from './decision.ts';
import { bindingOf } from './stickiness.ts';

export interface GateInput {
  plan: Plan;
  provider: ProviderSignals;
  request: RequestFacts;
  signals: Signals;
  policy: Policy;
}

interface Verdict {
  veto: boolean;
  words: string;
  data: Reason['data'];
}

type GateFunction = (input: GateInput) => Verdict;

const GATES: readonly (readonly [Gate, GateFunction])[] = [
  ['policy', policyGate],
  ['stickiness', stickinessGate],
  ['labels', labelsGate],
  ['capability', capabilityGate],
  ['context', contextGate],
  ['offline', offlineGate],
  ['cost', costGate],
];

export const GATE_ORDER: readonly Gate[] = GATES.map(([gate]) => gate);

/** What all gates say of a plan, in their order. */
export function askGates(input: GateInput): Reason[] {
  return GATES.map(([gate, ask]) => {
    const { veto: isVeto, words, data } = ask(input);
    return { ...input.plan, gate, verdict: isVeto ? 'veto' : 'pass', words, data };
  });
}

const pass = (words: string, data: Reason['data'] = {}): Verdict => ({ veto: false, words, data });
const veto = (words: string, data: Reason['data'] = {}): Verdict => ({ veto: true, words, data });

function policyGate({ plan, request, policy }: GateInput): Verdict {
  const { route, named } = request;
  const data = { route, named, cloud: policy.cloud };
  if (named !== null && named !== plan.provider) return veto(`The request names another model.`, data);
  if (plan.kind === 'local') {
    if (route === 'cloud') return veto('The request asks for the cloud.', data);
    return pass('This device may always answer.', data);
  }
  if (policy.cloud === 'never') return veto('The policy lets nothing leave this device.', data);
  if (route === 'local') return veto('The request asks to stay on this device.', data);
  return pass('The policy allows the cloud.', data);
}

/**
 * A conversation may come home to this device, and go where the request says; a tool loop stays where its calls were
 * made.
 */
function stickinessGate({ plan, provider, request, policy }: GateInput): Verdict {
  const binding = bindingOf(request, policy);
  if (!binding) return pass('Nothing binds the request to a provider.');
  const { what, provider: beginner } = binding;
  const data = { begunBy: beginner, what, route: request.route };
  const name = what === 'tool-loop' ? 'tool loop' : 'conversation';
  if (beginner === plan.provider) return pass(`'${plan.provider}' began this ${name}.`, data);
  if (what === 'conversation') {
    if (provider.kind === 'local') return pass('A conversation may always come to this device.', data);
    if (request.named === plan.provider) return pass('The request names this endpoint.', data);
    if (request.route === 'cloud') return pass('The request asks for the cloud.', data);
  }
  const where = beginner === 'local' ? 'this device' : `'${beginner}'`;
  return veto(`This ${name} began with ${where} and stays there.`, data);
}

function labelsGate({ plan, request, policy }: GateInput): Verdict {
  const { privacy, parts } = request;
  if (plan.kind === 'local') return pass('What stays on this device may be anything.', { privacy });
  const counts = { privacy, secretParts: parts.secret, personalParts: parts.personal };
  if (privacy === 'secret') return veto('The request holds something secret, which never leaves.', counts);
  const { state, protectedCount, unredactableCount, residualRisk } = request.detection;
  const data = { ...counts, detection: state, protectedCount, unredactableCount, residualRisk };
  if (state !== 'done') {
    const why = state === 'failed' ? 'failed or took too long' : 'did not run';
    return veto(`The search for personal things ${why}, so all of it counts as sensitive.`, data);
  }
  if (unredactableCount > 0) return veto('It has personal parts that cannot be redacted.', data);
  if (privacy === 'public') return publicVerdict(plan, data, protectedCount);
  if (plan.kind === 'cloud') return veto('Personal text leaves only redacted.', data);
  if (policy.personal === 'never') return veto('The policy keeps personal text on this device.', data);
  if (!(residualRisk <= policy.maxResidualRisk)) {
    const limit = { ...data, maxResidualRisk: policy.maxResidualRisk };
    return veto('Too much that is personal may be left after redaction.', limit);
  }
  return pass('Personal text leaves redacted, and little is left in it.', {
    ...data,
    maxResidualRisk: policy.maxResidualRisk,
  });
}

/** Public text is redacted only of what leaves in no case. */
function publicVerdict({ kind }: Plan, data: Reason['data'], protectedCount: number): Verdict {
  if (kind === 'cloud') {
    if (protectedCount === 0) return pass('All of it is public.', data);
    return veto('The text is public, but holds ids, keys or terms that leave in no case.', data);
  }
  if (protectedCount > 0) return pass('Public text leaves without the ids, keys and terms in it.', data);
  return veto('There is nothing to redact.', data);
}

const ABILITY_WORDS: Record<string, string> = {
  tools: 'tools',
  json: 'JSON',
  images: 'media',
  logprobs: 'logprobs',
  n: 'several answers',
  engine: "parameters of this browser's engine",
};

function capabilityGate({ request, provider }: GateInput): Verdict {
  const { capabilities } = provider;
  const names = ['tools', 'json', 'images', 'logprobs', 'n'] as const;
  const missing: string[] = names.filter((name) => request.needs[name] && !capabilities[name]);
  if (request.needs.engine && provider.kind === 'cloud') missing.push('engine');
  if (missing.length === 0) return pass('It can do what is asked for.');
  return veto(`It has no ${missing.map((name) => ABILITY_WORDS[name]).join(', ')}.`, {
    missing: missing.join(','),
  });
}

function contextGate({ plan, request, provider }: GateInput): Verdict {
  const { promptTokens, maxTokens } = request;
  const { contextLength } = provider.capabilities;
  const data = { promptTokens, maxTokens, contextLength };
  if (promptTokens + (maxTokens ?? 1) <= contextLength)
    return pass('Prompt and answer fit the context.', data);
  if (plan.kind === 'local' && request.mayDropTurns) return pass('Old turns may be dropped.', data);
  return veto(`About ${promptTokens} tokens and their answer do not fit ${contextLength}.`, data);
}

function offlineGate({ provider, signals }: GateInput): Verdict {
  const { needsNetwork, available, unavailableWords } = provider;
  const data = { online: signals.online, needsNetwork, available };
  if (needsNetwork && !signals.online) return veto('There is no network.', data);
  if (!available) return veto(unavailableWords ?? 'It cannot be reached now.', data);
  return pass(needsNetwork ? 'There is a network.' : 'It needs no network.', data);
}

function costGate({ request, policy, provider }: GateInput): Verdict {
  const maxCost = request.maxCost ?? policy.maxCost;
  const { cost } = provider.prediction;
  if (maxCost === null) return pass('There is no cost limit.', { cost });
  if (cost === null) return veto('Its price is not known, and there is a cost limit.', { maxCost, cost });
  if (cost > maxCost) return veto(`It may cost ${cost}, more than ${maxCost}.`, { maxCost, cost });
  return pass('It stays within the cost limit.', { maxCost, cost });
}
