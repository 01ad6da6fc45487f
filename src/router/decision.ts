/**
 * What the router takes and gives. Types only. All of it is plain data without content: counts, classes, numbers and
 * the ids of providers. A record is what a decision was made from, so that it can be made again.
 *
 * Later inputs (learnt quality, budgets, cascades) join `RequestFacts`, `Signals` or `Policy`; `version` then says with
 * which of them a record was made.
 */
import type { PrivacyClass } from '../privacy/classes.ts';
import type { Capabilities } from '../provider/capabilities.ts';

export type PlanKind = 'local' | 'cloud' | 'cloud-redacted';

export type RouteWish = 'auto' | 'local' | 'cloud';

export interface Plan {
  kind: PlanKind;
  /** The provider's id. */
  provider: string;
}

/** In the order in which they are asked. */
export type Gate = 'policy' | 'stickiness' | 'labels' | 'capability' | 'context' | 'offline' | 'cost';

/** What one gate says of one plan. */
export interface Reason extends Plan {
  gate: Gate;
  verdict: 'pass' | 'veto';
  /** A sentence for people. */
  words: string;
  /** The values that were compared. */
  data: Record<string, string | number | boolean | null>;
}

export interface RankedPlan extends Plan {
  prediction: PlanPrediction;
}

export interface PlanPrediction {
  firstTokenMs: number | null;
  /** Until the last token. */
  totalMs: number | null;
  /** Most that it can cost. */
  cost: number | null;
}

export interface Decision {
  id: string;
  /** 'refuse': every plan was vetoed. */
  plan: PlanKind | 'refuse';
  /** The provider's id; null when refused. */
  provider: string | null;
  /** The decision in a sentence. */
  words: string;
  /** Where every plan was vetoed: the gate after which none was left. */
  bindingGate: Gate | null;
  prediction: PlanPrediction | null;
  /** Every gate's verdict on every plan, by plan, in the order of the gates. */
  reasons: Reason[];
  /** Plans that also passed, the next best first. */
  alternatives: RankedPlan[];
  /** Other endpoints that may take over when the chosen one fails, in order. None after 'local': what stays, stays. */
  fallbacks: Plan[];
  record: DecisionRecord;
}

export interface DecisionRecord {
  version: 1;
  id: string;
  /** Milliseconds since the epoch. */
  time: number;
  /** A keyed hash of the request: tells requests apart, and says nothing about them. */
  requestHash: string;
  request: RequestFacts;
  signals: Signals;
  policy: Policy;
}

/** What is known of a request. */
export interface RequestFacts {
  /** Of all its parts together. */
  privacy: PrivacyClass;
  /** How many parts have each class. */
  parts: Record<PrivacyClass, number>;
  detection: DetectionFacts;
  promptTokens: number;
  maxTokens: number | null;
  needs: RequestNeeds;
  route: RouteWish;
  /** The provider that the request names as its model; null: any. */
  named: string | null;
  deadlineMs: number | null;
  maxCost: number | null;
  /** Who began this conversation, or the tool loop that goes on; null: nobody known. */
  begunBy: { provider: string; what: 'conversation' | 'tool-loop' } | null;
  /** The caller lets the engine drop old turns of a chat that is too long for it. */
  mayDropTurns: boolean;
}

export interface RequestNeeds {
  tools: boolean;
  json: boolean;
  images: boolean;
  logprobs: boolean;
  n: boolean;
  /** Parameters that only the engine in this browser has, such as `top_k` and ids of its tokens. */
  engine: boolean;
}

/** What was looked for in text that might leave. */
export interface DetectionFacts {
  /** 'none': nothing may leave anyway. 'failed': by an error or because it took too long. */
  state: 'none' | 'done' | 'failed';
  /** Found things by kind. */
  findings: Record<string, number>;
  /** Found things that leave in no case: the user's own terms, ids with a checksum, keys. */
  protectedCount: number;
  /** Personal things that cannot be redacted: images, and what stands beside the messages, such as schemas. */
  unredactableCount: number;
  /** 0 to 1: what may be left of personal things when the findings are masked. */
  residualRisk: number;
}

/** The state of things around the request. */
export interface Signals {
  online: boolean;
  /** The local one first, endpoints in the app's order. */
  providers: ProviderSignals[];
}

export interface ProviderSignals {
  id: string;
  kind: 'local' | 'cloud';
  capabilities: Capabilities;
  /** False for this browser's model, and for endpoints on this machine. */
  needsNetwork: boolean;
  available: boolean;
  /** Why it is not. */
  unavailableWords: string | null;
  prediction: { firstTokenMs: number | null; tokensPerSecond: number | null; cost: number | null };
}

/** The app's rules, complete with defaults. Plain data. */
export interface Policy {
  /** 'never': nothing leaves, whatever requests say. */
  cloud: 'allow' | 'never';
  /** Whether personal text may leave once it is redacted. */
  personal: 'redact' | 'never';
  /** 0 to 1: personal text with more residual risk stays. */
  maxResidualRisk: number;
  /** What goes first of what is allowed. */
  prefer: 'local' | 'cloud' | 'fastest' | 'cheapest';
  /** What stays with the provider that began it. */
  sticky: 'conversations' | 'tool-loops' | 'off';
  /** Whether the engine goes on with what an endpoint began and broke off. */
  continueLocally: boolean;
  /** For every request that does not set its own. */
  maxCost: number | null;
  /** Class of what has no label. */
  defaults: { text: PrivacyClass; media: PrivacyClass };
  /** What takes longer counts as failed. */
  detectionTimeoutMs: number;
}
