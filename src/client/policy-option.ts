/** The option `policy` of `createClient`, checked and complete. */
import { PRIVACY_CLASSES } from '../privacy/classes.ts';
import type { PrivacyClass } from '../privacy/classes.ts';
import type { SinkName } from '../privacy/restore.ts';
import type { Policy } from '../router/decision.ts';
import { invalid, isAbsent, isRecord, readBoolean, readChoice, readNumber, show } from './checks.ts';
import type { Outside } from './checks.ts';
import { refuseUnknownOptions } from './option-checks.ts';

export interface PolicyOption {
  /** 'never': nothing leaves, whatever requests say. Default 'allow'. */
  cloud?: 'allow' | 'never' | undefined;
  /** Whether personal text may leave once it is redacted. Default 'redact'. */
  personal?: 'redact' | 'never' | undefined;
  /** 0 to 1: personal text with more residual risk than this stays. Default 0.25. */
  maxResidualRisk?: number | undefined;
  /** What goes first of what is allowed. Default 'local': the cloud is for what this device cannot do. */
  prefer?: 'local' | 'cloud' | 'fastest' | 'cheapest' | undefined;
  /** What stays with the provider that began it. Default 'conversations', tool loops included. */
  sticky?: 'conversations' | 'tool-loops' | 'off' | undefined;
  /** Whether this device goes on with an answer that an endpoint broke off. Default true. */
  continueLocally?: boolean | undefined;
  /** For every request that does not set its own, in the currency of the prices. */
  maxCost?: number | undefined;
  /** The class of what has no label. Default: text 'personal', media 'secret'. */
  defaults?: { text?: PrivacyClass | undefined; media?: PrivacyClass | undefined } | undefined;
  /** The user's own names and words, which never leave in any spelling. Not part of decisions and records. */
  terms?: readonly string[] | undefined;
  /**
   * The most private class that is put back into an endpoint's answer where an alias stands for it. Default: text
   * 'personal', code, addresses and the arguments of tools 'public', where the alias stays.
   */
  sinks?: Sinks | undefined;
  /** A search for personal things that takes longer counts as failed, and what it was for stays. Default 5000. */
  detectionTimeoutMs?: number | undefined;
}

export type Sinks = Partial<Record<SinkName, PrivacyClass>>;

export interface ReadPolicy {
  policy: Policy;
  terms: readonly string[];
  sinks: Sinks;
}

const KNOWN = new Set([
  'cloud',
  'personal',
  'maxResidualRisk',
  'prefer',
  'sticky',
  'continueLocally',
  'maxCost',
  'defaults',
  'terms',
  'sinks',
  'detectionTimeoutMs',
]);
const SINKS: readonly SinkName[] = ['text', 'code', 'url', 'tool-arguments'];
const MAX_RESIDUAL_RISK = 0.25;
const DETECTION_TIMEOUT_MS = 5000;

export function readPolicy(value: unknown): ReadPolicy {
  const from = value ?? {};
  if (!isRecord(from)) throw invalid('policy', `is ${show(from)}; give an object.`);
  refuseUnknownOptions(from, KNOWN, 'policy.');
  const isContinued = isAbsent(from['continueLocally']) || readBoolean(from, 'continueLocally');
  return {
    policy: {
      cloud: readChoice(from, 'cloud', ['allow', 'never'], 'allow'),
      personal: readChoice(from, 'personal', ['redact', 'never'], 'redact'),
      maxResidualRisk: readNumber(from, 'maxResidualRisk', MAX_RESIDUAL_RISK, { min: 0, max: 1 }),
      prefer: readChoice(from, 'prefer', ['local', 'cloud', 'fastest', 'cheapest'], 'local'),
      sticky: readChoice(from, 'sticky', ['conversations', 'tool-loops', 'off'], 'conversations'),
      continueLocally: isContinued,
      maxCost: readNumber(from, 'maxCost', null, { min: 0, max: 1e12 }),
      defaults: readDefaults(from['defaults']),
      detectionTimeoutMs: readNumber(from, 'detectionTimeoutMs', DETECTION_TIMEOUT_MS, { min: 0, max: 6e5 }),
    },
    terms: readTerms(from['terms']),
    sinks: readSinks(from['sinks']),
  };
}

function readSinks(value: unknown): Sinks {
  if (isAbsent(value)) return {};
  if (!isRecord(value)) throw invalid('policy.sinks', `is ${show(value)}; give an object.`);
  refuseUnknownOptions(value, new Set(SINKS), 'policy.sinks.');
  const given = SINKS.filter((name) => !isAbsent(value[name]));
  return Object.fromEntries(
    given.map((name) => [name, readChoice<PrivacyClass>(value, name, PRIVACY_CLASSES, 'public')]),
  );
}

function readDefaults(value: unknown): Policy['defaults'] {
  const from: Outside = isRecord(value) ? value : {};
  if (!isAbsent(value) && !isRecord(value)) {
    throw invalid('policy.defaults', `is ${show(value)}; give { text, media }.`);
  }
  refuseUnknownOptions(from, new Set(['text', 'media']), 'policy.defaults.');
  return {
    text: readChoice<PrivacyClass>(from, 'text', PRIVACY_CLASSES, 'personal'),
    media: readChoice<PrivacyClass>(from, 'media', PRIVACY_CLASSES, 'secret'),
  };
}

/** Not shown in the message: they are what must not be shown. */
function readTerms(value: unknown): string[] {
  if (isAbsent(value)) return [];
  const isTerm = (term: unknown): term is string => typeof term === 'string' && term.trim() !== '';
  if (Array.isArray(value) && value.every(isTerm)) return [...value];
  throw invalid('policy.terms', 'is not a list of strings that say something; give one.');
}
