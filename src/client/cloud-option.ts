/** The option `cloud` of `createClient`, checked. */
import type { Capabilities, CloudEndpoint, Continuation, Prices, Timeouts } from '../provider/provider.ts';
import { invalid, isAbsent, isRecord, readBoolean, readChoice, readNumber, show } from './checks.ts';
import type { Outside } from './checks.ts';
import { readUrl, refuseUnknownOptions } from './option-checks.ts';

/** An endpoint that speaks OpenAI's protocol. */
export interface CloudOption {
  /** Names it in requests, decisions and events. */
  id: string;
  /** Ends before `/chat/completions`: `https://api.example.com/v1`. */
  baseURL: string | URL;
  /** What the endpoint calls the model. */
  model: string;
  /**
   * Gives a short-lived bearer token for the endpoint's origin, from your own server. Keys of a vendor do not belong into a
   * page. Default: none is sent.
   */
  getToken?: ((audience: string) => Promise<string> | string) | undefined;
  /** Longest prompt with answer, in tokens. */
  contextLength: number;
  /** Default: tools and JSON, nothing else. */
  capabilities?: Partial<Record<Ability, boolean>> | undefined;
  /** Without prices a request with a cost limit is not sent. */
  prices?: { inputPerMillion: number; outputPerMillion: number; currency?: string | undefined } | undefined;
  /** How the endpoint calls the most tokens of an answer. Default 'max_completion_tokens'. */
  capParameter?: 'max_tokens' | 'max_completion_tokens' | undefined;
  /**
   * How the endpoint is told to go on with an answer that broke off: 'continue_final_message' (vLLM, SGLang, llama.cpp's
   * server), 'prefix' (DeepSeek, Mistral) or 'partial' (Alibaba). Default: it cannot.
   */
  continuation?: Continuation | undefined;
  /** Fixed instead of learnt. */
  timeouts?: { [Name in keyof Timeouts]?: number | undefined } | undefined;
}

type Ability = Exclude<keyof Capabilities, 'contextLength' | 'continues'>;

const KNOWN = new Set([
  'id',
  'baseURL',
  'model',
  'getToken',
  'contextLength',
  'capabilities',
  'prices',
  'capParameter',
  'continuation',
  'timeouts',
]);
const ABILITIES: readonly Ability[] = ['tools', 'json', 'images', 'logprobs', 'n'];
const CONTINUATIONS = ['continue_final_message', 'prefix', 'partial', 'none'] as const;
const DEFAULT_ABILITIES: Record<Ability, boolean> = {
  tools: true,
  json: true,
  images: false,
  logprobs: false,
  n: false,
};
/** Names that mean something else in `model` and in decisions. */
const TAKEN = new Set(['local', 'auto']);
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

export function isOnThisMachine(url: string): boolean {
  return LOOPBACK.has(new URL(url).hostname);
}

export function readCloud(value: unknown): CloudEndpoint[] {
  if (isAbsent(value)) return [];
  if (!Array.isArray(value)) throw invalid('cloud', `is ${show(value)}; give a list of endpoints.`);
  const endpoints = value.map((one: unknown, i) => readEndpoint(one, `cloud[${i}]`));
  for (const [i, { id }] of endpoints.entries()) {
    if (endpoints.findIndex((other) => other.id === id) === i) continue;
    throw invalid(`cloud[${i}].id`, `is ${show(id)}, as another one's is. Give each its own.`);
  }
  return endpoints;
}

