/**
 * From a request to its decision: reads it, labels it, looks through it where something of it might leave, gathers what the
 * router asks about, and asks it. Nothing leaves by this.
 */
import { createKeyedHash, HASH_KEY_WORDS } from '../privacy/keyed-hash.ts';
import type { Detector } from '../privacy/detection.ts';
import { joinClasses } from '../privacy/classes.ts';
import type { LabelledConversation, TaintStore } from '../privacy/taint.ts';
import type { Clock } from '../provider/clock.ts';
import { LOCAL_ID } from '../provider/local.ts';
import type { CloudEndpoint, PredictRequest, Provider } from '../provider/provider.ts';
import { decide } from '../router/decide.ts';
import type { DetectionFacts, ProviderSignals, RequestFacts } from '../router/decision.ts';
import { invalid, show } from './checks.ts';
import { isOnThisMachine } from './cloud-option.ts';
import { readSignal } from './completions.ts';
import { detectionFacts, findPersonal } from './find-personal.ts';
import type { Detections } from './find-personal.ts';
import type { ReadPolicy } from './policy-option.ts';
import type { DecidedRequest } from './routed-answer.ts';
import { readRoutedRequest } from './routed-request.ts';
import type { RoutedRequest } from './routed-request.ts';

export interface DeciderParts extends Pick<ReadPolicy, 'policy' | 'terms'> {
  endpoints: readonly CloudEndpoint[];
  /** The local one first. */
  providers: readonly Provider[];
  store: TaintStore;
  openDetector(): Promise<Detector>;
  /** The id of the model in this browser. */
  modelId: string;
  countTokens(text: string): Promise<number>;
  clock: Clock;
  isOnline(): boolean;
}

export type Decider = (
  params: unknown,
  options: unknown,
) => Promise<DecidedRequest & { signal: AbortSignal | undefined }>;

/** Around a message: its role, and what templates put between. */
const MESSAGE_TOKENS = 8;
const NOT_LOOKED: DetectionFacts = {
  state: 'none',
  findings: {},
  protectedCount: 0,
  unredactableCount: 0,
  residualRisk: 0,
};

export function createDecider(parts: DeciderParts): Decider {
  const { policy, providers, clock } = parts;
  const hash = createRequestHash();

  return async (params, options) => {
    const request = readRoutedRequest(params, options);
    const signal = readSignal(options);
    signal?.throwIfAborted();
    const named = readNamed(request.model, parts);
    const labelled = labelAll(request, parts);
    const { detections, detection } = await look(labelled, { request, named, signal }, parts);
    const promptTokens = await countPrompt(labelled, request, parts.countTokens);
    const decision = decide({
      version: 1,
      id: drawId(),
      time: clock.now(),
      requestHash: hash(JSON.stringify(request.params)),
      request: { ...factsOf(request, labelled), detection, promptTokens, named },
      signals: {
        online: parts.isOnline(),
        providers: providers.map((one) =>
          signalsOf(one, { promptTokens, maxTokens: request.maxTokens }, parts.endpoints),
        ),
      },
      policy,
    });
    return { request, labelled, detections, decision, signal };
  };
}

/** What stands beside the messages has no labels of its own, but may quote what is secret. */
function labelAll(
  { messages, privacy, beside }: RoutedRequest,
  { store, policy }: DeciderParts,
): LabelledConversation {
  const labelled = store.label(messages, { ...policy.defaults, request: privacy });
  const quoted = beside.map((text) => store.classOf(text));
  return { ...labelled, class: joinClasses(labelled.class, ...quoted) };
}

/** 'auto' and nothing are anybody; else this browser's model, or an endpoint by its id or by what it calls its model. */
function readNamed(model: string | undefined, { modelId, endpoints }: DeciderParts): string | null {
  if (model === undefined || model === 'auto') return null;
  if (model === modelId) return LOCAL_ID;
  const found = endpoints.find(({ id }) => id === model) ?? endpoints.find((one) => one.model === model);
  if (found) return found.id;
  const known = ['auto', modelId, ...endpoints.map(({ id }) => id)].map((name) => `'${name}'`).join(', ');
  throw invalid('model', `is ${show(model)}; give one of ${known}, or leave it out.`);
}

interface Look {
  request: RoutedRequest;
  named: string | null;
  signal: AbortSignal | undefined;
}

/** Only where there is a plan by which something might leave. */
async function look(
  { texts, class: privacy }: LabelledConversation,
  { request, named, signal }: Look,
  { policy, terms, endpoints, openDetector, clock }: DeciderParts,
): Promise<{ detections: Detections | undefined; detection: DetectionFacts }> {
  const stays = policy.cloud === 'never' || request.route === 'local' || named === LOCAL_ID;
  if (stays || endpoints.length === 0 || privacy === 'secret') {
    return { detections: undefined, detection: NOT_LOOKED };
  }
  const looked = [...texts.map((one) => (one.field === 'media' ? null : one.text)), ...request.beside];
  const search = { texts: looked, terms, timeoutMs: policy.detectionTimeoutMs, signal };
  const detections = await findPersonal(openDetector, search, clock);
  return { detections, detection: detectionFacts(texts, detections) };
}

/** By the tokenizer of this browser's model; endpoints have others, which count about as many. */
async function countPrompt(
  { texts }: LabelledConversation,
  { messages }: RoutedRequest,
  countTokens: (text: string) => Promise<number>,
): Promise<number> {
  const text = texts.filter(({ field }) => field !== 'media').map((one) => one.text);
  return (await countTokens(text.join('\n'))) + MESSAGE_TOKENS * messages.length;
}

function factsOf(
  request: RoutedRequest,
  labelled: LabelledConversation,
): Omit<RequestFacts, 'detection' | 'promptTokens' | 'named'> {
  const { maxTokens, needs, route, deadlineMs, maxCost, local } = request;
  const parts = { public: 0, personal: 0, secret: 0 };
  for (const text of labelled.texts) parts[text.class] += 1;
  return {
    privacy: labelled.class,
    parts,
    maxTokens,
    needs,
    route,
    deadlineMs,
    maxCost,
    begunBy: findBeginner(request, labelled),
    mayDropTurns: local.context === 'drop-oldest',
  };
}

/** Who gave the first answer in it that was given here; in a tool loop, who made the calls. */
function findBeginner({ messages }: RoutedRequest, { texts }: LabelledConversation): RequestFacts['begunBy'] {
  const givers = texts.flatMap((text) => (text.provider === null ? [] : [text.provider]));
  const isLoop = messages.at(-1)?.role === 'tool';
  const provider = givers.at(isLoop ? -1 : 0);
  return provider === undefined ? null : { provider, what: isLoop ? 'tool-loop' : 'conversation' };
}

function signalsOf(
  provider: Provider,
  request: PredictRequest,
  endpoints: readonly CloudEndpoint[],
): ProviderSignals {
  const endpoint = endpoints.find((one) => one.id === provider.id);
  const { id, kind, capabilities } = provider;
  const { available, words } = provider.health();
  return {
    id,
    kind,
    capabilities,
    needsNetwork: endpoint !== undefined && !isOnThisMachine(endpoint.baseURL),
    available,
    unavailableWords: words,
    prediction: provider.predict(request),
  };
}

/** Under a key that nobody has: it tells requests of this page apart, and cannot be looked up. */
function createRequestHash(): (text: string) => string {
  const hash = createKeyedHash(crypto.getRandomValues(new Uint32Array(HASH_KEY_WORDS)));
  return (text) =>
    hash.whole(Int32Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))).toString(16);
}

function drawId(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `decision-${Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