function readEndpoint(value: unknown, at: string): CloudEndpoint {
  if (!isRecord(value)) throw invalid(at, `is ${show(value)}; give { id, baseURL, model, contextLength }.`);
  if (!isAbsent(value['apiKey'])) {
    // Not shown in the message: it is a key.
    throw invalid(
      `${at}.apiKey`,
      'is there, but keys do not belong into a page. Give getToken, which asks your server.',
    );
  }
  refuseUnknownOptions(value, KNOWN, `${at}.`);
  const id = readText(value, 'id', at);
  if (TAKEN.has(id)) throw invalid(`${at}.id`, `is ${show(id)}, which means something else. Give another.`);
  const contextLength = readNumber(value, 'contextLength', null, { min: 1, max: 1e9, integer: true });
  if (contextLength === null) throw invalid(`${at}.contextLength`, 'is missing; give a number of tokens.');
  const given = readChoice(value, 'continuation', CONTINUATIONS, 'none');
  const continuation = given === 'none' ? null : given;
  return {
    id,
    baseURL: readBase(value['baseURL'], `${at}.baseURL`),
    model: readText(value, 'model', at),
    getToken: readGetToken(value['getToken'], `${at}.getToken`),
    contextLength,
    capabilities: {
      contextLength,
      ...readAbilities(value['capabilities'], `${at}.capabilities`),
      continues: continuation === null ? 'no' : 'prefix',
    },
    prices: readPrices(value['prices'], `${at}.prices`),
    capParameter: readChoice(
      value,
      'capParameter',
      ['max_tokens', 'max_completion_tokens'],
      'max_completion_tokens',
    ),
    continuation,
    timeouts: readTimeouts(value['timeouts'], `${at}.timeouts`),
  };
}

function readText(from: Outside, name: string, at: string): string {
  const value = from[name];
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`${at}.${name}`, `is ${show(value)}; give a string that is not empty.`);
}

/** What is said on the way must not be readable: HTTPS, except to this very machine. */
function readBase(value: unknown, param: string): string {
  const href = readUrl(value, param);
  if (href === undefined) throw invalid(param, 'is missing; give the address before /chat/completions.');
  const url = new URL(href);
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isOnThisMachine(href));
  if (!isSafe) throw invalid(param, `is ${show(href)}; give an https: address, or one of this machine.`);
  if (url.username || url.password || url.search || url.hash) {
    throw invalid(param, 'has a user, a query or a fragment; give the bare address.');
  }
  return href.replace(/\/+$/, '');
}

function readGetToken(value: unknown, param: string): CloudEndpoint['getToken'] {
  if (isAbsent(value)) return undefined;
  if (isTokenGetter(value)) return value;
  throw invalid(param, `is ${show(value)}; give a function.`);
}

function isTokenGetter(value: unknown): value is NonNullable<CloudEndpoint['getToken']> {
  return typeof value === 'function';
}

function readAbilities(value: unknown, param: string): Record<Ability, boolean> {
  const from = readOptional(value, ABILITIES, param);
  const abilities = { ...DEFAULT_ABILITIES };
  for (const name of ABILITIES) {
    if (!isAbsent(from[name])) abilities[name] = readBoolean(from, name);
  }
  return abilities;
}

function readTimeouts(value: unknown, param: string): Timeouts {
  const from = readOptional(value, ['connectMs', 'firstTokenMs', 'betweenTokensMs'], param);
  const read = (name: keyof Timeouts): number | null =>
    readNumber(from, name, null, { min: 0, max: 1e9, above: true });
  return {
    connectMs: read('connectMs'),
    firstTokenMs: read('firstTokenMs'),
    betweenTokensMs: read('betweenTokensMs'),
  };
}

function readOptional(value: unknown, known: readonly string[], param: string): Outside {
  if (isAbsent(value)) return {};
  if (!isRecord(value)) throw invalid(param, `is ${show(value)}; give an object.`);
  refuseUnknownOptions(value, new Set(known), `${param}.`);
  return value;
}

function readPrices(value: unknown, param: string): Prices | null {
  if (isAbsent(value)) return null;
  if (!isRecord(value)) {
    throw invalid(param, `is ${show(value)}; give { inputPerMillion, outputPerMillion }.`);
  }
  refuseUnknownOptions(value, new Set(['inputPerMillion', 'outputPerMillion', 'currency']), `${param}.`);
  const price = (name: string): number => {
    const read = readNumber(value, name, null, { min: 0, max: 1e9 });
    if (read === null) throw invalid(`${param}.${name}`, 'is missing; give the price of a million tokens.');
    return read;
  };
  const currency = isAbsent(value['currency']) ? 'USD' : readText(value, 'currency', param);
  return { inputPerMillion: price('inputPerMillion'), outputPerMillion: price('outputPerMillion'), currency };
}
